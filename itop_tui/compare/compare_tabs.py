"""The tabs of a comparison: charts, plots and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import ContentSwitcher

from itop_tui.chart.charts_pane import ChartsPane
from itop_tui.chart.scatter import Scatter
from itop_tui.compare.compared import Compared
from itop_tui.compare.comparison_reader import ComparisonReader
from itop_tui.compare.reading import ComparisonRead
from itop_tui.compare.sheets import results_sheet, sorted_columns
from itop_tui.export.written_files import comparison_name
from itop_tui.figures import paper_table
from itop_tui.figures.comparison import results
from itop_tui.figures.comparison_scatter import scatter_data
from itop_tui.figures.entry_charts import compared_charts
from itop_tui.figures.format import plain, plural
from itop_tui.figures.paper_table import FORMAT_NAMES, PAPER_FORMATS
from itop_tui.screen import shell_of
from itop_tui.widgets.sheet import Sheet, SheetView

if TYPE_CHECKING:
    from itop_tui.dialogs.export_dialog import Choice


class CompareTabs(ContentSwitcher):
    """Shows the open tab of what is compared."""

    class Changed(Message):
        """A person chose what a table shows, or in which order."""

    def __init__(self, compared: Compared, reader: ComparisonReader) -> None:
        super().__init__(id="compare-tabs", initial="curves")
        self._compared, self._reader = compared, reader
        self._found: ComparisonRead | None = None

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
        yield SheetView(widget_id="table", widest=40)

    @property
    def table(self) -> SheetView | None:
        """The table of the open tab; None for charts and plots."""
        found = self.query_one(f"#{self._compared.tab}")
        return found if isinstance(found, SheetView) else None

    def show(self, found: ComparisonRead) -> None:
        """Show the plots or the table of the open tab."""
        compared, self._found = self._compared, found
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

    # ----------------------------------------------------------------------------------------------- what is chosen

    def action_sort_beside(self, by: int) -> None:
        """Sort the results by the column beside the present one."""
        if self._found is None:
            return
        columns = sorted_columns(results(self._compared.entries, self._found.seconds))
        here = columns.index(self._compared.sorting.by) if self._compared.sorting.by in columns else 0
        self._sort(columns[(here + by) % len(columns)])

    def action_sort_reverse(self) -> None:
        """Sort the results in the other direction."""
        self._sort(self._compared.sorting.by)

    def on_sheet_view_head_clicked(self, message: SheetView.HeadClicked) -> None:
        """The head of a column was clicked: sort the results by it."""
        message.stop()
        if self._compared.tab == "results" and self._found is not None:
            self._sort(sorted_columns(results(self._compared.entries, self._found.seconds))[message.column])

    def _sort(self, by: str) -> None:
        self._compared.sorting = self._compared.sorting.chosen(by)
        self.post_message(self.Changed())

    def action_choose_columns(self) -> None:
        """Choose the setting that has the columns of the table."""
        from itop_tui.dialogs.chooser import Item, Picker

        def decided(across: str | None) -> None:
            if across is not None:
                self._compared.paper_across = across
                self.post_message(self.Changed())

        items = [Item(name, name) for name in paper_table.choices(self._compared.entry_runs)]
        self.app.push_screen(Picker("Columns of the table", items, current=self._compared.paper_across), decided)

    def action_copy_table(self) -> None:
        """Copy the open table as text; on charts and plots, the results; the table of a paper in a format."""
        from itop_tui.dialogs.chooser import Item, Picker

        found, shell = self._found, shell_of(self)
        if found is None:
            return
        if self._compared.tab != "table":
            name, text = self.as_text(found)
            shell.copy(text, f"The table of {name}, {plural(len(text.splitlines()), 'line')}")
            return
        table = self._compared.paper(found)

        def decided(form: str | None) -> None:
            if form in PAPER_FORMATS:
                shell.copy(table.written(form), f"The table as {FORMAT_NAMES[form]}")

        items = [Item(form, FORMAT_NAMES[form]) for form in PAPER_FORMATS]
        self.app.push_screen(Picker("Copy the table as", items, hint="Markdown, LaTeX, CSV or text"), decided)

    def _copied(self, found: ComparisonRead) -> tuple[str, Sheet]:
        """What is copied and exported as a table, and what it is of: the open one; on charts and plots, the results."""
        if self.table is not None and self._compared.tab != "results":
            return self._compared.tab, self.sheet(found)
        sorting = self._compared.sorting
        return "results", results_sheet(self._compared.entries, found.seconds, sorting=sorting, marked_order=False)

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
        if compared.tab == "table":
            table = dialog.paper_choices(name, compared.paper(found))
        else:
            table = dialog.sheet_choices(name, *self._copied(found))
        return [report, *drawn, *table, *dialog.run_choices(ids, without=("html",))]
