"""The loop: what a step is, what the settings do to it, and how it ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from engine.training import setup
from engine.training.callbacks import Callback
from engine.training.control import Control
from engine.training.results import EpochResult
from engine.training.setup import SetupError
from engine.training.trainer import Trainer
from engine.training.training import Training
from tests.engine.training.helpers import Rows, StopAt, config, trainer
from tests.patience import PATIENCE


def weights(one: Trainer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in one.model.parameters()]


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    """1,350 images: seven batches of 200 in pairs, or four of 400 (the last ones smaller): the same gradients."""
    small, large = trainer(config(accumulate=2, max_steps=4)), trainer(config(batch_size=400, max_steps=4))
    assert small.steps_per_epoch == large.steps_per_epoch == 4
    rows = [Rows(), Rows()]
    for one, seen in zip((small, large), rows, strict=True):
        one.callbacks.append(seen)
        one.fit()
    assert [row[2] for row in rows[0].steps] == [row[2] for row in rows[1].steps] == [400, 400, 400, 150]
    for left, right in zip(rows[0].steps, rows[1].steps, strict=True):
        assert left[3] == pytest.approx(right[3], rel=1e-4)
        assert left[4] == right[4]
    for mine, theirs in zip(weights(small), weights(large), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_mask_updates_count_optimizer_steps() -> None:
    rows = Rows()
    trainer(config(sparse=True, accumulate=2, update_frequency=3), [rows]).fit()
    assert [update.step for update in rows.updates] == [3, 6, 9]


def test_warm_up_and_step_decay_are_what_is_recorded() -> None:
    rows = Rows()
    trainer(config(warmup_epochs=1, lr_drop_every=14, lr=0.07, lr_decay=0.5), [rows]).fit()
    rates = [row[5] for row in rows.steps]
    assert rates[:8] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.07])
    assert rates[13:15] == pytest.approx([0.07, 0.035])


def test_clipping_bounds_the_step() -> None:
    """Without momentum and decay a step moves the weights by lr times the clipped norm at most."""
    one = trainer(config(clip_norm=0.01, momentum=0.0, l2=0.0, lr=1.0, max_steps=1))
    before = weights(one)
    one.fit()
    moved = torch.cat([(now - then).flatten() for now, then in zip(weights(one), before, strict=True)]).norm()
    assert 0 < float(moved) <= 0.01 * 1.001


def test_l1_pulls_weights_to_zero() -> None:
    sums = []
    for l1 in (0.0, 0.01):
        one = trainer(config(l1=l1, epochs=2))
        one.fit()
        sums.append(sum(float(parameter.abs().sum()) for parameter in weights(one) if parameter.ndim > 1))
    assert sums[1] < 0.75 * sums[0]


def test_label_smoothing_raises_the_loss_it_reports_and_not_the_validation() -> None:
    rows = Rows()
    trainer(config(label_smoothing=0.5, epochs=15, l2=0.0), [rows]).fit()
    *_, (_, _, train_loss, _, val_loss, *_) = rows.epochs
    assert train_loss > 1.67  # the entropy of the smoothed targets: 0.55 for the label, 0.05 for each of the others
    assert val_loss < 1.67


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns(precision: str) -> None:
    rows = Rows()
    one = trainer(config(precision=precision, epochs=8, sparse=True, density=0.5, growth="gradient"), [rows])
    one.fit()
    assert rows.epochs[-1][5] > 0.8
    assert all(parameter.dtype == torch.float32 for parameter in one.model.parameters())


def test_compiled_run_trains_the_model_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler is asked once, and states carry the plain model's names."""
    asked: list[torch.nn.Module] = []

    def compiled(model: torch.nn.Module) -> torch.nn.Module:
        asked.append(model)
        return model

    monkeypatch.setattr(torch, "compile", compiled)
    one = trainer(config(compile=True, max_steps=2))
    one.fit()
    assert asked == [one.model]
    assert not any(name.startswith("_orig_mod") for name in one.state_dict()["model"])


def test_without_validation_the_last_weights_are_the_best() -> None:
    rows = Rows()
    one = trainer(config(valid_split=0.0), [rows])
    outcome = one.fit()
    assert [(row[4], row[5], row[7]) for row in rows.epochs] == [(None, None, True)] * 3
    assert outcome.test is not None
    assert outcome.test.best == outcome.test.last


def test_test_set_is_looked_at_once_with_best_and_with_last_weights() -> None:
    """The best weights are those of the best epoch: a run that ends there has the same result with its last ones."""
    rows = Rows()
    run = config(sparse=True, epochs=6, lr=0.4, seed=3)
    one = trainer(run, [rows])
    parts: list[str] = []
    batches = type(one.data).batches

    def watched(self: Any, name: Any, *arguments: Any, **options: Any) -> Any:
        parts.append(name)
        return batches(self, name, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(one.data), "batches", watched)
        outcome = one.fit()
    assert one.best is not None
    assert outcome.test is not None
    assert parts == ["train", "valid"] * 6 + ["test"] * (1 if one.best.step == one.step else 2)
    best = trainer(run.with_changes(max_steps=one.best.step)).fit()
    # A run cut at the best step has the same schedules, so the same weights.
    assert best.test is not None
    assert best.test.last == outcome.test.best


