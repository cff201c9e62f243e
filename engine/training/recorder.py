"""What training leaves in the database: metrics and mask updates, handed over to a writer with a thread of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from db.history.writer import MetricWriter
from db.records import Alarm, EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from engine.training.callbacks import Callback

if TYPE_CHECKING:
    from engine.alarms.alarm_watch import AlarmWatch
    from engine.sparsity import LayerStats, UpdateStats
    from engine.training.outcome import Outcome
    from engine.training.results import EpochResult, StepResult
    from engine.training.training import Training

__all__ = ["Recorder"]


class Recorder(Callback):
    """Feeds the metric writer.

    Args:
        writer: Commits what it is given, in order.
        record_layers: Whether the first mask (of a dense run: its layers, all at density 1) is to be recorded as
            update 0; False where a resumed run has recorded it already.
        watch: Says when alarms are due; None for no alarms.
    """

    def __init__(self, writer: MetricWriter, *, record_layers: bool = True, watch: AlarmWatch | None = None) -> None:
        self._writer = writer
        self._watch = watch
        self._record_layers = record_layers

    def on_start(self, trainer: Training) -> None:
        """Make the length of the run and its layers known before the first step."""
        self._writer.progress(
            total_steps=trainer.last_step,
            total_epochs=trainer.config.total_epochs,
            step=trainer.step,
            epoch=min(trainer.epoch, trainer.config.total_epochs),
        )
        if self._record_layers:
            self._first_mask(trainer)

    def on_step(self, trainer: Training, result: StepResult) -> None:
        """Hand over one step."""
        header = result.header
        if self._watch is not None:
            self._raise_alarms(self._watch.after_step(header.step, result.loss))
        self._writer.step(
            StepMetric(
                header.step,
                header.epoch,
                result.loss,
                result.accuracy,
                header.learning_rate,
                header.death_rate,
                header.density,
                header.itop_rate if trainer.config.sparse else None,  # a dense run explores nothing
                header.samples_per_second,
                header.at,
                result.metrics,
            )
        )

    def on_mask_update(self, trainer: Training, update: UpdateStats) -> None:
        """Hand over one prune-and-grow with its layers."""
        self._masks(_mask_update(update), update.layers)

    def on_epoch_end(self, trainer: Training, result: EpochResult, best: bool) -> None:
        """Hand over one epoch, and what training has cost so far.

        An epoch that ``max_steps`` cut short gets no row: a longer run may resume from there and complete it.
        """
        if not result.complete:
            self._writer.progress(val_loss=result.val_loss, val_accuracy=result.val_accuracy)
            self._costs(trainer)
            return
        self._writer.epoch(
            EpochMetric(
                epoch=result.epoch,
                step=result.step,
                train_loss=result.train_loss,
                train_accuracy=result.train_accuracy,
                val_loss=result.val_loss,
                val_accuracy=result.val_accuracy,
                learning_rate=result.learning_rate,
                seconds=result.seconds,
                at=result.at,
            )
        )
        self._costs(trainer)

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Hand over the test result, and wait until everything is committed."""
        self._costs(trainer)
        if outcome.test is not None:
            self._writer.progress(
                test_accuracy=outcome.test.best.accuracy, test_accuracy_last=outcome.test.last.accuracy
            )
        self._writer.flush()

    def _costs(self, trainer: Training) -> None:
        self._writer.progress(training_flops=trainer.flops.total, flops_ratio=trainer.flops.ratio)
        if trainer.best is not None:
            self._writer.progress(best_val_accuracy=trainer.best.accuracy)

    def _first_mask(self, trainer: Training) -> None:
        layers = trainer.layer_stats()
        size = sum(layer.size for layer in layers)
        nonzeros = sum(layer.nonzeros for layer in layers)
        explored = sum(layer.explored for layer in layers)
        update = MaskUpdate(
            update=0,
            step=trainer.step,
            death_rate=trainer.death_rate,
            pruned=0,
            grown=0,
            nonzeros=nonzeros,
            density=nonzeros / size,
            itop_rate=explored / size if trainer.config.sparse else None,
            overlap_previous=1.0,
            overlap_first=1.0,
            churn=0.0,
        )
        self._masks(update, layers)

    def _masks(self, update: MaskUpdate, layers: Sequence[LayerStats]) -> None:
        stats = [_layer_stat(layer) for layer in layers]
        self._writer.mask_update(update, stats)
        if self._watch is not None:
            self._raise_alarms(self._watch.after_update(update.step, stats))

    def _raise_alarms(self, alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            self._writer.alarm(alarm)


def _mask_update(update: UpdateStats) -> MaskUpdate:
    return MaskUpdate(
        update=update.update,
        step=update.step,
        death_rate=update.death_rate,
        pruned=update.pruned,
        grown=update.grown,
        nonzeros=update.nonzeros,
        density=update.density,
        itop_rate=update.itop_rate,
        overlap_previous=update.overlap_previous,
        overlap_first=update.overlap_first,
        survival=update.survival,
        churn=update.churn,
    )


def _layer_stat(layer: LayerStats) -> LayerMaskStat:
    return LayerMaskStat(
        layer=layer.layer,
        position=layer.position,
        shape=tuple(layer.shape),
        size=layer.size,
        nonzeros=layer.nonzeros,
        pruned=layer.pruned,
        grown=layer.grown,
        explored=layer.explored,
        overlap_previous=layer.overlap_previous,
        overlap_first=layer.overlap_first,
        survival=layer.survival,
        dead_inputs=layer.dead_inputs,
        dead_outputs=layer.dead_outputs,
        alive=layer.alive,
        percolated=layer.percolated,
    )
