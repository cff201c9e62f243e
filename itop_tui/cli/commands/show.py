"""`itop show`: one run with everything known about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from db.history import metrics as metric_store
from db.history import raised_alarms, tested
from db.history.declared import METRICS
from db.paths import run_folder
from db.records import AttemptRecord, CheckpointRecord, RunRecord, RunStatus, Series
from db.runs import attempts as attempt_store
from db.runs import changes as change_store
from db.runs import checkpoints as checkpoint_store
from db.runs import dense_matrices
from db.runs import runs as store
from db.runs.changes import ConfigChange
from db.session import Database
from engine.config.continuation import recomputed
from engine.config.field_info import FIELD_SECTIONS, irrelevant_because, setting_text
from engine.config.run_config import RunConfig
from engine.training.code_state import PROGRAM_SECTION
from itop_tui.cli.commands.history import CHECKPOINT_COLUMNS
from itop_tui.cli.parameters import Json, RunName
from itop_tui.cli.store import opened, waits_for
from itop_tui.cli.terminal import (
    Cell,
    Column,
    console,
    data,
    heading,
    next_steps,
    note,
    print_facts,
    print_table,
    state,
    state_of,
)
from itop_tui.figures.comparison import seconds_taken
from itop_tui.figures.dense_part import coverage_now, density_over_all, left_dense
from itop_tui.figures.format import (
    MASK_FIGURES,
    UNKNOWN,
    bar,
    count,
    duration,
    energy,
    explored,
    figure,
    moment,
    percent,
    plain,
    r_s,
    rate,
    share,
    short_count,
    sparkline,
    steps,
)
from itop_tui.figures.run_view import ALARM, alarm, percent_done, progress, seconds_left
from itop_tui.service.code_review import CodeReview, code_reviews
from itop_tui.service.json_shape import document, print_json
from itop_tui.service.starting_after import with_others
from itop_tui.service.sweeps import as_settings

_CODE_FILES = 12  # that are listed

_CURVES = (("loss", "loss"), ("accuracy", "accuracy"), ("itop_rate", "R_s"), ("death_rate", "death rate"))

_ATTEMPT_COLUMNS = (
    Column("ATTEMPT", lambda one: str(one.number), right=True),
    Column("STATE", lambda one: state(one.status.value)),
    Column("DEVICE", lambda one: data(one.device), rank=1),
    Column("HOST", lambda one: data(one.host), rank=4, shrink=True),
    Column("PID", lambda one: str(one.pid) if one.pid is not None else UNKNOWN, right=True, rank=3),
    Column("FROM STEP", lambda one: count(one.start_step), right=True, rank=2),
    Column("STARTED", lambda one: moment(one.started_at), rank=2),
    Column("TOOK", lambda one: duration((one.ended_at or time.time()) - one.started_at), right=True),
    Column("REASON", lambda one: data(one.reason or ""), shrink=True),
)


def show(
    run: RunName,
    /,
    *,
    diff: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Print how the code differed from its commit, and how it changed before the start and since.",
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Show one run: state and reason, metrics, settings that differ from the defaults, checkpoints, attempts."""
    with opened() as database:
        found = store.find(database, run)
        attempts = attempt_store.for_run(database, found.id)
        checkpoints = checkpoint_store.for_run(database, found.id)
        changes = change_store.for_run(database, found.id)
        alarms = raised_alarms.for_run(database, found.id)
        test_step = tested.step_of(database, found.id)
        if test_step is None and found.test_accuracy is not None:
            test_step = found.step
        reviews = code_reviews(database, found.id)
        coverage = _coverage(database, found)
        execution = None if coverage is None else coverage.pop("execution", None)
        if diff:
            return _print_diff(found, attempts, reviews)
        if json:
            (described,) = with_others(database, [found])
            shown = [_attempt_document(one, reviews.get(one.number)) for one in attempts]
            raised = [document(one) for one in alarms]
            more = {
                "alarm_events": raised,
                "test_step": test_step,
                "checkpoints": checkpoints,
                "attempts": shown,
                "changes": changes,
                "execution": execution,
            }
            print_json({**described, **more, "coverage": coverage})
            return 0
        out = console()
        width = max(10, min(60, out.width - 34))
        curves = {metric: metric_store.series(database, found.id, metric, buckets=width) for metric, _ in _CURVES}
        waiting = waits_for(database, found)
    now = time.time()
    _print_title(found, out)
    for one in alarms:
        out.print(data(f"{ALARM} {alarm(one)}", "yellow"), soft_wrap=True)
    print_facts(_facts(found, attempts, waiting, now, test_step, coverage, execution), out=out)
    if found.method == "dense":
        curves = {metric: curve for metric, curve in curves.items() if metric not in MASK_FIGURES}
    _print_curves(curves, width, out)
    _print_settings(found, out)
    _print_changes(found, changes, out)
    if checkpoints:
        heading("Checkpoints", out=out)
        print_table(CHECKPOINT_COLUMNS, checkpoints, out=out)
    if attempts:
        heading("Attempts", out=out)
        print_table(_ATTEMPT_COLUMNS, attempts, out=out)
        _print_provenance(found, attempts[-1], reviews.get(attempts[-1].number), out)
    if out.is_terminal:
        out.print()
        next_steps(_what_next(found, checkpoints), out=out)
    return 0


