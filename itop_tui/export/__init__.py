"""Taking what was recorded elsewhere: CSV, JSON, Parquet, TensorBoard, safetensors, SVG and HTML."""
