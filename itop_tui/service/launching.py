"""Queueing runs: new ones, the runs of a sweep, copies, the demonstration, and runs that are resumed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itop_tui.service.run_requests import each
from itop_tui.service.words import plural

if TYPE_CHECKING:
    from db.records import BatchResult, CheckpointRecord, RunRecord, Where
    from db.session import Database
    from engine.config.run_config import RunConfig

DEMO_GROUP = "demo"
DEMO_PRESETS = ("digits-dense", "digits-set", "digits-rigl")


@dataclass(frozen=True, slots=True)
class Launched:
    """What was queued; `wanted` counts those too that the group had already, and were not queued again."""

    runs: tuple[RunRecord, ...]
    wanted: int
    group: str | None
    where: Where

    @property
    def sentence(self) -> str:
        """What was done, in a sentence."""
        state = {"queue": "queued", "front": "queued in front of all that wait", "held": "queued, and held"}[self.where]
        if self.group is None:
            run = self.runs[0]
            return f"Run {run.id} is {state}: {run.name}"
        there = self.wanted - len(self.runs)
        if not self.runs:
            return f"Nothing to queue: group {self.group} has all {plural(self.wanted, 'run')}."
        rest = f"; {there} of {self.wanted} were there already" if there else ""
        return f"{plural(len(self.runs), 'run')} {state} in group {self.group}{rest}."


def queue_runs(
    db: Database,
    configs: Sequence[RunConfig],
    *,
    where: Where = "queue",
    names: Sequence[str | None] = (),
    tags: Sequence[Sequence[str]] = (),
    **about: Any,
) -> list[RunRecord]:
    """Queue runs in one transaction, each with its length where the data set's size is known; starts no scheduler.

    A run whose name is None, and all of them where no names are given, get one from the database. `tags` holds those of
    each run; `about` what else `NewRun` takes, the same for all: notes, group, priority, and what concerns a fork.

    Raises:
        LayerNameError: A run names layers that its model has not. Nothing is queued.
    """
    from db.runs import runs
    from engine.config.experiments import as_stored
    from engine.launch import submit
    from itop_tui.service.layer_names_check import check_layer_names

    check_layer_names(configs)

    new = [
        runs.NewRun(
            **as_stored(config),
            name=names[number] if names else None,
            tags=tags[number] if tags else (),
            total_steps=config.planned_steps() or 0,
            **about,
        )
        for number, config in enumerate(configs)
    ]
    return runs.create_many(db, new, where=where, submission=submit.submission())


def launch(
    db: Database,
    configs: Sequence[RunConfig],
    *,
    where: Where = "queue",
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    **about: Any,
) -> Launched:
    """Queue a run, or those of a sweep that its group has not yet, and make sure that a scheduler starts them."""
    from itop_tui.service import sweeps

    wanted = configs if group is None else sweeps.missing(db, group, configs)
    names, all_tags = [name] * len(wanted), [tags] * len(wanted)
    made = queue_runs(db, wanted, where=where, names=names, tags=all_tags, group=group, **about)
    if made and where != "held":
        start_scheduler(db)
    return Launched(tuple(made), len(configs), group, where)


def launch_copies(db: Database, runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Queue a copy of each run, the oldest first: the same settings and tags, from the beginning."""
    from engine.config.run_config import RunConfig

    originals = sorted(runs, key=lambda run: run.id)
    made = queue_runs(db, [RunConfig.create(run.config) for run in originals], tags=[run.tags for run in originals])
    start_scheduler(db)
    return made


def queue_demo(db: Database) -> list[RunRecord]:
    """Queue the demonstration: dense, SET-ITOP and RigL-ITOP on the bundled digits; starts no scheduler."""
    from engine.config.presets import PRESETS

    configs = [PRESETS[name].config() for name in DEMO_PRESETS]
    return queue_runs(db, configs, names=[f"demo-{one.method.lower()}" for one in configs], group=DEMO_GROUP)


def launch_demo(db: Database) -> list[RunRecord]:
    """Queue the demonstration, and make sure that a scheduler starts it."""
    made = queue_demo(db)
    start_scheduler(db)
    return made


def start_scheduler(db: Database) -> None:
    """Make sure that a scheduler starts what is queued."""
    from engine.launch import submit

    submit.ensure_scheduler(db)


def checkpoint_to_resume(db: Database, run: RunRecord, which: str | None = None) -> CheckpointRecord | None:
    """The checkpoint that a run resumes from: "last", "best" or an id; None where it has none, and none is asked for.

    A fork that has not written one yet resumes from its parent's.
    """
    from db.runs import checkpoints

    if which is None and not checkpoints.for_run(db, run.id):
        return checkpoints.get(db, run.start_checkpoint_id) if run.start_checkpoint_id else None
    return checkpoints.pick(db, run.id, which or "last")


def queue_again(
    db: Database,
    run: RunRecord,
    checkpoint: CheckpointRecord | None,
    config: RunConfig | None = None,
    total_steps: int | None = None,
) -> RunRecord:
    """Queue a run that has ended to resume from a checkpoint, from scratch without one; starts no scheduler.

    `config` and `total_steps` are None where they stay as they were.
    """
    from db.runs import runs
    from engine.config.experiments import as_stored
    from engine.launch import submit

    start = None if checkpoint is None else checkpoint.id
    changed = {} if config is None else as_stored(config)
    return runs.requeue_resume(db, run.id, start, **changed, total_steps=total_steps, submission=submit.submission(run))


def resume(db: Database, run_id: int, which: str | None = None) -> RunRecord:
    """Queue a run that has ended to resume from a checkpoint, from scratch where it has none."""
    queued = _resume(db, run_id, which)
    start_scheduler(db)
    return queued


def resume_all(db: Database, run_ids: Iterable[int]) -> BatchResult:
    """Queue runs that have ended to resume from their last checkpoints."""
    result = each(run_ids, lambda run_id: _resume(db, run_id))
    if result.done:
        start_scheduler(db)
    return result


def _resume(db: Database, run_id: int, which: str | None = None) -> RunRecord:
    from db.runs import runs

    run = runs.get(db, run_id)
    return queue_again(db, run, checkpoint_to_resume(db, run, which))
