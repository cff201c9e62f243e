"""The console log: a plain line every so many steps, one per epoch, one at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.training.callbacks import Callback

if TYPE_CHECKING:
    from engine.training.outcome import Outcome
    from engine.training.results import EpochResult, StepResult
    from engine.training.training import Training

__all__ = ["Console", "say"]


def say(line: str) -> None:
    """Print one line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Console(Callback):
    """Prints how training goes.

    Args:
        interval: Steps between two lines.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval

    def on_start(self, trainer: Training) -> None:
        """Say what is trained."""
        from engine.sparsity.sparse_linear import number_of_parameters  # torch is there by now

        config = trainer.config
        parameters = number_of_parameters(trainer.model)
        what = f"{config.model} on {config.data}, {config.method}, {parameters:,} parameters"
        if trainer.masking is not None:
            what += f", {trainer.masking.nonzeros:,} of {trainer.masking.maskable:,} weights active"
        where = f"{trainer.device}" if config.ranks == 1 else f"{config.ranks} ranks ({trainer.device.type})"
        say(f"{what}, on {where}; steps {trainer.step + 1:,} to {trainer.last_step:,}")
        if trainer.masking is not None and trainer.masking.coverage.dense:
            say(str(trainer.masking.coverage))
        if trainer.masking is not None and config.execution != "masked":
            say(f"execution: {trainer.masking.execution_summary}")

    def on_step(self, trainer: Training, figures: StepResult) -> None:
        """Print every so many steps."""
        header = figures.header
        if header.step % self._interval == 0:
            say(
                f"step {header.step:>{len(str(trainer.last_step))}}/{trainer.last_step}  loss {figures.loss:.4f}"
                f"  acc {figures.accuracy:.3f}  lr {header.learning_rate:.3g}"
                f"  {header.samples_per_second:,.0f} samples/s"
            )

    def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
        """Print the epoch."""
        total = trainer.config.total_epochs
        line = f"epoch {figures.epoch:>{len(str(total))}}/{total}  loss {figures.train_loss:.4f}"
        line += f"  acc {figures.train_accuracy:.4f}"
        if figures.val_accuracy is not None:
            line += f"  val {figures.val_accuracy:.4f}{' best' if best else ''}"
        if trainer.masking is not None:
            line += f"  density {trainer.density:.4f}  R_s {trainer.itop_rate:.4f}"
        say(f"{line}  {figures.seconds:.1f} s")

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Print how it ended."""
        if outcome.test is not None:
            test = outcome.test
            say(f"test accuracy {test.best.accuracy:.4f} with the best weights, {test.last.accuracy:.4f} with the last")
        say(outcome.status if outcome.reason is None else f"{outcome.status}: {outcome.reason}")