def test_start_epoch_stands_where_the_schedules_would_stand() -> None:
    rows = Rows()
    one = trainer(config(sparse=True, epochs=4, start_epoch=3), [rows])
    one.fit()
    assert [row[0] for row in rows.steps] == list(range(15, 29))
    assert [row[1] for row in rows.steps] == [3] * 7 + [4] * 7
    assert rows.steps[0][5] == pytest.approx(0.005)
    assert rows.steps[0][6] == pytest.approx(0.005 + 0.495 * (1 + torch.cos(torch.tensor(15 / 28 * 3.14159265))) / 2)


def test_non_finite_weights_are_noticed_before_they_are_saved() -> None:
    """The last step of an epoch breaks the weights, and its own loss was still finite."""

    class Breaks(Callback):
        saved = 0

        def on_step_end(self, trainer: Training) -> None:
            if trainer.step == 7:
                with torch.no_grad():
                    next(trainer.model.parameters())[0] = float("inf")

        def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
            assert trainer.diverged is not None

    outcome = trainer(config(), [Breaks()]).fit()
    assert outcome.status == "failed"
    assert outcome.reason is not None
    assert "after epoch 1" in outcome.reason or "by step 7" in outcome.reason


def test_settings_that_contradict_each_other_are_refused_before_training() -> None:
    with pytest.raises(SetupError, match="dense_first_layer"):
        trainer(config(sparse=True, density=0.1, dense_first_layer=True))


def test_a_stop_during_validation_ends_it_and_a_resumed_run_validates_again() -> None:
    class StopInValidation(Callback):
        def wants_stop(self) -> str | None:
            return "in the middle of it"

    rows = Rows()
    one = trainer(config(epochs=1), [rows, StopInValidation()])
    outcome = one.fit()
    assert (outcome.status, outcome.reason, one.step) == ("stopped", "in the middle of it", 7)
    assert rows.epochs == []
    again = trainer(config(epochs=1), [rows])
    again.load_state_dict(one.state_dict())
    assert again.fit().status == "completed"
    assert [row[:2] for row in rows.epochs] == [(1, 7)]
    assert len(rows.steps) == 7


def test_control_holds_and_answers_between_steps() -> None:
    control = Control()
    answers: list[str] = []
    held = threading.Event()
    control.on_pause = lambda paused: held.set() if paused else held.clear()
    control.save = lambda trainer: f"saved {trainer.step}"
    control.request_pause(answers.append)
    rows = Rows()
    one = trainer(config(epochs=1), [rows, control])
    thread = threading.Thread(target=one.fit)
    thread.start()
    assert held.wait(PATIENCE)
    saved = threading.Event()

    def note(outcome: str) -> None:
        answers.append(outcome)
        saved.set()

    control.request_checkpoint(note)
    assert saved.wait(PATIENCE)
    assert rows.steps == []
    control.request_unpause()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert answers == ["paused after step 0", "saved 0"]
    assert len(rows.steps) == 7
    assert not held.is_set()


def test_stop_before_the_first_step() -> None:
    control = Control()
    control.request_stop("stopped by user")
    control.request_stop("another reason")
    late: list[str] = []
    one = trainer(config(), [control, StopAt(3)])
    outcome = one.fit()
    assert (outcome.status, outcome.reason, one.step) == ("stopped", "stopped by user", 0)
    control.request_checkpoint(late.append)
    control.on_end(one, outcome)
    assert late == ["too late: the run has stopped"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_no_step_waits_for_the_device(precision: str) -> None:
    """CUDA itself raises at whatever would synchronise, from the fifth step on, mask updates aside."""

    class NoSynchronisation(Callback):
        def on_step_end(self, trainer: Training) -> None:
            if trainer.step == 5:
                torch.cuda.set_sync_debug_mode("error")
            if trainer.step == 25:
                torch.cuda.set_sync_debug_mode("default")

    device = torch.device("cuda")
    run = config(sparse=True, batch_size=32, update_frequency=1000, precision=precision, max_steps=30)
    setup.prepare_process(run, device)
    data = setup.load_data(run, device)
    rows = Rows()
    try:
        Trainer(run, setup.make_model(run, data.info), data, device, [rows, NoSynchronisation()]).fit()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [row[0] for row in rows.steps] == list(range(1, 31))


@pytest.mark.parametrize(("max_steps", "validated"), [(None, 0), (14, 0), (17, 1)])
def test_a_run_cut_after_its_last_step_has_only_the_test_left(max_steps: int | None, validated: int) -> None:
    """At the end of an epoch its validation is done and no further epoch begins; within one it is made again."""
    run = config(sparse=True, epochs=3, max_steps=max_steps)
    one = trainer(run)
    outcome = one.fit()
    rows = Rows()
    again = trainer(run, [rows])
    again.load_state_dict(one.state_dict())
    assert again.fit() == outcome
    assert rows.steps == []
    assert len(rows.epochs) == validated
    assert (again.step, again.epoch, again.batch) == (one.step, one.epoch, one.batch)
