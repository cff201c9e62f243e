"""The learning rate as a pure function of the step.

There is no scheduler object that keeps a position: the position *is* the step, so a resumed run is at the
right place by construction, and changing the total length of a run moves its milestones without further ado.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LearningRate"]


@dataclass(frozen=True, slots=True)
class LearningRate:
    """Linear warm-up, then either milestones at 1/2 and 3/4 of the whole or a step decay.

    Attributes:
        base: The rate after warm-up and before the first drop.
        total_steps: Optimizer steps of the whole run, the multiplier included.
        factor: What the rate is multiplied by at each drop.
        drop_every: Where given, the rate drops each so many steps and the milestones are not used.
        warmup_steps: The rate climbs linearly to ``base`` over so many steps.
    """

    base: float
    total_steps: int
    factor: float = 0.1
    drop_every: int | None = None
    warmup_steps: int = 0

    @property
    def milestones(self) -> tuple[int, ...]:
        """Steps (0-based) from which on the rate is lower, where milestones are used."""
        if self.drop_every is not None:
            return ()
        return (self.total_steps // 2, self.total_steps * 3 // 4)

    def at(self, step: int) -> float:
        """Return the rate of one step.

        Args:
            step: Optimizer steps taken before this one: 0 for the first.
        """
        if self.drop_every is not None:
            drops = step // self.drop_every
        else:
            drops = sum(step >= milestone for milestone in self.milestones)
        rate = self.base * self.factor**drops
        if step < self.warmup_steps:
            rate *= (step + 1) / self.warmup_steps
        return rate
