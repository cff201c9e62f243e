"""How much of a network the masks cover: the weight matrices that stay dense, and the density over all of them.

A density is over the maskable weights. Where other parameters of two or more dimensions stay dense, such as
embeddings, the network as a whole is denser, and this says by how much.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.sparsity.layers import DenseMatrix

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Coverage:
    """The matrix weights of a network: its parameters of two or more dimensions.

    Args:
        masked: Those that have a mask.
        active: Those of them that are active.
        dense: The matrices without a mask, in the order of the model.
    """

    masked: int
    active: int
    dense: tuple[DenseMatrix, ...]

    @property
    def dense_weights(self) -> int:
        """Number of matrix weights without a mask."""
        return sum(matrix.size for matrix in self.dense)

    @property
    def matrix_weights(self) -> int:
        """Number of all matrix weights."""
        return self.masked + self.dense_weights

    @property
    def dense_share(self) -> float:
        """Those without a mask as a share of all matrix weights; 0 where there are none at all."""
        return self.dense_weights / self.matrix_weights if self.matrix_weights else 0.0

    @property
    def density(self) -> float:
        """Active weights and those without a mask as a share of all matrix weights; 1 where there are none at all."""
        return (self.active + self.dense_weights) / self.matrix_weights if self.matrix_weights else 1.0

    def as_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {
            "matrix_weights": self.matrix_weights,
            "dense_weights": self.dense_weights,
            "dense_share": self.dense_share,
            "density": self.density,
            "dense": [
                {"name": one.name, "shape": list(one.shape), "weights": one.size, "why": one.why} for one in self.dense
            ],
        }

    def __str__(self) -> str:
        if not self.dense:
            return "no weight matrix stays dense"
        largest = sorted(self.dense, key=lambda matrix: -matrix.size)
        named = ", ".join(f"{one.name} ({one.why})" for one in largest[:_NAMED])
        more = f" and {len(largest) - _NAMED} more" if len(largest) > _NAMED else ""
        return (
            f"{self.dense_share:.1%} of all {self.matrix_weights:,} matrix weights stay dense ({named}{more}); "
            f"density {self.density:.4g} over all of them"
        )


def coverage_of(layers: Iterable[tuple[Sequence[int], int]], dense: Iterable[DenseMatrix]) -> Coverage:
    """Adds up a network.

    Args:
        layers: The shape and the number of active weights of each masked layer.
        dense: The matrices without a mask.
    """
    matrices = [(math.prod(shape), active) for shape, active in layers if len(shape) > 1]
    return Coverage(sum(size for size, _ in matrices), sum(active for _, active in matrices), tuple(dense))
