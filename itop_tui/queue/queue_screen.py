"""The screen of the queue: read again when the database changes, its devices looked at every two seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.message import Message

from db.records import RunRecord, StartsAfter
from engine.launch import devices
from itop_tui.dialogs.chosen import ChosenRuns, Runs, named_all, sentence_case
from itop_tui.dialogs.run_changes import RunChanges
from itop_tui.keys import bindings, in_scope
from itop_tui.look.toned import TonedLine
from itop_tui.poller import RunsChanged
from itop_tui.queue.board import QueueBoard
from itop_tui.queue.lines import QueueScene, about, status
from itop_tui.queue.others_chooser import OthersChooser
from itop_tui.queue.queue_state import QueueRead, QueueReader
from itop_tui.queue.sampling import DeviceSample, DeviceTracks, Probe, device_watcher
from itop_tui.screen import ItopScreen, Selection
from itop_tui.service import launching, queue_changes, run_requests
from itop_tui.service.starting_after import Others, others_of
from itop_tui.widgets.key_bar import KeyHint

if TYPE_CHECKING:
    from db.runs.queue import Direction


class QueueScreen(ItopScreen):
    """Shows what runs where, what is queued and why, and lets a person change it.

    Args:
        probe: Reads the devices of this host.
    """

    SCOPE = "queue"
    CSS_PATH = "queue.tcss"
    BINDINGS = bindings(in_scope("queue"))
    AUTO_FOCUS = "QueueBoard"

    @dataclass
    class DevicesSampled(Message):
        """The devices were read."""

        sample: DeviceSample

    def __init__(self, probe: Probe | None = None) -> None:
        super().__init__()
        self.parts = (RunChanges(self),)
        self._chosen = ChosenRuns(self)
        self._tracks = DeviceTracks()
        self._scene = QueueScene(tracks=self._tracks)
        post = self.post_message
        self._queue = QueueReader(post)
        self._devices = device_watcher(probe or devices.list_devices, lambda sample: post(self.DevicesSampled(sample)))

    @property
    def heading(self) -> str:
        """What the top bar says."""
        return "queue and devices"

    @property
    def board(self) -> QueueBoard:
        """The list."""
        return self.query_one(QueueBoard)

    @property
    def current_run(self) -> RunRecord | None:
        """The run at the cursor."""
        return self.board.run if self.is_mounted else None

    @property
    def chosen(self) -> Selection:
        """The selected runs, or else the one at the cursor."""
        board = self.board
        listed = board.marked or ({} if board.run_id is None else {board.run_id: board.run})
        return Selection(tuple(listed), {run_id: run for run_id, run in listed.items() if run is not None})

    def compose_body(self) -> ComposeResult:
        """Lay out the scheduler's line and the list."""
        yield TonedLine(("reading the queue …", "muted"), widget_id="queue-status")
        yield QueueBoard(self._scene)
        yield TonedLine(widget_id="queue-about", wraps=True)

    def on_mount(self) -> None:
        """Watch the queue and the devices from now on."""
        self._read_soon()
        self._queue.watcher.start()
        self._devices.start()
        self.set_interval(1.0, lambda: self.board.tick(self.itop.clock()))

    def on_unmount(self) -> None:
        """Watch nothing any more."""
        self._queue.watcher.stop()
        self._devices.stop()

    # ------------------------------------------------------------------------------------------------------ reading

    def on_runs_changed(self, message: RunsChanged) -> None:
        """Read the queue again."""
        super().on_runs_changed(message)
        self._read_soon()

    @on(QueueBoard.NotRead)
    def _read_visible(self, message: QueueBoard.NotRead) -> None:
        self._queue.read_near(message.near)

    def _read_soon(self) -> None:
        if self.itop.is_open:
            self._queue.read_soon(self.itop.database)

    @on(QueueRead)
    def _show_state(self, message: QueueRead) -> None:
        self._show(replace(self._scene, state=message.state))

    @on(DevicesSampled)
    def _show_sample(self, message: DevicesSampled) -> None:
        self._tracks.add(message.sample.devices)
        self._show(replace(self._scene, sample=message.sample))

    def _show(self, scene: QueueScene) -> None:
        self._scene = replace(scene, now=self.itop.clock())
        self.board.show(self._scene)
        self.query_one("#queue-status", TonedLine).parts = tuple(status(scene.state, scene.sample))

    @on(QueueBoard.CursorMoved)
    def _moved(self) -> None:
        self.refresh_keys()
        parts = about(self.board.run, self.board.device, self._scene)
        self.query_one("#queue-about", TonedLine).parts = tuple(parts)

    @on(QueueBoard.RunChosen)
    def _open(self, message: QueueBoard.RunChosen) -> None:
        self.itop.open_run(message.run.id)

    def key_hints(self) -> Iterable[KeyHint]:
        """The keys that work at the cursor: on a device, plus and minus change its slots."""
        device = self.board.device if self.is_mounted else None
        for hint in super().key_hints():
            if hint.action in ("screen.raise_number", "screen.lower_number"):
                if device is None and (self.current_run is None or self.current_run.status != "queued"):
                    continue
                what = "slot" if device is not None else "priority"
                sign = "+1" if hint.action.endswith("raise_number") else "-1"
                yield KeyHint(hint.key, f"{what} {sign}", hint.action)
            elif hint.action == "screen.pause_all":
                if self._scene.state.active:
                    yield KeyHint(hint.key, "pause all" if self._training else "continue all", hint.action)
            else:
                yield hint

    # ------------------------------------------------------------------------------------------------- the queue

    def action_move(self, to: Direction) -> None:
        """Move the chosen runs forward or back in the queue, or to the front or the end of their priority."""
        move = partial(queue_changes.move, to=to)
        self._chosen.take(f"move_{to}", lambda runs: self._chosen.change(runs, move, "", failing="Could not move"))

    def action_hold_run(self) -> None:
        """Hold the chosen runs; where all are held, release them."""
        self._chosen.take("hold_run", self._hold)

    def _hold(self, runs: Runs) -> None:
        free = tuple(run for run in runs if not run.held)
        if free:
            self._chosen.change(free, queue_changes.hold, "Held {runs}.", failing="Could not hold")
        else:
            self._chosen.change(runs, queue_changes.release, "Released {runs}.", failing="Could not release")

    def action_start_after(self) -> None:
        """Choose which runs the chosen ones start after."""
        self._chosen.take("start_after", self._offer_others)

    def _offer_others(self, runs: Runs) -> None:
        ids = [run.id for run in runs]
        self.itop.operate(
            lambda db: others_of(db, ids), partial(self._choose_others, runs), failing="The runs cannot be read"
        )

    def _choose_others(self, runs: Runs, others: Others) -> None:
        def chosen(wanted: StartsAfter | None) -> None:
            if wanted is not None and wanted != others.chosen:
                change = partial(queue_changes.start_after, starts_after=wanted)
                self._chosen.change(runs, change, "", failing="Could not change what it starts after")

        title = f"{sentence_case(named_all(runs))} {'starts' if len(runs) == 1 else 'start'} after …"
        self.app.push_screen(OthersChooser(title, others.runs, others.chosen), chosen)

    def action_add(self, by: int) -> None:
        """Raise or lower the priority of the chosen runs, or the slots of the device at the cursor."""
        device = self.board.device
        if device is not None:
            self.itop.operate(
                lambda db: queue_changes.add_slots(db, device, by),
                lambda _: self._read_soon(),
                failing="Could not change the slots",
            )
            return

        add, failing = partial(queue_changes.add_priority, by=by), "Could not change the priority"
        self._chosen.take("raise_number", lambda runs: self._chosen.change(runs, add, "", failing=failing))

    @property
    def _training(self) -> Runs:
        return tuple(run for run in self._scene.state.active if run.status == "running")

    def action_pause_all(self) -> None:
        """Pause every running run; if none is running, continue the paused ones."""
        running = self._training
        meant = running or tuple(run for run in self._scene.state.active if run.status == "paused")
        if not meant:
            self.notify("Nothing is running, and nothing is paused.", severity="warning", markup=False)
            return
        words = "pause (memory still allocated)" if running else "continue"
        self.itop.operate(
            lambda db: run_requests.pause_all(db, meant),
            self._chosen.report(f"Asked {{runs}} to {words}."),
            failing="Could not pause",
        )

    def action_start_scheduler(self) -> None:
        """Start the scheduler, if none is running."""
        if self._scene.state.scheduler:
            self.notify("A scheduler is already running.", markup=False)
        elif not self._scene.state.listed:
            self.notify("Queue is empty: a scheduler would exit at once.", severity="warning", markup=False)
        else:
            self.itop.operate(launching.start_scheduler, self._started, failing="The scheduler did not start")

    def _started(self, _: None) -> None:
        self.notify("A scheduler is running.", markup=False)
        self._read_soon()

    def show_run(self, run_id: int) -> None:
        """Put the cursor on a run."""
        self.board.go_to(("run", run_id))
