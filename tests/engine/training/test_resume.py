"""A run cut anywhere and put together again is the run that was never cut, to the bit."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config import rules
from engine.config.run_config import RunConfig
from engine.training import checkpoint
from engine.training.state import TrainingError
from tests.engine.examples import examples
from tests.engine.training.helpers import Rows, StopAt, config, same, trainer, without_times


def uncut(run: RunConfig) -> tuple[Rows, dict[str, Any]]:
    rows = Rows()
    one = trainer(run, [rows])
    one.fit()
    return rows, one.state_dict()


def cut(run: RunConfig, at: list[int], folder: Path) -> tuple[Rows, dict[str, Any]]:
    """Train in pieces, each in a trainer of its own that knows nothing but the file the one before it wrote."""
    rows = Rows()
    path = folder / "state.pt"
    path.unlink(missing_ok=True)
    for step in [*at, -1]:
        one = trainer(run, [rows, StopAt(step)])
        if path.exists():
            one.load_state_dict(checkpoint.read(path))
        outcome = one.fit()
        if outcome.status == "stopped":
            assert one.step == step
            checkpoint.write(path, one.state_dict())
    return rows, one.state_dict()


def assert_same(run: RunConfig, at: list[int], folder: Path) -> None:
    whole, whole_state = uncut(run)
    pieces, pieces_state = cut(run, at, folder)
    assert pieces.steps == whole.steps
    assert pieces.updates == whole.updates
    assert pieces.epochs == whole.epochs
    assert pieces.outcome == whole.outcome
    for part, value in without_times(whole_state).items():
        assert same(without_times(pieces_state)[part], value), part


METHODS = {
    "SET": {"growth": "random", "death": "SET"},
    "RigL": {"growth": "gradient", "death": "magnitude"},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("step", [0, 1, 3, 4, 5, 7, 8, 13, 14, 20, 21])
def test_cut_at_any_step(method: str, step: int, tmp_path: Path) -> None:
    """Seven steps an epoch, an update each four: in an epoch, at its ends, beside an update and on it."""
    assert_same(config(sparse=True, **METHODS[method]), [step], tmp_path)


def test_the_test_can_fail(tmp_path: Path) -> None:
    """The comparison notices a generator that was not restored."""
    run = config(sparse=True)
    _, whole = uncut(run)
    _, other = uncut(run.with_changes(seed=6))
    assert not same(whole["model"], other["model"])
    assert not same(whole["random"], other["random"])


@settings(max_examples=examples(12), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    at=st.lists(st.integers(0, 14), min_size=1, max_size=3, unique=True).map(sorted),
    growth=st.sampled_from(rules.choices(rules.GROWTH)),
    death=st.sampled_from(rules.choices(rules.DEATH)),
    redistribution=st.sampled_from(rules.choices(rules.REDISTRIBUTION)),
    schedule=st.sampled_from(rules.choices(rules.SCHEDULES)),
    optimizer=st.sampled_from(["sgd", "adam", "adamw", "rmsprop"]),
    precision=st.sampled_from(["fp32", "bf16", "fp16"]),
    accumulate=st.sampled_from([1, 2]),
    extras=st.fixed_dictionaries(
        {},
        optional={
            "clip_norm": st.just(1.0),
            "l1": st.just(1e-5),
            "label_smoothing": st.just(0.1),
            "momentum": st.just(0.0),
            "warmup_epochs": st.just(1),
            "lr_drop_every": st.just(3),
            "valid_split": st.just(0.0),
            "channels_last": st.just(True),
            "dense_first_layer": st.just(True),
            "sparse_init": st.sampled_from(["uniform", "lottery_ticket"]),
            "execution": st.just("sparse"),
        },
    ),
)
def test_cut_with_any_settings(
    at: list[int],
    growth: str,
    death: str,
    redistribution: str,
    schedule: str,
    optimizer: str,
    precision: str,
    accumulate: int,
    extras: dict[str, Any],
    tmp_path: Path,
) -> None:
    run = config(
        sparse=True,
        epochs=2,
        growth=growth,
        death=death,
        redistribution=redistribution,
        decay_schedule=schedule,
        optimizer=optimizer,
        precision=precision,
        accumulate=accumulate,
        density=0.5,
        update_frequency=3,
        lr=0.05 if optimizer == "sgd" else 0.001,
        **extras,
    )
    steps = 2 * run.steps_in_epoch(1500 if "valid_split" in extras else 1350)
    assert_same(run, sorted({step % (steps + 1) for step in at}), tmp_path)


@pytest.mark.parametrize("kind", [{}, {"sparse": True, "fix": True}, {"sparse": True, "sparse_init": "GMP"}])
def test_cut_dense_static_and_gmp(kind: dict[str, Any], tmp_path: Path) -> None:
    assert_same(config(**kind), [5, 14], tmp_path)


@pytest.mark.parametrize("growth", ["random", "gradient"])
def test_cut_of_layers_computed_from_their_active_weights(growth: str, tmp_path: Path) -> None:
    """The best weights have another mask than the last ones, and both are tested."""
    run = config(sparse=True, growth=growth, update_frequency=4, execution="sparse")
    assert_same(run, [5, 14], tmp_path)


@pytest.mark.parametrize(("before", "after"), [("masked", "sparse"), ("sparse", "masked")])
def test_a_run_resumes_with_another_execution(before: str, after: str) -> None:
    """The same masks as without a change, and the same figures but for rounding."""
    run = config(sparse=True, growth="gradient", update_frequency=4, epochs=2, lr=0.02, execution=before)
    rows, whole = uncut(run)
    first = trainer(run.with_changes(max_steps=6))
    first.fit()
    again = Rows()
    second = trainer(run.with_changes(execution=after), [again])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.fit()
    assert second.masking is not None
    assert {one.way for one in second.masking.execution.values()} == {after}
    assert same(whole["masking"]["masks"], second.state_dict()["masking"]["masks"])
    for name, weight in whole["model"].items():
        torch.testing.assert_close(second.state_dict()["model"][name], weight, rtol=1e-3, atol=1e-5)
    assert rows.steps[-1][2] == pytest.approx(again.steps[-1][2], rel=1e-3)


def test_cut_with_dropout_and_batch_norm(tmp_path: Path) -> None:
    """Dropout draws from torch's generator, whose state has to come back; running means are buffers."""
    run = config(model="tests.engine.training.models:noisy", sparse=True, growth="gradient", epochs=2)
    assert_same(run, [4, 9], tmp_path)


