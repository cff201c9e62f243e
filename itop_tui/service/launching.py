"""Queueing runs: new ones, the runs of a sweep, copies, the demonstration, and runs that are resumed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itop_tui.service.run_requests import each
from itop_tui.service.words import plural

if TYPE_CHECKING:
    from db.records import BatchResult, CheckpointRecord, CodeFile, RunRecord, StartsAfter, Where
    from db.session import Database
    from engine.config.run_config import RunConfig
    from itop_tui.service.sweeps import Grid

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
        rest = f"; {there:,} of {self.wanted:,} were there already" if there else ""
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
    each run; `about` what else `NewRun` takes, the same for all: notes, group, priority, what they start
    after, and what concerns a fork.

    Raises:
        LayerNameError: A run names layers that its model has not. Nothing is queued.
        SubmissionError: A run would fail at its start: data or weights are missing or do not fit. Nothing is queued.
        IllegalState: Their best weights would be written over something, or to a place that cannot be written to.
    """
    from db.runs import runs
    from engine.config.experiments import as_stored
    from engine.launch import submit
    from itop_tui.service import submission_check
    from itop_tui.service.layer_names_check import check_layer_names
    from itop_tui.service.save_places import check_saves

    check_layer_names(configs)

    from_checkpoint = about.get("start_checkpoint_id")
    submission_check.check(db, configs, from_checkpoint=from_checkpoint is not None)
    submission_check.check_start(db, None, from_checkpoint)
    check_saves(db, [config.save for config in configs])
    code = {named: _code(*named) for named in {(config.model, config.data) for config in configs}}
    new = [
        runs.NewRun(
            **as_stored(config),
            name=names[number] if names else None,
            tags=tags[number] if tags else (),
            total_steps=config.planned_steps() or 0,
            code=code[config.model, config.data],
            **about,
        )
        for number, config in enumerate(configs)
    ]
    return runs.create_many(db, new, where=where, submission=submit.submission())


@dataclass(frozen=True, slots=True)
class Unsure:
    """So many runs that a person is asked first: nothing was queued yet."""

    number: int
    grid: Grid


def launch_sweep(db: Database, grid: Grid, *, name: str = "", sure: bool = False, **about: Any) -> Launched | Unsure:
    """Queue the runs of a grid, as `launch` does.

    Args:
        db: The database.
        grid: All its runs, no sample.
        name: The name of the run; of several that of their group, which empty is named for its settings.
        sure: Whether the person was asked, where they are many.
        **about: What else `launch` takes.
    """
    from itop_tui.service import sweeps

    if not grid.axes:
        return launch(db, grid.configs, name=name or None, **about)
    group = name or sweeps.group_name(grid)
    if not sure and sweeps.many(len(grid.configs)) is not None:
        number = len(sweeps.missing(db, group, grid.configs))
        if sweeps.many(number) is not None:
            return Unsure(number, grid)
    return launch(db, grid.configs, group=group, **about)


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
    starts_after: StartsAfter | None = None,
) -> RunRecord:
    """Queue a run that has ended to resume from a checkpoint, from scratch without one; starts no scheduler.

    `config` and `total_steps` are None where they stay as they were; `starts_after` is None where it waits for no run.

    Raises:
        SubmissionError: The checkpoint is not in this home, or data is missing. The run stays as it is.
        IllegalState: Its best weights would be written over something, or to a place that cannot be written to.
    """
    from db.runs import runs
    from engine.config.experiments import as_stored
    from engine.config.run_config import ConfigError, RunConfig
    from engine.launch import submit
    from itop_tui.service import submission_check, sweeps
    from itop_tui.service.save_places import check_saves

    with contextlib.suppress(ConfigError):  # settings of another version: the worker says what is wrong with them
        wanted = config or RunConfig.create(sweeps.as_settings(run.config))
        submission_check.check(db, [wanted], from_checkpoint=checkpoint is not None)
    submission_check.check_start(db, run.id, None if checkpoint is None else checkpoint.id)
    check_saves(db, [run.config.get("save") if config is None else config.save], again=run)
    start = None if checkpoint is None else checkpoint.id
    changed = {} if config is None else as_stored(config)
    named = run.config if config is None else config.as_dict()
    files = _code(str(named.get("model", "")), str(named.get("data", "")))
    return runs.requeue_resume(
        db,
        run.id,
        start,
        **changed,
        total_steps=total_steps,
        submission=submit.submission(run),
        files=files,
        starts_after=starts_after,
    )


def _code(model: str, data: str) -> tuple[CodeFile, ...]:
    """The user's code of a run as it is now.

    Raises:
        StoreError: It cannot be run, as far as that is known without running it.
    """
    from db.errors import StoreError
    from engine.config.references import reference_problem
    from engine.training.code_files import snapshot

    for name, value in (("model", model), ("data", data)):
        if (problem := reference_problem(value)) is not None:
            raise StoreError(f"{name} = {value!r}: {problem}")
    return snapshot(model, data)


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


def no_step_left(run: RunRecord, checkpoint: CheckpointRecord | None, total: int) -> str | None:
    """Why a completed run cannot be resumed from a checkpoint as it is: it is at its last step; None where it can.

    A run that was cut after its last step still has its test to come.

    Args:
        run: The run.
        checkpoint: Where it is to resume from.
        total: The steps it would then take in all; 0 where that is not known.
    """
    if run.status != "completed" or checkpoint is None or not checkpoint.step >= total > 0:
        return None
    return f"run {run.id} has no step left after checkpoint {checkpoint.id} (step {checkpoint.step:,} of {total:,})"


def _resume(db: Database, run_id: int, which: str | None = None) -> RunRecord:
    from db.errors import IllegalState
    from db.runs import runs

    run = runs.get(db, run_id)
    chosen = checkpoint_to_resume(db, run, which)
    refused = no_step_left(run, chosen, run.total_steps)
    if refused is not None:
        raise IllegalState(
            f"{refused[0].upper()}{refused[1:]}. itop resume {run.id} --epochs N makes it longer; it can be resumed "
            "from an earlier checkpoint, and a fork can start from this one."
        )
    return queue_again(db, run, chosen)
