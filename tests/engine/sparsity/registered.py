"""The rules there are, for tests of what holds for all of them: a new rule is covered by registering it."""

from __future__ import annotations

from engine.sparsity import DEATH, DISTRIBUTIONS, GROWTH, REDISTRIBUTION, SCHEDULES

GROWTHS = tuple(GROWTH)
DEATHS = tuple(DEATH)
REDISTRIBUTIONS = tuple(REDISTRIBUTION)
SCHEDULE_NAMES = tuple(SCHEDULES)

EXACT_DEATHS = tuple(name for name in DEATH if name != "threshold")
"""Those that let exactly as many die as they are asked to."""

STEADY = tuple(name for name in DISTRIBUTIONS if name not in ("gmp", "resume"))
"""Distributions whose first mask has the density already, without given weights."""