def test_best_survives_a_cut_after_it(tmp_path: Path) -> None:
    """The best weights travel in the checkpoint: the run that goes on may never see a better epoch."""
    run = config(sparse=True, epochs=4, lr=1.0)  # too fast: accuracy goes up and down
    rows, _ = uncut(run)
    assert_same(run, [7 * 3 + 2], tmp_path)
    assert rows.outcome is not None
    assert rows.outcome.test is not None


def test_longer_run_recomputes_the_schedules(tmp_path: Path) -> None:
    """Changing the length on resume moves the milestones and the death rate, as if it had been so from there on."""
    path = tmp_path / "state.pt"
    short = config(sparse=True, epochs=2)
    one = trainer(short)
    one.fit()
    checkpoint.write(path, one.state_dict())
    rows = Rows()
    longer = trainer(short.with_changes(epochs=8), [rows])
    longer.load_state_dict(checkpoint.read(path))
    longer.fit()
    assert [row[0] for row in rows.steps] == list(range(15, 57))
    rates = {row[0]: row[5] for row in rows.steps}
    assert rates[28] == pytest.approx(0.05)
    assert rates[29] == pytest.approx(0.005)
    assert rates[43] == pytest.approx(0.0005)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"density": 0.2}, "density = 0.2: cannot be changed"),
        ({"batch_size": 100}, "batch_size: would make 14 steps an epoch, and the checkpoint counts 7"),
        ({"valid_split": 0.3}, "valid_split: would make"),
    ],
)
def test_changes_that_do_not_fit_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    run = config(sparse=True, epochs=1)
    one = trainer(run)
    one.fit()
    state = one.state_dict()
    with pytest.raises(TrainingError, match=message):
        trainer(run.with_changes(**changes, epochs=2)).load_state_dict(state)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam", "lr": 0.001},
        {"momentum": 0.5, "l2": 0.0, "lr": 0.01},
        {"growth": "gradient", "death_rate": 0.2},
        {"seed": 99},
        {"sparse": False},
        {"fix": True},
        {"precision": "bf16"},
    ],
)
def test_fork_with_changed_settings_trains_with_them(changes: dict[str, Any]) -> None:
    run = config(sparse=True, epochs=2)
    parent = trainer(run, [StopAt(10)])
    parent.fit()
    rows = Rows()
    fork = trainer(run.with_changes(**changes), [rows])
    fork.load_state_dict(parent.state_dict(), fork=True)
    assert fork.best is None
    for name in ("momentum", "weight_decay"):
        if name in fork.optimizer.param_groups[0]:
            expected = {"momentum": fork.config.momentum, "weight_decay": fork.config.l2}[name]
            assert fork.optimizer.param_groups[0][name] == expected
    outcome = fork.fit()
    assert outcome.status == "completed"
    assert [row[0] for row in rows.steps] == [11, 12, 13, 14]


def test_a_dense_run_goes_on_as_a_sparse_one_in_step_with_its_masks() -> None:
    parent = trainer(config(epochs=2), [StopAt(10)])
    parent.fit()
    rows = Rows()
    fork = trainer(config(epochs=2, sparse=True, density=0.1, update_frequency=4), [rows])
    fork.load_state_dict(parent.state_dict(), fork=True)
    weights = dict(fork.model.named_parameters())
    assert fork.masking is not None
    for name, mask in fork.masking.masks.items():
        assert int((weights[name] != 0).sum()) == int(mask.sum())
    fork.fit()
    assert [update.step for update in rows.updates] == [12]
    assert fork.masking.steps == fork.step == 14
