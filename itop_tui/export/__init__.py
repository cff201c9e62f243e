"""Taking what was recorded elsewhere: CSV, JSON, Parquet, TensorBoard, safetensors, SVG and HTML.

`runs.export_runs` writes runs, `report` a comparison as one HTML page, `drawing` charts as SVG. None of it needs the
app; the command line calls the same functions. Nothing is overwritten unless asked, and no file is ever half there.
"""