def _print_title(run: RunRecord, out: Console) -> None:
    title = Text.assemble((f"{run.id}  ", "bold"), data(run.name, "bold"), "   ", state_of(run))
    out.print(title, soft_wrap=True)
    if run.damaged:
        said = f"its row is damaged ({', '.join(run.damaged)}): what is missing here is not known"
        out.print(data(said, "red"), soft_wrap=True)
    if run.reason:
        out.print(data(run.reason, "" if run.status is RunStatus.COMPLETED else "yellow"), soft_wrap=True)
    out.print()


def _test(run: RunRecord, step: int | None) -> str:
    """The test set's verdict on the best weights, and on the last ones where it differs; its step if it is older."""
    if run.test_accuracy is None:
        return ""
    same = run.test_accuracy_last is None or run.test_accuracy_last == run.test_accuracy
    last = "" if same else f" (last weights {percent(run.test_accuracy_last)})"
    return percent(run.test_accuracy) + last + ("" if step in (None, run.step) else f", measured at step {step:,}")


def _coverage(database: Database, run: RunRecord) -> dict[str, Any] | None:
    """What the masks cover, with the density of now; None for a dense run, and for one of an older version."""
    recorded = dense_matrices.for_run(database, run.id)
    return None if recorded is None else coverage_now(recorded, metric_store.layer_stats(database, run.id))


def _facts(
    run: RunRecord,
    attempts: Sequence[AttemptRecord],
    waiting: str,
    now: float,
    test_step: int | None,
    coverage: dict[str, Any] | None,
    execution: str | None,
) -> list[tuple[str, Cell]]:
    filled, empty = bar(progress(run) or 0.0, 16)
    remaining = seconds_left(run, now)
    reached = Text.assemble(
        (filled, "cyan"),
        (empty, "dim"),
        f" {percent_done(run) or 0}%  step {steps(run.step, run.total_steps)}",
        f"  epoch {run.epoch} / {run.total_epochs}" if run.total_epochs else "",
        (f"  {duration(remaining)} left" if remaining is not None else "", "dim"),
    )
    taken = f"{'took' if run.ended_at else 'for'} {duration(seconds_taken(attempts, now))}"
    best = _known(run.best_val_accuracy, lambda accuracy: f" (best {percent(accuracy)})")
    dense = _known(run.flops_ratio, share)
    flops = _known(run.training_flops, short_count)
    going = f", pid {run.pid}" if run.status.is_active and run.pid else ""
    forked = f" at step {run.fork_step:,}" if run.fork_step is not None else ""
    return [
        ("what", data(f"{run.method}, {run.model} on {run.data}, seed {run.seed}")),
        ("origin", _known(run.parent_id, lambda parent: f"forked from run {parent}{forked}")),
        ("waits", data(waiting)),
        ("progress", reached),
        ("loss", _known(run.loss, figure)),
        ("validation accuracy", _known(run.val_accuracy, lambda now: percent(now) + best)),
        ("test accuracy", _test(run, test_step)),
        ("density", _density(run, coverage)),
        ("left dense", left_dense(coverage)),
        ("execution", data("" if execution in (None, "masked") else execution)),
        ("R_s", _known(explored(run), lambda value: f"{r_s(value)} of all maskable weights were ever active")),
        ("learning rate", _known(run.learning_rate, figure)),
        ("training FLOPs", f"{flops} ({dense} of dense)" if flops and dense else flops),
        ("energy", _energy(run, attempts)),
        ("speed", _known(run.samples_per_second, lambda speed: rate(speed).replace("/s", " samples/s"))),
        ("device", data(f"{run.device} on {run.host}{going}") if run.device else ""),
        ("started", f"{moment(run.started_at)}, {taken}" if run.started_at else ""),
        ("queued", moment(run.queued_at) if run.status is RunStatus.QUEUED else ""),
        ("group", data(run.group or "")),
        ("tags", data(", ".join(run.tags))),
        ("notes", data(run.notes)),
        ("folder", data(run_folder(run.uid))),
    ]


