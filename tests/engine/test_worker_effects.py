"""Every setting has its effect, seen in what the worker records: none is accepted and then does nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from db.history import metrics
from db.records import LayerMaskStat, RunRecord
from db.session import Database
from engine.config.field_info import choices_of
from engine.sparsity.schedules import dying
from tests.engine.worker_runs import failed, last_state, trained

pytestmark = pytest.mark.usefixtures("signals")

SIZES = {"0": 64 * 300, "1": 300 * 100, "2": 100 * 10}
MASKABLE = sum(SIZES.values())
EPOCHS, STEPS = 2, 14


def sparse(db: Database, **settings: Any) -> RunRecord:
    """A sparse run of 14 steps with an update after each fourth: 4, 8, 12."""
    return trained(db, sparse=True, epochs=EPOCHS, **settings)


def masks(db: Database, run: RunRecord) -> torch.Tensor:
    return torch.cat([mask.flatten() for mask in last_state(db, run)["masking"]["masks"].values()])


def layers(db: Database, run: RunRecord, update: int) -> list[LayerMaskStat]:
    return metrics.layer_stats(db, run.id, update)


def test_valid_split_0_trains_on_everything_and_validates_nothing(db: Database) -> None:
    run = trained(db, valid_split=0.0, epochs=1)
    (epoch,) = metrics.epochs(db, run.id)
    assert (epoch.val_loss, epoch.val_accuracy, run.best_val_accuracy) == (None, None, None)
    assert run.total_steps == run.step == math.ceil(1500 / 200)  # with a tenth held out it would be seven
    assert run.test_accuracy is not None
    assert run.test_accuracy == run.test_accuracy_last


def test_l1_draws_weights_to_zero(db: Database) -> None:
    sums = [
        sum(float(weight.abs().sum()) for weight in last_state(db, run)["model"].values() if weight.ndim > 1)
        for run in (sparse(db), sparse(db, l1=0.01))
    ]
    assert sums[1] < 0.9 * sums[0]


@pytest.mark.parametrize(
    ("schedule", "law"),
    [
        ("cosine", lambda part: 0.005 + (0.4 - 0.005) * (1 + math.cos(math.pi * part)) / 2),
        ("linear", lambda part: 0.4 * (1 - part)),
        ("constant", lambda part: 0.4),
    ],
)
def test_death_rate_follows_its_schedule_and_decides_how_many_die(
    db: Database, schedule: str, law: Callable[[float], float]
) -> None:
    """With random_unfired growth at low density nothing that died comes back at once, so all deaths are seen."""
    run = sparse(db, decay_schedule=schedule, death_rate=0.4, growth="random_unfired")
    for row in metrics.steps(db, run.id):
        assert row.death_rate == pytest.approx(law(row.step / STEPS)), row.step
    updates = metrics.mask_updates(db, run.id)
    assert [one.step for one in updates] == [0, 4, 8, 12]
    for one in updates[1:]:
        assert one.death_rate == pytest.approx(law(one.step / STEPS))
        for layer, before in zip(layers(db, run, one.update), layers(db, run, one.update - 1), strict=True):
            if layer.size > 1000:  # the last layer is too dense for it
                assert layer.pruned == layer.grown == dying(law(one.step / STEPS), before.nonzeros)


@pytest.mark.parametrize(("threshold", "overlap"), [(0.0, 1.0), (1000.0, None)])
def test_threshold_death_takes_what_is_below_it(db: Database, threshold: float, overlap: float | None) -> None:
    """Below 0 is nothing; below 1000 is everything, and what comes then is another random mask."""
    run = sparse(db, death="threshold", threshold=threshold)
    for one in metrics.mask_updates(db, run.id)[1:]:
        assert one.nonzeros == round(0.1 * MASKABLE)
        assert one.overlap_previous is not None
        if overlap is None:
            assert one.overlap_previous < 0.3
            assert one.pruned == one.grown > 0.7 * one.nonzeros
        else:
            assert (one.pruned, one.grown, one.overlap_previous) == (0, 0, overlap)


def test_gmp_prunes_by_its_law_from_dense_to_the_density(db: Database) -> None:
    run = sparse(db, sparse_init="GMP", update_frequency=2)
    updates = metrics.mask_updates(db, run.id)
    assert [one.step for one in updates] == [0, 2, 4, 6, 8, 10, 12]
    for one in updates:
        density = 0.1 + 0.9 * (1 - one.step / 12) ** 3
        assert one.nonzeros == round(density * MASKABLE)
        assert one.grown == 0
    assert (updates[0].density, updates[-1].nonzeros) == (1.0, round(0.1 * MASKABLE))
    assert run.itop_rate == 1.0
    steps = {row.step: row.density for row in metrics.steps(db, run.id)}
    assert steps[1] == 1.0
    assert steps[2] == pytest.approx(updates[1].density)


def test_gmp_ends_at_last_update(db: Database) -> None:
    run = sparse(db, sparse_init="GMP", update_frequency=2, last_update=8)
    updates = metrics.mask_updates(db, run.id)
    assert [one.step for one in updates] == [0, 2, 4, 6, 8]
    assert updates[-1].nonzeros == round(0.1 * MASKABLE)


def test_last_update_is_the_last_one(db: Database) -> None:
    run = sparse(db, last_update=8)
    assert [one.step for one in metrics.mask_updates(db, run.id)] == [0, 4, 8]


CHOICES: dict[str, tuple[str, ...]] = {
    "growth": choices_of("growth"),
    "death": choices_of("death"),
    "redistribution": choices_of("redistribution"),
    "sparse_init": tuple(name for name in choices_of("sparse_init") if name not in ("GMP", "resume")),
}


@pytest.mark.parametrize("field", CHOICES)
def test_no_two_choices_of_a_rule_do_the_same(db: Database, field: str) -> None:
    found: dict[str, torch.Tensor] = {}
    for choice in CHOICES[field]:
        run = sparse(db, threshold=0.02, fill_empty_layers=True, **{"growth": "gradient", field: choice})
        assert {one.nonzeros for one in metrics.mask_updates(db, run.id)} == {round(0.1 * MASKABLE)}
        moved = [[one.nonzeros for one in layers(db, run, update)] for update in (0, 3)]
        if choice != "global_magnitude":  # there it may be either
            assert (moved[0] != moved[1]) == (field == "redistribution" and choice != "none")
        found[choice] = masks(db, run)
    assert len({bytes(mask.numpy()) for mask in found.values()}) == len(found) - ("ER" in found)
    if field == "sparse_init":  # without convolutions ER and ERK are one and the same
        assert torch.equal(found["ER"], found["ERK"])


def test_distributions_are_what_their_names_say(db: Database) -> None:
    uniform = [one.nonzeros / one.size for one in layers(db, sparse(db, sparse_init="uniform"), 0)]
    assert uniform == pytest.approx([0.1] * 3, abs=1e-4)
    erk = [one.nonzeros / one.size for one in layers(db, sparse(db), 0)]
    raw = [(64 + 300) / (64 * 300), (300 + 100) / (300 * 100), (100 + 10) / (100 * 10)]
    assert [one / erk[0] for one in erk] == pytest.approx([one / raw[0] for one in raw], rel=2e-3)
    dense_first = layers(db, sparse(db, density=0.5, dense_first_layer=True), 0)
    assert dense_first[0].nonzeros == dense_first[0].size
    assert sum(one.nonzeros for one in dense_first) == round(0.5 * MASKABLE)


def test_fixed_masks_stay(db: Database) -> None:
    run = sparse(db, fix=True)
    assert [one.update for one in metrics.mask_updates(db, run.id)] == [0]
    assert {row.death_rate for row in metrics.steps(db, run.id)} == {0.0}
    assert run.itop_rate == run.density == round(0.1 * MASKABLE) / MASKABLE


@pytest.mark.parametrize(
    ("settings", "drops"),
    [
        ({"epochs": 1, "multiplier": 4}, {15: 0.005, 22: 0.0005}),
        ({"epochs": 2, "lr_drop_every": 5, "lr_decay": 0.5}, {6: 0.025, 11: 0.0125}),
        ({"epochs": 2, "warmup_epochs": 1, "lr": 0.07}, {1: 0.01, 2: 0.02, 7: 0.07, 8: 0.007, 11: 0.0007}),
    ],
    ids=["multiplier", "decay-frequency", "warm-up"],
)
def test_learning_rate_follows_its_settings(db: Database, settings: dict[str, Any], drops: dict[int, float]) -> None:
    rows = metrics.steps(db, trained(db, **settings).id)
    rates = {row.step: row.learning_rate for row in rows if row.learning_rate is not None}
    assert len(rates) == 7 * settings["epochs"] * settings.get("multiplier", 1)
    for step, rate in drops.items():
        assert rates[step] == pytest.approx(rate), step
        if step > 1 and "warmup_epochs" not in settings:
            assert rates[step - 1] > rates[step]


def test_resume_takes_the_mask_from_given_weights(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    first = last_state(db, trained(db, epochs=1))["model"]
    kept = {name: value * (torch.rand_like(value) < 0.3) for name, value in first.items()}
    torch.save({"state_dict": kept}, path)
    run = trained(db, epochs=1, sparse=True, sparse_init="resume", weights=str(path), growth="gradient")
    expected = [int((weight != 0).sum()) for weight in kept.values() if weight.ndim > 1]
    assert [one.nonzeros for one in layers(db, run, 0)] == expected
    assert {one.nonzeros for one in metrics.mask_updates(db, run.id)} == {sum(expected)}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_and_is_another_arithmetic(db: Database, precision: str) -> None:
    plain, mixed = (
        trained(db, sparse=True, density=0.5, growth="gradient", epochs=6, precision=one) for one in ("fp32", precision)
    )
    state = last_state(db, mixed)
    assert mixed.best_val_accuracy is not None
    assert mixed.best_val_accuracy > 0.8
    assert all(value.dtype == torch.float32 for value in state["model"].values())
    assert bool(state["scaler"]) == (precision == "fp16")
    losses = [[row.loss for row in metrics.steps(db, run.id)] for run in (plain, mixed)]
    assert losses[0] != losses[1]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=0.02)


@pytest.mark.slow
def test_compiled_run_learns_what_the_plain_one_does(db: Database) -> None:
    """The real compiler: the same losses but for rounding, and a checkpoint with the plain model's names."""
    settings = {"sparse": True, "growth": "gradient", "epochs": 3, "lr": 0.01}
    plain, compiled = (trained(db, compile=one, **settings) for one in (False, True))
    losses = [[row.loss for row in metrics.steps(db, run.id)] for run in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert last_state(db, compiled)["model"].keys() == last_state(db, plain)["model"].keys()


def test_loss_that_diverges_at_a_large_rate_fails_the_run_with_its_reason(db: Database) -> None:
    settings = {"lr": 1e6, "epochs": 4}
    run = failed(db, **settings)
    *sound, last = metrics.steps(db, run.id)
    assert all(row.loss is not None and math.isfinite(row.loss) for row in sound)
    assert last.loss is not None
    assert math.isnan(last.loss)
    assert run.reason == f"loss became NaN at step {last.step} (epoch {last.epoch})"
    state = last_state(db, run)
    assert state["step"] < last.step
    assert all(bool(value.isfinite().all()) for value in state["model"].values())

    on = metrics.steps(db, trained(db, stop_on_nonfinite=False, **settings).id)
    assert [row.step for row in on] == list(range(1, 29))
    assert on[last.step - 1].loss is not None
    assert all(row.loss is not None and math.isnan(row.loss) for row in on[last.step - 1 :])
