"""The thread behind a run's screen: reads when something changed, and posts frozen snapshots.

One thread reads for the whole screen, one thing after the other, so nothing is read twice at once and the
newest request always wins.  It sleeps until it is woken: by a commit (the app's poller sees those) or by the
reader of the screen, who zoomed or chose another tab.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textual.message import Message

from db import key_values
from db.errors import RunNotFound
from db.history import metrics, raised_alarms
from db.records import Alarm, AttemptRecord, CheckpointRecord, LayerMaskStat, RunRecord
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from engine.config.references import is_reference
from itop_tui.figures.curve_reader import CurveReader, Stretch, lineage
from itop_tui.figures.curves import CurveRequest, RunCurves
from itop_tui.figures.run_times import Pause, pauses
from itop_tui.run import checkpoint_files
from itop_tui.service.code_review import changed_before_start
from itop_tui.service.watcher import Watcher

SETTING = "ui.run"
"""Under which name the settings keep the state of the view."""
_PAUSE = 0.4
"""Seconds between two reads of what was committed; a worker commits ten times a second, an eye needs fewer."""


@dataclass(frozen=True, slots=True)
class LayerHistory:
    """What the mask updates did to each layer.

    Attributes:
        steps: Step of each update.
        layers: For each layer, in order, its name and its metrics at each update.
        generation: Of two histories with the same number, the later one only adds updates to the earlier one.
    """

    steps: tuple[int, ...]
    layers: tuple[tuple[str, tuple[LayerMaskStat, ...]], ...]
    generation: int = 0


class LayerHistoryReader:
    """Reads the layers' history of one run; used by one thread at a time."""

    def __init__(self, database: Database, run_id: int) -> None:
        self._database, self._run_id = database, run_id
        self._generation: int | None = None
        self._last = -1
        self._steps: list[int] = []
        self._layers: dict[str, list[LayerMaskStat]] = {}
        self._known = LayerHistory((), ())

    def read(self, generation: int) -> LayerHistory:
        """Bring the history up to date.

        Args:
            generation: A number that changes when recorded updates may have been removed (the count of attempts).
        """
        if generation != self._generation:
            self._generation, self._last = generation, -1
            self._steps, self._layers = [], {}
            self._known = LayerHistory((), (), generation)
        new = metrics.layer_updates(self._database, self._run_id, after=self._last)
        for number, step, stats in new:
            self._last = number
            self._steps.append(step)
            for stat in stats:
                self._layers.setdefault(stat.layer, []).append(stat)
        if new:
            layers = tuple((name, tuple(stats)) for name, stats in self._layers.items())
            self._known = LayerHistory(tuple(self._steps), layers, generation)
        return self._known


@dataclass(frozen=True, slots=True)
class Request:
    """What the screen shows now.

    Attributes:
        curves: The charts, None while they are not on the screen.
        layers: Whether the layers are on the screen.
        history: Whether the layers' history is.
        files: Whether the checkpoints' files are to be looked at.
    """

    curves: CurveRequest | None = None
    layers: bool = False
    history: bool = False
    files: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RunView:
    """A run as the database held it at one moment; parts that are not on the screen are None.

    Attributes:
        run: The run.
        parent: The run it was forked from.
        attempts: All of them, the first one first.
        checkpoints: All of them.
        curves: The charts.
        files: What is wrong with the file of each checkpoint, by its id; empty where nothing is.
        changed_code: The files of the user's code that changed between queueing and start of the last attempt that has
            started, named; empty for none.
        alarms: Those that the run has raised.
        kept: How the view was left the last time, from the settings; only in the first one that is read.
        layers: The layers at the latest mask update; empty for a dense run.
        history: The layers at all mask updates.
        pauses: When its training was paused.
    """

    run: RunRecord
    parent: RunRecord | None
    attempts: tuple[AttemptRecord, ...]
    checkpoints: tuple[CheckpointRecord, ...]
    curves: RunCurves | None = None
    layers: tuple[LayerMaskStat, ...] | None = None
    history: LayerHistory | None = None
    pauses: tuple[Pause, ...] = ()
    files: Mapping[int, str] | None = None
    changed_code: str = ""
    alarms: tuple[Alarm, ...] = ()
    kept: Mapping[str, Any] | None = None