def _energy(run: RunRecord, attempts: Sequence[AttemptRecord]) -> str:
    """What the run's devices used, and of which part of its attempts that is known."""
    if run.energy_wh is None:
        return ""
    trained = [attempt for attempt in attempts if attempt.pid is not None]
    known = sum(attempt.energy_wh is not None for attempt in trained)
    part = f", known of {known} of {len(trained)} attempts" if known < len(trained) else ""
    return f"{energy(run.energy_wh)} by its devices while it trained{part}"


def _density(run: RunRecord, coverage: dict[str, Any] | None) -> str:
    """The density over the maskable weights, and beside it the one over all matrix weights where that differs."""
    if run.density is None:
        return ""
    active = "" if run.nonzeros is None else f" ({count(run.nonzeros)} active weights)"
    over_all = density_over_all(coverage)
    return (
        f"{share(run.density)} of the maskable weights{active}; {over_all}" if over_all else share(run.density) + active
    )


def _known(value: Any, write: Callable[[Any], str]) -> str:
    """A figure as text; empty, so that it is left out, where it is not known."""
    return "" if value is None else write(value)


def _print_curves(curves: dict[str, Series], width: int, out: Console) -> None:
    drawn: list[tuple[str, Cell]] = []
    for metric, label in _CURVES:
        values = curves[metric].values if metric in curves else ()
        if len(values) > 1:
            ends = f"  {figure(values[0], 3)} → {figure(values[-1], 3)}"
            line = sparkline(values, width, log=METRICS[metric].logarithmic)
            drawn.append((label, Text.assemble((line, "cyan"), ends)))
    if drawn:
        heading("Curves", out=out)
        print_facts(drawn, out=out)


def _print_settings(run: RunRecord, out: Console) -> None:
    """Print the settings that differ from the defaults, section by section."""
    defaults = RunConfig.create().as_dict()
    changed: list[tuple[str, Cell]] = []
    for names in FIELD_SECTIONS.values():
        changed += [
            (name, data(_setting_line(run, name)))
            for name in names
            if name in run.config and run.config[name] != defaults[name]
        ]
    changed += [(name, data(value)) for name, value in run.config.items() if name not in defaults]
    if changed:
        heading("Settings that differ from the defaults", out=out)
        print_facts(changed, out=out)


def _setting_line(run: RunRecord, name: str) -> str:
    """A setting's value, and why it has no effect where it has none."""
    value = setting_text(name, run.config[name]) or "none"
    reason = irrelevant_because(run.config, name)
    return value if reason is None else f"{value} (no effect: {reason})"


