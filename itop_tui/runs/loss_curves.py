"""Reads the curves that the list of runs shows, in its lines, details and charts, once the list rests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.widget import Widget

from db.records import RunRecord
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_table import RunTable
from itop_tui.service import run_reading

if TYPE_CHECKING:
    from db.session import Database
    from itop_tui.figures.curves import CurveRequest, RunCurves
    from itop_tui.runs.detail_charts import DetailCharts

_POINTS = 48
_PAUSE = 0.1
"""Seconds the list must rest before the curves of other runs are read: holding a key down reads nothing."""
_GROWN = 1 + 1 / _POINTS
"""A curve is read again when it has grown by this factor, a point: drawn from fewer new steps it looks the same."""
_REST = 0.9
"""Seconds until curves that are shown are read again at the earliest."""


class LossCurves:
    """Keeps the curves of the visible lines and of the run in the details up to date, by timers of their `owner`."""

    def __init__(
        self,
        owner: Widget,
        table: RunTable,
        detail: RunDetail,
        charts: Callable[[], DetailCharts | None],
        database: Callable[[], Database | None],
    ) -> None:
        self._owner, self._table, self._detail, self._charts, self._database = owner, table, detail, charts, database
        self._timer: Timer | None = None
        self._soon = False
        self._curves: dict[int, tuple[float, ...]] = {}
        self._steps: dict[int, int] = {}

    def of(self, run: RunRecord | None) -> tuple[float, ...]:
        """The curve of a run as it was read last; empty where it was not."""
        return self._curves.get(run.id, ()) if run is not None else ()

    def want(self, *, moved: bool = False) -> None:
        """Read the curves that are missing or old, once the list rests; where the cursor `moved`, it rests again."""
        stale, chart, charts = self._stale(), self._stale_chart(), self._charts()
        other = chart is not None and charts is not None and charts.steps_read(*chart) is None
        soon = other or any(run_id not in self._steps for run_id in stale)
        if not (stale or chart) or (self._timer is not None and not moved and (self._soon or not soon)):
            return
        if self._timer is not None:
            self._timer.stop()
        self._soon = soon
        self._timer = self._owner.set_timer(_PAUSE if soon else _REST, self._read)

    def _stale(self) -> dict[int, int]:
        """The runs whose curves are to be read, each with its step."""
        columns = [each.column.key for each in self._table.page.placed]
        shown = list(self._table.runs_in_sight) if "curve" in columns else []
        if self._detail.is_on_screen and self._detail.run is not None:
            shown.append(self._detail.run)
        return {run.id: run.step for run in shown if _outgrown(run, self._steps.get(run.id))}

    def _stale_chart(self) -> tuple[RunRecord, CurveRequest] | None:
        """The run whose charts are to be read, and what of it."""
        run, charts = self._detail.run, self._charts()
        request = None if charts is None else charts.request
        if run is None or charts is None or request is None:
            return None
        read = charts.steps_read(run, request)
        return (run, request) if read is None or _outgrown(run, read) else None

    def _read(self) -> None:
        self._timer = None
        wanted, chart, database, app = self._stale(), self._stale_chart(), self._database(), self._owner.app
        if not (wanted or chart) or database is None:
            return

        def work() -> None:
            from itop_tui.runs import detail_charts

            try:
                curves = run_reading.loss_curves(database, tuple(wanted), _POINTS) if wanted else {}
                charted = detail_charts.read(database, *chart) if chart is not None else None
            except Exception:  # the banner reports a database that fails; the list is shown without these curves
                return
            app.call_from_thread(self._show, wanted, curves)
            if chart is not None and charted is not None:
                app.call_from_thread(self._show_charts, *chart, charted)

        self._owner.run_worker(work, thread=True, exclusive=True, group="curves", exit_on_error=False)

    def _show(self, wanted: dict[int, int], curves: dict[int, tuple[float, ...]]) -> None:
        self._steps |= wanted
        self._curves |= {run_id: curves.get(run_id, ()) for run_id in wanted}
        self._table.curves = dict(self._curves)
        self._detail.losses = self.of(self._detail.run)

    def _show_charts(self, run: RunRecord, request: CurveRequest, curves: RunCurves) -> None:
        if (charts := self._charts()) is not None:
            charts.show(run, request, curves)


def _outgrown(run: RunRecord, read: int | None) -> bool:
    """Whether the curve of a run that was read at a step, if it was, would look different by now."""
    if run.step in (0, read):
        return False
    return read is None or not run.status.is_active or not read <= run.step < read * _GROWN