class ViewRead(Message, bubble=False):
    """The run was read."""

    def __init__(self, view: RunView) -> None:
        self.view = view
        super().__init__()


class ReadFailed(Message, bubble=False):
    """The run could not be read; `gone` says that it does not exist (any more)."""

    def __init__(self, reason: str, *, gone: bool) -> None:
        self.reason = reason
        self.gone = gone
        super().__init__()


class RunReader(Watcher):
    """Reads one run in a thread of its own, from which `post` is called with each message."""

    def __init__(self, database: Database, run_id: int, post: Callable[[Message], object]) -> None:
        super().__init__(self.look, name=f"itop-run-{run_id}", rest=_PAUSE)
        self._database = database
        self._run_id = run_id
        self._post = post
        self._curves = CurveReader(database, run_id)
        self._history = LayerHistoryReader(database, run_id)
        self._parent: RunRecord | None = None
        self._code: tuple[int, str] | None = None
        self._lineage: tuple[Stretch, ...] | None = None
        self._request = Request()
        self._shown = False

    @property
    def request(self) -> Request:
        """What is read."""
        return self._request

    def ask(self, request: Request) -> None:
        """Read this from now on, and read it soon."""
        if request != self._request:
            self._request = request
            self.wake(urgent=True)

    def look(self) -> None:
        """Read once and post what was read."""
        try:
            if not self._shown:
                # The head of the run is known in a millisecond; its curves may take a hundred.
                kept = key_values.get(self._database, SETTING, {})
                head = replace(self.read(with_curves=False), kept=kept if isinstance(kept, dict) else {})
                self._post(ViewRead(head))
                self._shown = True
            view = self.read()
        except RunNotFound as error:
            self._post(ReadFailed(str(error), gone=True))
        except Exception as error:  # a locked or vanished database must not end the screen: it is said, and tried again
            self._post(ReadFailed(f"{error}".strip() or type(error).__name__, gone=False))
        else:
            self._post(ViewRead(view))

    def read(self, *, with_curves: bool = True) -> RunView:
        """Read what is asked for; curves only `with_curves`.

        Raises:
            RunNotFound: If there is no such run.
        """
        request = self._request
        run = runs.get(self._database, self._run_id)
        found = tuple(checkpoints.for_run(self._database, run.id))
        tries = tuple(attempts.for_run(self._database, run.id))
        return RunView(
            run=run,
            parent=self._read_parent(run),
            attempts=tries,
            checkpoints=found,
            pauses=pauses(commands.for_run(self._database, run.id)),
            files={row.id: checkpoint_files.glance(row) for row in found} if request.files else None,
            curves=self._read_curves(run, request.curves, tries) if request.curves and with_curves else None,
            alarms=tuple(raised_alarms.for_run(self._database, run.id)) if run.alarms else (),
            layers=tuple(metrics.layer_stats(self._database, run.id)) if request.layers else None,
            history=self._history.read(run.attempt_count) if request.history else None,
            changed_code=self._read_changed_code(run, tries),
        )

    def _read_curves(self, run: RunRecord, request: CurveRequest, tries: Sequence[AttemptRecord]) -> RunCurves:
        if self._lineage is None:  # whom a run was forked from, and where, does not change
            self._lineage = lineage(self._database, run)
        starts = [attempt.start_step for attempt in tries if attempt.start_step > 0]
        return self._curves.read(request, generation=run.attempt_count, lineage=self._lineage, starts=starts)

    def _read_changed_code(self, run: RunRecord, tries: Sequence[AttemptRecord]) -> str:
        if not tries or not any(is_reference(str(run.config.get(name, ""))) for name in ("model", "data")):
            return ""
        number = tries[-1].number
        if self._code is None or self._code[0] != number:
            names = changed_before_start(self._database, run.id, number)
            if names is None:  # it keeps its code when it starts
                return ""
            self._code = (number, names)
        return self._code[1]

    def _read_parent(self, run: RunRecord) -> RunRecord | None:
        """The parent's settings do not change: it is read once."""
        if run.parent_id is not None and self._parent is None:
            try:
                self._parent = runs.get(self._database, run.parent_id)
            except RunNotFound:  # deleted since; the child is shown without it
                return None
        return self._parent
