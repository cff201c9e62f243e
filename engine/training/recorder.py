"""What training leaves in the database: figures, mask updates, checkpoints.

Both callbacks run on the training's thread and only hand over: the writer commits from a thread of its own, and a
checkpoint's row is added after its file is safely on disk, behind all figures that belong before it. So whatever
row a reader sees, the file and the history it speaks of are there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from db import checkpoints
from db.records import CheckpointKind, CheckpointRecord, EpochMetric, LayerMaskStat, MaskUpdate, StepMetric
from db.session import Database
from db.writer import MetricWriter
from engine.training import checkpoint
from engine.training.callbacks import Callback
from engine.training.checkpoint import CheckpointFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.sparsity import LayerStats, UpdateStats
    from engine.training.figures import EpochFigures, StepFigures
    from engine.training.outcome import Outcome
    from engine.training.trainer import Trainer

__all__ = ["Checkpointer", "Recorder"]


class Recorder(Callback):
    """Feeds the metric writer.

    Args:
        writer: Commits what it is given, in order.
        record_layers: Whether the first mask (of a dense run: its layers, all at density 1) is to be recorded as
            update 0; False where a resumed run has recorded it already.
    """

    def __init__(self, writer: MetricWriter, *, record_layers: bool = True) -> None:
        self._writer = writer
        self._record_layers = record_layers

    def on_start(self, trainer: Trainer) -> None:
        """Make the length of the run and its layers known before the first step."""
        self._writer.progress(
            total_steps=trainer.last_step,
            total_epochs=trainer.config.total_epochs,
            step=trainer.step,
            epoch=min(trainer.epoch, trainer.config.total_epochs),
        )
        if self._record_layers:
            self._first_mask(trainer)

    def on_step(self, trainer: Trainer, figures: StepFigures) -> None:
        """Hand over one step."""
        header = figures.header
        self._writer.step(
            StepMetric(
                header.step,
                header.epoch,
                figures.loss,
                figures.accuracy,
                header.learning_rate,
                header.death_rate,
                header.density,
                header.itop_rate,
                header.samples_per_second,
                header.at,
            )
        )

    def on_mask_update(self, trainer: Trainer, update: UpdateStats) -> None:
        """Hand over one prune-and-grow with its layers."""
        self._writer.mask_update(_mask_update(update), [_layer_stat(layer) for layer in update.layers])

    def on_epoch_end(self, trainer: Trainer, figures: EpochFigures, best: bool) -> None:
        """Hand over one epoch, and what training has cost so far.

        An epoch that ``max_steps`` cut short gets no row: a longer run may go on from there and complete it.
        """
        if not figures.complete:
            self._writer.progress(val_loss=figures.val_loss, val_accuracy=figures.val_accuracy)
            self._costs(trainer)
            return
        self._writer.epoch(
            EpochMetric(
                epoch=figures.epoch,
                step=figures.step,
                train_loss=figures.train_loss,
                train_accuracy=figures.train_accuracy,
                val_loss=figures.val_loss,
                val_accuracy=figures.val_accuracy,
                learning_rate=figures.learning_rate,
                seconds=figures.seconds,
                at=figures.at,
            )
        )
        self._costs(trainer)

    def on_end(self, trainer: Trainer, outcome: Outcome) -> None:
        """Hand over the test result, and wait until everything is committed."""
        self._costs(trainer)
        if outcome.test is not None:
            self._writer.progress(
                test_accuracy=outcome.test.best.accuracy, test_accuracy_last=outcome.test.last.accuracy
            )
        self._writer.flush()

    def _costs(self, trainer: Trainer) -> None:
        self._writer.progress(training_flops=trainer.flops.total, flops_ratio=trainer.flops.ratio)
        if trainer.best is not None:
            self._writer.progress(best_val_accuracy=trainer.best.accuracy)

    def _first_mask(self, trainer: Trainer) -> None:
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
            itop_rate=explored / size,
            overlap_previous=1.0,
            overlap_first=1.0,
            churn=0.0,
        )
        self._writer.mask_update(update, [_layer_stat(layer) for layer in layers])


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
    )


class Checkpointer(Callback):
    """Saves the state: at the start, after each epoch (last, best, and each N-th), at a stop, and when asked.

    A file is on disk before its row is committed, and a file that its row no longer names is removed only after
    that: killed at any instant, every row has its whole file.

    Args:
        db: Where the rows go.
        run_id: The run.
        attempt_id: The present attempt of it.
        folder: Where the files go.
        flush: Waits until all figures handed over are committed.
        every: Epochs between checkpoints that are kept; 0 keeps none but the last and the best.
        at_start: Whether to save before the first step, so that a run can be continued from any moment on.
    """

    def __init__(
        self,
        db: Database,
        run_id: int,
        attempt_id: int,
        folder: Path,
        *,
        flush: Callable[[], None],
        every: int = 0,
        at_start: bool = True,
    ) -> None:
        self._db = db
        self._run_id = run_id
        self._attempt_id = attempt_id
        self._folder = folder
        self._flush = flush
        self._every = every
        self._at_start = at_start

    def on_start(self, trainer: Trainer) -> None:
        """Clear away what killed writers left, and save the state that training starts from."""
        for unfinished in checkpoint.temporary_files(self._folder):
            unfinished.unlink(missing_ok=True)
        if self._at_start:
            self.save(trainer, ["last"])

    def on_epoch_end(self, trainer: Trainer, figures: EpochFigures, best: bool) -> None:
        """Save the epoch; a diverged state is not saved, so that the checkpoint before it stays."""
        if trainer.diverged is not None and trainer.config.stop_on_nonfinite:
            return
        kinds: list[CheckpointKind] = ["last"]
        if best:
            kinds.append("best")
        if self._every and figures.epoch % self._every == 0:
            kinds.append("epoch")
        self.save(trainer, kinds, epoch=figures.epoch, val_accuracy=figures.val_accuracy)

    def on_end(self, trainer: Trainer, outcome: Outcome) -> None:
        """Save where a stopped run goes on; write a completed one's best weights where the user wants them."""
        if outcome.status == "stopped":
            self.save(trainer, ["stop"])
        if outcome.status == "completed" and trainer.config.save is not None:
            checkpoint.write(Path(trainer.config.save).expanduser(), {"model": trainer.best_weights()})

    def save_now(self, trainer: Trainer) -> str:
        """Save because somebody asked; return what to answer."""
        (record,) = self.save(trainer, ["manual"])
        return f"checkpoint {record.id} at step {record.step}"

    def save(
        self,
        trainer: Trainer,
        kinds: list[CheckpointKind],
        *,
        epoch: int | None = None,
        val_accuracy: float | None = None,
    ) -> list[CheckpointRecord]:
        """Write the state once, and name it as each of the kinds.

        Args:
            trainer: Whose state.
            kinds: What the checkpoint is; at least one.
            epoch: The epoch it was written after; None: within the present one.
            val_accuracy: Validation accuracy of that epoch.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        trainer.flush()
        self._flush()
        number = min(trainer.epoch, trainer.config.total_epochs) if epoch is None else epoch
        file = checkpoint.write(self._free_path(trainer.step, kinds[0]), trainer.state_dict())
        records = [self._add(trainer.step, number, kinds[0], file, val_accuracy)]
        for kind in kinds[1:]:
            other = checkpoint.link(file, self._free_path(trainer.step, kind))
            records.append(self._add(trainer.step, number, kind, other, val_accuracy))
        return records

    def _add(
        self, step: int, epoch: int, kind: CheckpointKind, file: CheckpointFile, val_accuracy: float | None
    ) -> CheckpointRecord:
        before = [record.path for record in checkpoints.for_run(self._db, self._run_id)]
        record = checkpoints.add(
            self._db,
            run_id=self._run_id,
            attempt_id=self._attempt_id,
            step=step,
            epoch=epoch,
            kind=kind,
            path=str(file.path),
            bytes=file.bytes,
            sha256=file.sha256,
            val_accuracy=val_accuracy,
        )
        for path in checkpoints.unreferenced(self._db, before):
            with contextlib.suppress(OSError):  # disk space is all that is lost
                Path(path).unlink(missing_ok=True)
        return record

    def _free_path(self, step: int, kind: str) -> Path:
        """A name no file has: a file is never replaced under a row that still names it."""
        path = self._folder / checkpoint.file_name(step, kind)
        number = 2
        while path.exists():
            path = self._folder / checkpoint.file_name(step, f"{kind}-{number}")
            number += 1
        return path
