"""Reads the loss curves that the list of runs shows, in its lines and in the pane of details, once the cursor rests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.timer import Timer
from textual.widget import Widget

from db.records import RunRecord
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.run_table import RunTable
from itop_tui.service import operations

if TYPE_CHECKING:
    from db.session import Database

_DETAIL_POINTS = 40
_DETAIL_PAUSE = 0.15
"""Seconds the cursor must rest on a run before its loss is read: holding a key down reads nothing."""
_LINES_PAUSE = 0.1
"""The same for the curves of the visible lines."""
_LINE_POINTS = 48
_GROWN = 1 + 1 / _LINE_POINTS
"""A curve is read again when it has grown by this factor, a point: drawn from fewer new steps it looks the same."""
_REST = 0.9
"""Seconds until curves that are shown are read again at the earliest."""


class LossCurves:
    """Keeps the curves of the visible lines and of the run in the details up to date.

    Args:
        owner: The widget whose timers and thread workers are used.
        table: Gets the curves of its visible lines.
        detail: Gets the curve of its run.
        database: Gives the database; None while none is open.
    """

    def __init__(
        self, owner: Widget, table: RunTable, detail: RunDetail, database: Callable[[], Database | None]
    ) -> None:
        self._owner, self._table, self._detail, self._database = owner, table, detail, database
        self._detail_timer: Timer | None = None
        self._detail_read: tuple[int, int] | None = None
        self._lines_timer: Timer | None = None
        self._lines_soon = False
        self._curves: dict[int, tuple[float, ...]] = {}
        self._steps: dict[int, int] = {}

    # ------------------------------------------------------------------------------------------------- the details

    def forget_detail(self) -> None:
        """Another run is in the details."""
        self._detail.losses, self._detail_read = (), None

    def want_detail(self) -> None:
        """Read the curve of the run in the details, once the cursor rests on it."""
        run = self._detail.run
        if run is None or not self._detail.display:
            return
        known = self._detail_read is not None and self._detail_read[0] == run.id
        if not _outgrown(run, self._detail_read[1] if known and self._detail_read else None):
            return
        if self._detail_timer is not None:
            if known:
                return
            self._detail_timer.stop()
        self._detail_timer = self._owner.set_timer(_REST if known else _DETAIL_PAUSE, self._read_detail)

    def _read_detail(self) -> None:
        self._detail_timer = None
        run, database = self._detail.run, self._database()
        if run is not None and run.step > 0 and database is not None:
            read = partial(operations.loss_curve, database, run.id, _DETAIL_POINTS)
            self._in_thread("curve", read, partial(self._show_detail, run.id, run.step))

    def _show_detail(self, run_id: int, step: int, losses: list[float]) -> None:
        if self._detail.run is not None and self._detail.run.id == run_id:
            self._detail_read = (run_id, step)
            self._detail.losses = tuple(losses)

    # --------------------------------------------------------------------------------------------------- the lines

    def want_lines(self) -> None:
        """Read the curves of the visible lines that have none, or an old one, once the list rests."""
        stale = self._stale()
        soon = any(run_id not in self._steps for run_id in stale)
        if not stale or (self._lines_timer is not None and (self._lines_soon or not soon)):
            return
        if self._lines_timer is not None:
            self._lines_timer.stop()
        self._lines_soon = soon
        self._lines_timer = self._owner.set_timer(_LINES_PAUSE if soon else _REST, self._read_lines)

    def _stale(self) -> dict[int, int]:
        """The visible runs whose curves are to be read, each with its step."""
        if not any(column.key == "curve" for column in self._table.columns):
            return {}
        return {run.id: run.step for run in self._table.in_sight if _outgrown(run, self._steps.get(run.id))}

    def _read_lines(self) -> None:
        self._lines_timer = None
        wanted, database = self._stale(), self._database()
        if wanted and database is not None:
            read = partial(operations.loss_curves, database, tuple(wanted), _LINE_POINTS)
            self._in_thread("curves", read, partial(self._show_lines, wanted))

    def _show_lines(self, wanted: dict[int, int], curves: dict[int, tuple[float, ...]]) -> None:
        self._steps |= wanted
        self._curves |= {run_id: curves.get(run_id, ()) for run_id in wanted}
        self._table.curves = dict(self._curves)

    # ------------------------------------------------------------------------------------------------- the threads

    def _in_thread(self, group: str, read: Callable[[], object], show: Callable[..., None]) -> None:
        app = self._owner.app

        def work() -> None:
            try:
                found = read()
            except Exception:  # the banner reports a database that fails; the list is shown without these curves
                return
            app.call_from_thread(show, found)

        self._owner.run_worker(work, thread=True, exclusive=True, group=group, exit_on_error=False)


def _outgrown(run: RunRecord, read: int | None) -> bool:
    """Whether the curve of a run that was read at a step, if it was, would look different by now."""
    if run.step in (0, read):
        return False
    return read is None or not run.status.is_active or not read <= run.step < read * _GROWN
