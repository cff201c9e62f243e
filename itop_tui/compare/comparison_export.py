"""What of a comparison can be written to files."""

from __future__ import annotations

from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.compare.compared import Compared
from itop_tui.compare.reading import ComparisonRead
from itop_tui.dialogs.export_dialog import (
    Choice,
    chart_choice,
    drawing_choice,
    report_choice,
    run_choices,
    sheet_choices,
)
from itop_tui.export.report import scatter_drawings
from itop_tui.export.written_files import comparison_name
from itop_tui.widgets.sheet import Sheet


def choices(compared: Compared, found: ComparisonRead, charts: ChartsPane, title: str, table: Sheet) -> list[Choice]:
    """The whole comparison, the plots and the table of the open tab, and the runs."""
    ids = [run.id for run in compared.entry_runs]
    name = comparison_name(ids)
    report = report_choice(compared.entry_runs, name, grouped=compared.grouped, across=charts.across)
    drawn = []
    if compared.tab == "curves":
        labels = {entry.letter: entry.label_with_n for entry in compared.entries}
        drawn = [chart_choice(chart, name, labels) for chart in charts.charts if chart.display]
    elif compared.tab == "scatter":
        plots = scatter_drawings(compared.entries, found.seconds, compared.accuracy, hidden=compared.hidden)
        drawn = [drawing_choice(plot, name) for plot in plots]
    return [report, *drawn, *sheet_choices(name, title, table), *run_choices(ids, without=("html",))]
