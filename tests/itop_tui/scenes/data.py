"""The data of the scenes of the list, the queue and the form, in place of what would change by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from db.records import RunRecord, StartsAfter
from db.session import Database
from engine.launch.devices import Device, DeviceList
from itop_tui.app import ItopApp
from itop_tui.figures.curves import Curve, CurveRequest, RunCurves
from itop_tui.new_run import form_layout
from itop_tui.queue import sampling
from itop_tui.queue.queue_state import QueueState
from itop_tui.service.estimates import Estimate
from itop_tui.service.starting_after import Others
from tests.itop_tui.queue.support import DEVICES, sample_state, sample_tracks
from tests.itop_tui.run.hosting import StillReader
from tests.itop_tui.scenes.scene import Data, Setting
from tests.itop_tui.support import MemoryReader, NoDatabase, sample_runs

CURVE = tuple(2.3 / (1 + step / 9) + (step % 7) * 0.02 for step in range(80))
KNOWN = Estimate(
    4980.0, "from 6 past runs at 9.2k/s", 31_400_000, "at most 36 checkpoints, sized by past ones; and its rows"
)
UNKNOWN = Estimate(
    None, "unknown for 6 of 12 runs: no past run like it",
    None, "unknown: neither a past run like it nor its size is known",
)  # fmt: skip


def listing(runs: Sequence[RunRecord] | None = None) -> Data:
    """A list of given runs; of one of each kind, where none is given."""

    def make(setting: Setting) -> ItopApp:
        curve = [setting.number(value) for value in CURVE]
        setting.patch.setattr(
            "itop_tui.service.run_reading.loss_curves",
            lambda db, ids, points: {one: tuple(curve[:points]) for one in ids},
        )
        setting.patch.setattr(
            "itop_tui.runs.detail_charts.read", lambda db, run, request: _charted(request, curve, run.step)
        )
        given = [setting.run(run) for run in (sample_runs() if runs is None else runs)]
        return setting.app(lambda database: MemoryReader(given))

    return make


def _charted(request: CurveRequest, values: Sequence[float], last: int) -> RunCurves:
    """The same values of each metric, over the steps of a run."""
    curve = Curve(np.linspace(1, max(2, last), len(values)), np.array(values))
    return RunCurves(
        request=request,
        by_name=dict.fromkeys(request.names, curve),
        updates=np.empty(0),
        first=1.0,
        last=float(max(2, last)),
    )


def uncoloured(setting: Setting) -> ItopApp:
    """The list, where colours are not wanted."""
    setting.patch.setenv("NO_COLOR", "1")
    return listing()(setting)


def stored(setting: Setting) -> ItopApp:
    """The recorded runs of the home's database: three and two repetitions, and a single one."""
    return setting.app(StillReader)


def nothing(setting: Setting) -> ItopApp:
    """A database without a run."""
    return setting.app(lambda database: MemoryReader([]), lambda: cast(Database, NoDatabase()))


def unreadable(setting: Setting) -> ItopApp:
    """A database that can be read once, and not again."""
    text = setting.text("the database is locked by another program")

    class Failing(MemoryReader):
        asked = False

        def version(self) -> int:
            if self.asked:
                self.failure = OSError(text)
            self.asked = True
            return super().version()

    runs = [setting.run(run) for run in sample_runs()]
    return setting.app(lambda database: Failing(runs))


def closed(setting: Setting) -> ItopApp:
    """A database that cannot be opened."""

    def fail() -> Database:
        raise OSError(setting.text("unable to open the file /home/you/.local/share/itop/itop.db: permission denied"))

    return setting.app(lambda database: MemoryReader([]), fail)


def _device(setting: Setting, device: Device) -> Device:
    named = replace(device, description=setting.text(device.description))
    return replace(named, problem=setting.text(device.problem)) if device.problem else named


def _queue(state: QueueState) -> Data:
    def make(setting: Setting) -> ItopApp:
        given = replace(
            state,
            active=tuple(replace(setting.run(run), host=run.host) for run in state.active),
            waiting=tuple(map(setting.run, state.waiting)),
            reasons={run_id: setting.text(reason) for run_id, reason in state.reasons.items()},
        )
        devices = DeviceList(tuple(_device(setting, device) for device in DEVICES.devices))
        setting.patch.setattr("itop_tui.queue.queue_state.read", lambda database, near: given)
        others = Others((*given.active, *given.waiting[1:]), StartsAfter((3,), (6,)))
        setting.patch.setattr("itop_tui.queue.queue_screen.others_of", lambda database, run_ids: others)
        setting.patch.setattr("itop_tui.queue.queue_state.scheduler_runs", lambda database: given.scheduler)
        setting.patch.setattr("engine.launch.devices.list_devices", lambda: devices)
        setting.patch.setattr("itop_tui.queue.sampling._name", lambda pid: setting.text("python3"))
        setting.patch.setattr("itop_tui.queue.queue_screen.DeviceTracks", sample_tracks)
        setting.patch.setattr(sampling, "_FIRST", 3600.0)
        return listing()(setting)

    return make


queue = _queue(sample_state())
"""A queue and devices that stand still."""
empty_queue = _queue(QueueState(host="workstation"))
"""Nothing runs and nothing waits."""


_FIELDS = frozenset({
    "name", "tags", "model", "data", "augment", "data_dir", "sparse", "fix", "density", "growth", "death", "threshold",
    "optimizer", "lr", "momentum", "epochs", "multiplier", "seed", "device", "compile", "keep_last",
})  # fmt: skip
"""Fields of every kind, those the scenes of the form change among them."""


def form(taken: Estimate = KNOWN, *, every_field: bool = False) -> Data:
    """The list, and estimates for the form that is opened from it.

    Args:
        taken: What a run is estimated to take.
        every_field: Whether the form shows all its fields; one scene does. The others show those of `_FIELDS`, so
            that a new setting does not change what they show.
    """

    def make(setting: Setting) -> ItopApp:
        if not every_field:
            fields = (spec for spec in form_layout.FIELD_ORDER if spec.name in _FIELDS)
            setting.patch.setattr(form_layout, "FIELD_ORDER", tuple(fields))
        setting.patch.setattr("itop_tui.new_run.plan_pane.estimate", lambda database, configs, plan: taken)
        setting.patch.setattr(
            "itop_tui.service.run_reading.past_runs", lambda database: [setting.run(run) for run in sample_runs()]
        )
        return listing()(setting)

    return make


def places(setting: Setting) -> ItopApp:
    """A list, and databases that were opened before."""
    known = tuple(map(setting.text, ("/home/you/.local/share/itop", "/data/vision/itop")))
    setting.patch.setattr("itop_tui.opening.place", lambda: known[0])
    setting.patch.setattr("itop_tui.opening.recent", lambda: known)
    return listing()(setting)
