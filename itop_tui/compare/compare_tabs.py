"""The tabs of a comparison: charts, plots and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher

from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.chart.scatter import Scatter
from itop_tui.compare.compared import Compared
from itop_tui.compare.comparison_reader import ComparisonReader
from itop_tui.compare.reading import ComparisonRead
from itop_tui.compare.sheets import results_sheet
from itop_tui.export.written_files import comparison_name
from itop_tui.figures.comparison_scatter import scatter_data
from itop_tui.figures.entry_charts import compared_charts
from itop_tui.figures.format import plain
from itop_tui.widgets.sheet import Sheet, SheetView

if TYPE_CHECKING:
    from itop_tui.dialogs.export_dialog import Choice


class CompareTabs(ContentSwitcher):
    """Shows the open tab of what is compared."""

    def __init__(self, compared: Compared, reader: ComparisonReader) -> None:
        super().__init__(id="compare-tabs", initial="curves")
        self._compared, self._reader = compared, reader

    def compose(self) -> ComposeResult:
        """Lay out the tabs."""
        yield ChartsPane("curves", fixed=compared_charts())
        yield SheetView(widget_id="results", widest=34)
        yield SheetView(widget_id="settings")
        with Horizontal(id="scatter"):
            yield Scatter("by-rs")
            yield Scatter("by-flops")
        yield SheetView(widget_id="layers")
        yield SheetView(widget_id="masks")

    @property
    def table(self) -> SheetView | None:
        """The table of the open tab; None for charts and plots."""
        found = self.query_one(f"#{self._compared.tab}")
        return found if isinstance(found, SheetView) else None

    def show(self, found: ComparisonRead) -> None:
        """Show the plots or the table of the open tab."""
        compared = self._compared
        if self.table is not None:
            self.table.sheet = self.sheet(found)
        elif compared.tab == "scatter":
            plots = scatter_data(compared.entries, found.seconds, compared.accuracy, hidden=compared.hidden)
            for widget, data in zip(self.query(Scatter), plots, strict=True):
                widget.data = data

    def sheet(self, found: ComparisonRead) -> Sheet:
        """The table of the open tab; the masks are asked for where it is of them."""
        runs = self._compared.entry_runs
        if self._compared.tab == "masks" and found.checkpoints is not None:
            self._reader.ask_masks(runs, found.checkpoints)
        return self._compared.sheet(found, self._reader.masks_of(runs), self._reader.masks.problem)

    def _copied(self, found: ComparisonRead) -> tuple[str, Sheet]:
        """What is copied and exported as a table, and what it is of: the open one; on charts and plots, the results."""
        if self.table is not None and self._compared.tab != "results":
            return self._compared.tab, self.sheet(found)
        return "results", results_sheet(self._compared.entries, found.seconds)

    def as_text(self, found: ComparisonRead) -> tuple[str, str]:
        """What is copied, and what it is of."""
        name, table = self._copied(found)
        text = table.as_text()
        if name != "results":  # its rows are named; elsewhere the letters have to be
            text = "\n".join([*(f"{one.letter} {plain(one.label)}" for one in self._compared.entries), "", text])
        return name, text

    def choices(self, found: ComparisonRead) -> list[Choice]:
        """What can be written to files: the whole comparison, the plots and the table of the open tab, and the runs."""
        from itop_tui.dialogs import export_dialog as dialog
        from itop_tui.export.report import scatter_drawings

        compared, charts = self._compared, self.query_one(ChartsPane)
        ids = [run.id for run in compared.entry_runs]
        name = comparison_name(ids)
        report = dialog.report_choice(compared.entry_runs, name, grouped=compared.grouped, across=charts.across)
        drawn: list[Choice] = []
        if compared.tab == "curves":
            labels = {entry.letter: entry.label for entry in compared.entries}
            drawn = [dialog.chart_choice(chart, name, labels) for chart in charts.charts if chart.display]
        elif compared.tab == "scatter":
            plots = scatter_drawings(compared.entries, found.seconds, compared.accuracy, hidden=compared.hidden)
            drawn = [dialog.drawing_choice(plot, name) for plot in plots]
        table = dialog.sheet_choices(name, *self._copied(found))
        return [report, *drawn, *table, *dialog.run_choices(ids, without=("html",))]
