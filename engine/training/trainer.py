"""The training loop, top to bottom.

    fit            epochs until the end, then the test set, once
    _train_epoch   batches until the epoch's end
    _train_step    forward, backward, masked optimizer step
    _end_epoch     validation, the best so far
    state_dict     everything needed to resume exactly

Nothing here records, prints, saves or listens: callbacks do. A *step* is one optimizer step: with
``accumulate`` k it consumes k batches. Steps, epochs and mask updates count from 1; ``step`` is the number taken.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from db.history.declared import check_further
from engine.config.run_config import RunConfig
from engine.data import DataBundle
from engine.sparsity import LayerStats, flops
from engine.training import state
from engine.training.accounting import FlopsMeter, layer_stats
from engine.training.active_gradients import ActiveGradients
from engine.training.backward import Backward, groups
from engine.training.callbacks import Callback
from engine.training.evaluate import Evaluation, Interrupted, evaluate
from engine.training.learning_rate import LearningRate
from engine.training.optim import build_optimizer, penalised, set_learning_rate
from engine.training.outcome import Best, Outcome, TestFigures
from engine.training.parallel import Ranks, Size, Step, Wish, synchronised
from engine.training.results import EpochResult, EpochSums, MetricStream, StepHeader, StepResult, Throughput
from engine.training.setup import make_masking, set_threads
from engine.training.state import copy_state

__all__ = ["Trainer"]


class _Stopped(Exception):  # noqa: N818 - a way out of the loop, no error
    """The run is to end now, resumable."""


class _Diverged(Exception):  # noqa: N818 - a way out of the loop, no error
    """A loss or the weights became NaN or infinite, and the run is configured to stop then."""


class Trainer:
    """Trains one model as a configuration says.

    Args:
        config: The run's settings.
        model: Maps inputs to logits; moved to the device.
        data: Where batches come from, on the device already.
        device: Where to train.
        callbacks: Called at every event, in this order; of several ranks, rank 0 has them.
        ranks: The processes that train together, as this one sees them.

    Attributes:
        model: The module itself, also where a compiled one trains.
        masking: Keeps the masks of a sparse run; None for a dense one.
        step: Optimizer steps taken.
        epoch: The epoch being trained, from 1; one past the last when all are done.
        batch: Batches of this epoch already used.
        last_step: The step after which the run ends: all epochs, or ``max_steps``.
        total_steps: Steps of all epochs; the schedules' length.
        best: The best validation so far, None before the first.
    """

    def __init__(
        self,
        config: RunConfig,
        model: nn.Module,
        data: DataBundle,
        device: torch.device,
        callbacks: Sequence[Callback] = (),
        ranks: Ranks | None = None,
    ) -> None:
        self.config = config
        self.ranks = Ranks() if ranks is None else ranks
        self.data = data.shared(self.ranks.share)
        self.device = device
        self.callbacks = list(callbacks)

        self.model = model.to(device)
        if config.sync_batchnorm and self.ranks.size > 1:
            self.model = synchronised(self.model, device)
        if config.channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
        # Of a module torch.compile makes a module, which its types do not say.
        self._computed: nn.Module = torch.compile(self.model) if config.compile else self.model  # type: ignore[assignment]
        self._forward = self.ranks.around(self._computed, data.info.shape, compiled=config.compile)
        self.optimizer = build_optimizer(self.model, config)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self._backward = Backward(config, self._forward, self.scaler, self.ranks, self.autocast)

        self.steps_per_epoch = config.steps_in_epoch(len(data.train))
        self.total_steps = config.total_epochs * self.steps_per_epoch
        self.last_step = self.total_steps if config.max_steps is None else min(self.total_steps, config.max_steps)
        self.rate = LearningRate(
            config.lr,
            self.total_steps,
            factor=config.lr_decay,
            drop_every=config.lr_drop_every,
            warmup_steps=config.warmup_epochs * self.steps_per_epoch,
        )
        self._dense_pass = flops.count(self.model, data.info.shape)
        # Before the layers are measured, which is done with as many threads as they train with.
        set_threads(config, device, self._dense_pass.dense_forward)
        self.mask()

        self.epoch = config.start_epoch
        self.step = (config.start_epoch - 1) * self.steps_per_epoch
        if self.masking is not None:
            self.masking.steps = self.step
        self.batch = 0
        self.best: Best | None = None
        self.sums = EpochSums()
        self.throughput = Throughput()
        self.figures = MetricStream(device, self._deliver)
        self._recorded: dict[str, Tensor | float] = {}
        self._exchange: ActiveGradients | None = None
        if config.reduce_active and isinstance(self._forward, DistributedDataParallel):
            self._exchange = ActiveGradients(lambda: self.masking)
            self._exchange.attach(self._forward)
        self.diverged: str | None = None
        self._stop_reason: str | None = None
        self._stopping = False  # whether all ranks know that it is to stop
        self._masks_changed()

    def mask(self, left_dense: Sequence[str] = ()) -> None:
        """Mask the model as configured, but for some parameters; again, where it was masked before."""
        self.masking = make_masking(
            self.config,
            self.model,
            self.optimizer,
            total_steps=self.total_steps,
            left_dense=left_dense,
            execution=self.config.execution,
        )
        self.flops = FlopsMeter(self._dense_pass, self.masking)
        self._penalised = penalised(self.model, self.masking) if self.config.l1 else []

    # ------------------------------------------------------------------ the loop

    def fit(self) -> Outcome:
        """Train to the end, or until something says stop.

        Everything that can be resumed from is in :meth:`state_dict` whatever the outcome.
        """
        self._together(lambda callback: callback.on_start(self))
        try:
            self._between_steps(meet=True)
            # A run cut at an epoch's end, its steps done, has only the test left; cut within one, the validation too.
            while self.epoch <= self.config.total_epochs and (self.step < self.last_step or self.batch > 0):
                self._train_epoch()
                self._end_epoch()
                if self.step >= self.last_step:
                    break
            outcome = Outcome("completed", None, self._test())
        except _Stopped as stop:
            outcome = Outcome("stopped", str(stop))
        except _Diverged as divergence:
            outcome = Outcome("failed", str(divergence))
        self.flush()
        self._together(lambda callback: callback.on_end(self, outcome))
        return outcome

    def _train_epoch(self) -> None:
        self.model.train()
        self.throughput.restart()
        batches = self._batches("train", self.config.batch_size, epoch=self.epoch, start=self.batch)
        for group in groups(batches, self.config.accumulate):
            if self.step >= self.last_step:
                return
            self._train_step(group)
            self.batch += len(group)
            self._between_steps()

    def _train_step(self, group: Sequence[tuple[Tensor, Tensor, Size]]) -> None:
        """Take one optimizer step on the mean gradient of a group of batches."""
        rate = self.rate.at(self.step)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        samples = sum(size.whole for _, _, size in group)
        loss, correct = self._backward(group, self._penalised)
        if self.config.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            clip = nn.utils.clip_grad_norm_ if self.masking is None else self.masking.clip_grad_norm_
            clip(self.model.parameters(), self.config.clip_norm)
        update = None
        if self.masking is not None:
            update = self.masking.step(scaler=self.scaler if self.scaler.is_enabled() else None)
        else:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.flops.add(samples)
        if update is not None:
            self._masks_changed()

        seconds, samples_per_second = self.throughput.tick(samples)
        self.sums.seconds += seconds
        header = StepHeader(
            step=self.step,
            epoch=self.epoch,
            samples=samples,
            learning_rate=rate,
            death_rate=self.death_rate,
            density=self.density,
            itop_rate=self.itop_rate,
            samples_per_second=samples_per_second,
            at=time.time(),
        )
        # Taken one by one: another thread may record meanwhile.
        recorded = {name: self._recorded.pop(name) for name in tuple(self._recorded)}
        if self._exchange is not None:
            recorded["gradients_sent"] = self._exchange.share()
        self._push(self.ranks.push((header, {"loss": loss, "correct": correct, **recorded}), self._wish))
        if update is not None:
            for callback in self.callbacks:
                callback.on_mask_update(self, update)

    def _between_steps(self, *, meet: bool = False) -> None:
        """Let callbacks act, then stop where one of them, or the loss, demands it; on several ranks, all at one step.

        Args:
            meet: Whether all ranks are here, whatever they wished for.
        """
        if meet or self.ranks.agreed(Wish.MEET):
            self._together(lambda callback: callback.on_step_end(self))
        if self._stopping:  # what is saved now must be worth resuming from
            self.flush()
            self._check_weights()
        if self._stopping or self.ranks.agreed(Wish.DIVERGED):
            if self.ranks.size > 1:  # some may not have read it yet
                self.flush()
            self._raise_if_diverged()
        if self._stopping:
            raise _Stopped(self._stop_reason)

    def _together(self, event: Callable[[Callback], None]) -> None:
        """Call every callback, while the other ranks serve the one that has them."""

        def lead() -> None:
            for callback in self.callbacks:
                event(callback)

        self._stopping = self.ranks.together(lead, lambda: self._stop_reason is not None)

    def _wish(self) -> Wish:
        """What this rank wants of all of them."""
        wish = Wish.NOTHING
        if self._stop_reason is not None or any(callback.asks_to_meet() for callback in self.callbacks):
            wish |= Wish.MEET
        if self.diverged is not None and self.config.stop_on_nonfinite:
            wish |= Wish.DIVERGED
        return wish

    def _end_epoch(self) -> None:
        """Close the epoch: its means, validation, and the best so far."""
        self.flush()
        self._raise_if_diverged()
        epoch, complete = self.epoch, self.batch >= self.data.steps("train", self.config.batch_size)
        started = time.perf_counter()
        validation = self.evaluate("valid")
        if validation is not None and not math.isfinite(validation.loss):
            self._note_divergence(f"validation loss became {_name(validation.loss)} after epoch {epoch}")
        self._check_weights()
        best = self._note_best(validation)
        figures = EpochResult(
            epoch=epoch,
            step=self.step,
            train_loss=self.sums.mean_loss,
            train_accuracy=self.sums.accuracy,
            val_loss=None if validation is None else validation.loss,
            val_accuracy=None if validation is None else validation.accuracy,
            learning_rate=self.rate.at(max(self.step - 1, 0)),
            seconds=self.sums.seconds + time.perf_counter() - started,
            at=time.time(),
            complete=complete,
        )
        if complete:  # callbacks save the state in which the next epoch starts
            self.epoch, self.batch, self.sums = epoch + 1, 0, EpochSums()
        self._together(lambda callback: callback.on_epoch_end(self, figures, best))
        self._raise_if_diverged()

    def evaluate(self, split: Literal["valid", "test"]) -> Evaluation | None:
        """Evaluate the present weights on a split; None where the run has no such split."""
        if getattr(self.data, split) is None:
            return None
        self.ranks.share_buffers(self.model)
        batches = self._batches(split, self.config.test_batch_size)
        counted = ((inputs[: size.own], targets[: size.own]) for inputs, targets, size in batches)
        try:
            return evaluate(
                self._computed,
                counted,
                autocast=self.autocast,
                interrupted=self._asked_to_stop,
                total=self.ranks.total,
            )
        except Interrupted:
            raise _Stopped(self._stop_reason) from None

    def _test(self) -> TestFigures:
        """Look at the test set with the last and with the best weights."""
        last = self.evaluate("test")
        assert last is not None, "every data set has a test split"
        if self.best is None or self.best.step == self.step:
            return TestFigures(last, last)
        present = copy_state(self.model.state_dict())
        self.model.load_state_dict(self.best.weights)
        try:
            best = self.evaluate("test")
        finally:
            self.model.load_state_dict(present)
        assert best is not None
        return TestFigures(best, last)

    # ------------------------------------------------------------------ for callbacks

    def stop(self, reason: str) -> None:
        """End the run before its next step, with the state as it is then; the first reason counts."""
        if self._stop_reason is None:
            self._stop_reason = reason

    def record(self, **values: Tensor | float) -> None:
        """Record metrics with the step that is being taken, or with the next one between two steps; any thread may.

        Of several values of a metric for one step the last one counts; what is recorded after the last step is lost.

        Args:
            values: Metrics declared in `db.history.declared`, by name: plain numbers, or scalars on the device, which
                nothing waits for. A metric may be recorded at some steps only.

        Raises:
            StoreError: There is no such metric, or it is one that the trainer itself records.
        """
        for name in values:
            check_further(name)
        self._recorded.update(values)

    def flush(self) -> None:
        """Deliver the results of all steps taken so far."""
        self._push(self.ranks.drain())
        self.figures.flush()

    @property
    def death_rate(self) -> float:
        """ζ at this step; 0 where nothing ever dies."""
        return 0.0 if self.masking is None or self.config.fix else self.masking.death_rate

    def autocast(self) -> AbstractContextManager[None]:
        """Return a fresh precision context for forward and loss; of fp32 one that costs nothing."""
        if self.config.precision == "fp32":
            return nullcontext()
        dtype = torch.float16 if self.config.precision == "fp16" else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype)

    def layer_stats(self) -> list[LayerStats]:
        """Return the layers as they are; of a dense run, all of them whole."""
        return layer_stats(self.model) if self.masking is None else list(self.masking.layer_stats())

    def best_weights(self) -> dict[str, Tensor]:
        """Return the model's state at its best validation, or as it is where there is none; on the CPU."""
        if self.best is not None:
            return self.best.weights
        return copy_state(self.model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """Return everything the run needs to resume from here exactly; see `state.capture`."""
        return state.capture(self)

    def load_state_dict(self, saved: Mapping[str, Any], *, fork: bool = False) -> None:
        """Resume from what :meth:`state_dict` returned; see `state.restore`.

        Raises:
            TrainingError: The state does not fit the configuration.
        """
        state.restore(self, saved, fork=fork)
        self._masks_changed()

    # ------------------------------------------------------------------ within

    def _batches(
        self, part: Literal["train", "valid", "test"], batch_size: int, *, epoch: int = 0, start: int = 0
    ) -> Iterator[tuple[Tensor, Tensor, Size]]:
        """Yield what this rank computes of each batch, with how much of it counts."""
        batches = self.data.batches(part, batch_size, epoch=epoch, start=start)
        for (inputs, targets), sizes in zip(batches, self.data.sizes(part, batch_size, start=start), strict=True):
            if self.config.channels_last:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            yield inputs, targets, Size(*sizes)

    def _push(self, steps: Iterable[Step]) -> None:
        for header, scalars in steps:
            self.figures.push(header, scalars)

    def _masks_changed(self) -> None:
        """Read what only a mask update changes, so that no step asks the device for it."""
        masking = self.masking
        self.density = 1.0 if masking is None else float(masking.density)
        self.itop_rate = 1.0 if masking is None else float(masking.itop_rate)
        self.flops.masks_changed()

    def _deliver(self, header: StepHeader, values: dict[str, float]) -> None:
        loss, correct = values.pop("loss"), values.pop("correct")
        self.sums.add(loss, correct, header.samples)
        if not math.isfinite(loss):
            self._note_divergence(f"loss became {_name(loss)} at step {header.step} (epoch {header.epoch})")
        figures = StepResult(header, loss, correct / header.samples, values)
        for callback in self.callbacks:
            callback.on_step(self, figures)

    def _note_divergence(self, what: str) -> None:
        if self.diverged is None:
            self.diverged = what

    def _check_weights(self) -> None:
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in self.model.parameters()])
        if not bool(finite.all()):
            self._note_divergence(f"weights became NaN or infinite by step {self.step} (epoch {self.epoch})")

    def _raise_if_diverged(self) -> None:
        if self.diverged is not None and self.config.stop_on_nonfinite:
            raise _Diverged(self.diverged)

    def _note_best(self, validation: Evaluation | None) -> bool:
        """Keep a copy of the best weights so far; without a validation split the last ones count as the best.

        Weights of a density above the final one never count: their accuracy is that of another, denser network.
        """
        if validation is None:
            return True
        if self.masking is not None and not self.masking.at_final_density:
            return False
        if self.best is not None and not validation.accuracy > self.best.accuracy:
            return False
        self.best = Best(validation.accuracy, self.step, self.epoch, copy_state(self.model.state_dict()))
        return True

    def _asked_to_stop(self) -> bool:
        for callback in self.callbacks:
            reason = callback.wants_stop()
            if reason is not None:
                self.stop(reason)
        return self.ranks.anyone(self._stop_reason is not None)


def _name(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"