def _print_changes(run: RunRecord, changes: Sequence[ConfigChange], out: Console) -> None:
    """Print what was changed when the run was resumed, and which schedules that moved."""
    if not changes:
        return
    heading("Changed when it was resumed", out=out)
    config = RunConfig.create(as_settings(run.config))
    lines: list[tuple[str, Cell]] = []
    for change in reversed(changes):  # from the settings of now back to those of each attempt
        before = config.with_changes(**{name: old for name, (old, _) in change.settings.items() if old is not None})
        told = [
            f"{name} {'none' if old is None else old} → {'none' if new is None else new}"
            for name, (old, new) in change.settings.items()
        ]
        lines.append((f"attempt {change.attempt}", data("\n".join([*told, *recomputed(config, before)]))))
        config = before
    print_facts(lines[::-1], out=out)


def _attempt_document(attempt: AttemptRecord, review: CodeReview | None) -> dict[str, Any]:
    return {**document(attempt), "code": None if review is None else review.as_json()}


def _print_provenance(run: RunRecord, attempt: AttemptRecord, review: CodeReview | None, out: Console) -> None:
    """Print the code and the versions that the latest attempt ran with."""
    commit = attempt.commit or ""
    if commit and attempt.dirty:
        commit += f", with changes that were not committed (itop show {run.id} --diff)"
    if commit and review is not None and review.untracked:
        commit += f", which does not hold {review.names([file.path for file in review.untracked])}"
    versions = ", ".join(f"{name} {value}" for name, value in attempt.versions.items())
    variables = ", ".join(f"{name}={value}" for name, value in (attempt.environment or {}).items())
    told: list[tuple[str, Cell]] = [
        ("commit", data(commit)),
        ("code", data("; ".join(_code_lines(run, review)))),
        ("versions", data(versions)),
        ("variables", data(variables)),
        ("command", data(attempt.command_line or "")),
    ]
    if any(str(value) for _, value in told):
        heading(f"Provenance of attempt {attempt.number}", out=out)
        print_facts(told, out=out)


def _code_lines(run: RunRecord, review: CodeReview | None) -> list[str]:
    """The files of the user's own code with the beginning of their checksums, and which of them changed."""
    if review is None:
        return []
    names = [f"{review.names([file.path])} {file.sha256[:12]}" for file in review.files[:_CODE_FILES]]
    if len(review.files) > _CODE_FILES:
        names.append(f"and {len(review.files) - _CODE_FILES} more files")
    lines = [", ".join(names)]
    for what, changed in (
        ("changed between queueing and start", review.before_start),
        ("changed since", review.since),
    ):
        if changed:
            lines.append(f"{what}: {review.names([one.path for one in changed])} (itop show {run.id} --diff)")
    return lines


def _print_diff(run: RunRecord, attempts: Sequence[AttemptRecord], reviews: Mapping[int, CodeReview]) -> int:
    """Print the differences of the latest attempt that has one, as text: nothing in them moves the terminal.

    First how the code differed from its commit, then what no commit holds, then what changed between queueing and
    start, and since.
    """
    for attempt in reversed(attempts):
        review = reviews.get(attempt.number)
        mine, mark, program = (attempt.diff or "").partition(PROGRAM_SECTION)
        changed = "" if review is None else review.difference(attempt.commit)
        text = "\n".join(part.strip("\n") for part in (mine, changed, mark + program) if part.strip())
        if text:
            break
    else:
        note(f"Run {run.id} has no difference: its code was as committed, or in no repository.")
        return 0
    note(f"Attempt {attempt.number} of run {run.id}:")
    for line in text.splitlines():
        sys.stdout.write(plain(line.expandtabs(), len(line) * 8) + "\n")
    return 0


def _what_next(run: RunRecord, checkpoints: Sequence[CheckpointRecord]) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = [(f"itop logs {run.id}", "its console log"), (f"itop layers {run.id}", "its masks")]
    if run.status.is_active:
        return [(f"itop logs {run.id} -f", "follow its log"), (f"itop stop {run.id}", "stop it, with a checkpoint")]
    if run.status.is_terminal and run.status is not RunStatus.COMPLETED:
        told.append((f"itop resume {run.id}", "resume it" if checkpoints else "start it again"))
    elif checkpoints:
        told.append((f"itop fork {run.id} --checkpoint best --lr 0.01", "a new run from its best checkpoint"))
    return told
