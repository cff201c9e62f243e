"""What stays dense beside the masked layers, in words: from the `coverage` of a plan, or of a run.

A density is over the maskable weights. Where other matrices stay dense, this gives the share that they are of all
matrix weights (the parameters of two or more dimensions), and the density over all of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from db.records import LayerMaskStat
from itop_tui.figures.format import count, plain, share

Coverage = Mapping[str, Any]

_NAMED = 3


def has_dense_part(coverage: Coverage | None) -> bool:
    """Whether anything stays dense that a density is not over."""
    return bool(coverage and coverage.get("dense"))


def coverage_now(coverage: Coverage | None, layers: Iterable[LayerMaskStat]) -> dict[str, Any] | None:
    """The coverage of a run with the density of its latest mask update; None where none was recorded.

    Args:
        coverage: What was recorded at the start of its latest attempt.
        layers: Its layers after the latest update.
    """
    if coverage is None:
        return None
    active = sum(layer.nonzeros for layer in layers if len(layer.shape) > 1)
    whole = coverage["matrix_weights"]
    return {**coverage, "density": (active + coverage["dense_weights"]) / whole if whole else 1.0}


def density_over_all(coverage: Coverage | None) -> str:
    """The density over all matrix weights: "61.2% of all 16,384 matrix weights"; empty where nothing stays dense."""
    if coverage is None or not has_dense_part(coverage):
        return ""
    return f"{share(coverage['density'])} of all {count(coverage['matrix_weights'])} matrix weights"


def left_dense(coverage: Coverage | None) -> str:
    """What stays dense, the largest first: "56.8% of all matrix weights: emb.weight (embedding), pos (of Net)"."""
    if coverage is None or not has_dense_part(coverage):
        return ""
    return f"{share(coverage['dense_share'])} of all matrix weights: {dense_names(coverage)}"


def dense_names(coverage: Coverage) -> str:
    """The matrices that stay dense, with why, the largest first."""
    largest = sorted(coverage["dense"], key=lambda matrix: -matrix["weights"])
    named = [plain(f"{matrix['name']} ({matrix['why']})") for matrix in largest[:_NAMED]]
    more = f" and {len(largest) - _NAMED:,} more" if len(largest) > _NAMED else ""
    return ", ".join(named) + more
