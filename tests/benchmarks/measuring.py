"""What the benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["spread"]

_MANY = 100


def spread(seconds: Sequence[float]) -> str:
    """How long repeated calls took, as text: fastest, median, for many calls the 99th percentile, slowest."""
    ordered = sorted(1e3 * each for each in seconds)
    shares = {"fastest": 0.0, "median": 0.5, "99 %": 0.99, "slowest": 1.0}
    if len(ordered) < _MANY:
        del shares["99 %"]
    parts = (f"{name} {ordered[round(share * (len(ordered) - 1))]:.1f} ms" for name, share in shares.items())
    return f"{', '.join(parts)}, of {len(ordered)}"
