"""The torch-free client of :mod:`engine.helpers.masks`: the masks in checkpoints, asked of a helper process.

    with MaskServer() as server:
        grid = server.grid(path, "features.0", rows=40, cols=120)      # one layer's pattern, downsampled to a screen
        overlaps = server.overlaps([path, other, third])               # how far masks agree, by layer and in all
    overlaps.jaccard()[0, 1], overlaps.jaccard("features.0")

The process takes a second or two to import torch, so a screen keeps its server, which also remembers the checkpoints
it has read. Both methods block: call them in a thread. numpy is imported only when an answer arrives.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.helpers.helper_process import HelperProcess

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MaskError", "MaskGrid", "MaskLayer", "MaskMoment", "MaskServer", "Overlaps", "StateShares", "Window"]

Window = tuple[int, int, int, int]
"""Part of a layer's matrix: first row, row after the last, first column, column after the last."""


class MaskError(Exception):
    """The masks cannot be read; the message says why (missing, damaged, a dense run, no such layer)."""


@dataclass(frozen=True, slots=True)
class StateShares:
    """Which share of some weights is in each state; together 1, but for rounding."""

    never: float
    once: float
    active: float
    """Active since before the latest mask update."""
    grown: float
    """Never active before it."""
    returned: float | None = None
    """Grown by it, and active at some time before; None where that is not known, and then part of `grown`."""
    died: float | None = None
    """Active until it; None where that is not known, and then part of `once`."""

    @classmethod
    def of(
        cls, explored: float, active: float, grown: float, returned: float | None = None, died: float | None = None
    ) -> StateShares:
        """From the shares ever active, active, grown and come back, each part of the one before, and died."""
        return cls(
            1 - explored,
            max(0.0, explored - active - (died or 0.0)),
            max(0.0, active - grown),
            max(0.0, grown - (returned or 0.0)),
            returned,
            died,
        )


@dataclass(frozen=True, slots=True)
class MaskLayer:
    """A masked layer in a checkpoint.

    Attributes:
        name: Its name.
        shape: The weight's.
        nonzeros: How many weights are active.
        explored: How many were ever active.
        grown: How many of the active ones the latest mask update has grown.
        returned: How many of these had been active before; None where that is not known.
        died: How many weights it took; None where that is not known.
    """

    name: str
    shape: tuple[int, ...]
    nonzeros: int
    explored: int
    grown: int = 0
    returned: int | None = None
    died: int | None = None

    @property
    def size(self) -> int:
        """Weights of the layer."""
        return self.matrix[0] * self.matrix[1]

    @property
    def matrix(self) -> tuple[int, int]:
        """The layer as a matrix: its first dimension by all others (of a convolution: out by in·kh·kw)."""
        columns = 1
        for size in self.shape[1:]:
            columns *= size
        return self.shape[0], columns

    @property
    def shares(self) -> StateShares:
        """Which share of all its weights is in each state."""
        size = max(1, self.size)
        moved = [None if number is None else number / size for number in (self.returned, self.died)]
        return StateShares.of(self.explored / size, self.nonzeros / size, self.grown / size, *moved)


@dataclass(frozen=True, slots=True, eq=False)
class MaskGrid:
    """A window of a layer's mask, each cell of which stands for a block of weights.

    Attributes:
        step: The step of the checkpoint.
        updates: Mask updates up to it.
        layer: The layer.
        layers: All masked layers of the checkpoint, in their order.
        window: The part of the layer's matrix shown.
        active: Share of each cell's weights that are active, shape (rows, cols); no finer than one weight a cell.
        grown: Share that the latest mask update has grown, of the active ones; same shape.
        explored: Share that was ever active, the active ones included; same shape.
        returned: Share of those grown that had been active before; None where that is not known.
        died: Share that the latest mask update took; None where that is not known.
        row_density: Density of each row of cells over the window, shape (rows,).
        column_density: Of each column of cells, shape (cols,).
    """

    step: int
    updates: int
    layer: MaskLayer
    layers: tuple[MaskLayer, ...]
    window: Window
    active: NDArray[np.float32]
    grown: NDArray[np.float32]
    explored: NDArray[np.float32]
    row_density: NDArray[np.float32]
    column_density: NDArray[np.float32]
    returned: NDArray[np.float32] | None = None
    died: NDArray[np.float32] | None = None

    @property
    def shares(self) -> StateShares:
        """Which share of the window's weights is in each state: cells stand for unequal numbers of weights."""
        rows, columns = self.active.shape
        height, width = self.window[1] - self.window[0], self.window[3] - self.window[2]
        tall, wide = _cell_sizes(height, rows), _cell_sizes(width, columns)

        def weighed(cells: NDArray[np.float32]) -> float:
            return float(tall @ cells.astype("float64") @ wide) / max(1, height * width)

        moved = [None if cells is None else weighed(cells) for cells in (self.returned, self.died)]
        return StateShares.of(weighed(self.explored), weighed(self.active), weighed(self.grown), *moved)


@dataclass(frozen=True, slots=True, eq=False)
class MaskMoment:
    """A layer's mask after one of the run's updates.

    Attributes:
        grid: The mask; `step` and `updates` are those of the update.
        first: The first update that the history has.
        last: The last one.
    """

    grid: MaskGrid
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """How far the masks of n checkpoints agree, on the layers that all readable ones have in the same shape.

    Attributes:
        paths: The checkpoints, as asked.
        steps: The step of each, None where it cannot be read.
        problems: Why a checkpoint cannot be compared, None where it can. Its numbers are 0, and its shares nan.
        layers: Names of the shared layers, in order.
        left_out: Names of layers that are not in all of them, or have another shape somewhere.
        sizes: Weights of each layer, shape (layers,).
        shared: Weights active in both checkpoint i and checkpoint j, shape (layers, n, n); the diagonal holds the
            active weights of each.
    """

    paths: tuple[str, ...]
    steps: tuple[int | None, ...]
    problems: tuple[str | None, ...]
    layers: tuple[str, ...]
    left_out: tuple[str, ...]
    sizes: NDArray[np.int64]
    shared: NDArray[np.int64]

    def jaccard(self, layer: str | None = None) -> NDArray[np.float64]:
        """|A ∩ B| / |A ∪ B| of each pair, shape (n, n), of one layer or of all weights; nan where it is not known.

        Raises:
            KeyError: There is no such shared layer.
        """
        both = self._chosen(layer).sum(axis=0)
        active = both.diagonal()
        return self._divided(both, active[:, None] + active[None, :] - both)

    def shared_active(self, layer: str | None = None) -> NDArray[np.float64]:
        """|A ∩ B| / |A|: the share of the row's active weights that are active in the column too, shape (n, n).

        Raises:
            KeyError: There is no such shared layer.
        """
        both = self._chosen(layer).sum(axis=0)
        return self._divided(both, both.diagonal()[:, None] + 0 * both)

    def by_chance(self, layer: str | None = None) -> NDArray[np.float64]:
        """The Jaccard index to expect of random masks that have as many active weights in each layer, shape (n, n).

        Of two independent masks of a and b out of N weights, a·b/N are expected in both.

        Raises:
            KeyError: There is no such shared layer.
        """
        chosen = self._chosen(layer)
        active = chosen.diagonal(axis1=1, axis2=2)
        sizes = self.sizes if layer is None else self.sizes[[self.layers.index(layer)]]
        both = (active[:, :, None] * (active[:, None, :] / sizes[:, None, None])).sum(axis=0)
        total = active.sum(axis=0)
        return self._divided(both, total[:, None] + total[None, :] - both)

    def _chosen(self, layer: str | None) -> NDArray[np.int64]:
        """The shared counts of one layer or of all, shape (1 or layers, n, n)."""
        if layer is None:
            return self.shared
        if layer not in self.layers:
            raise KeyError(layer)
        return self.shared[[self.layers.index(layer)]]

    def _divided(self, above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
        import numpy as np

        readable = np.array([problem is None for problem in self.problems], dtype=bool)
        result = np.full(above.shape, np.nan)
        np.divide(above, below, out=result, where=(below > 0) & readable[:, None] & readable[None, :])
        return result


class MaskServer(HelperProcess):
    """A helper process that reads masks until it is closed. Thread safe: questions are answered one at a time.

    Args:
        timeout: Seconds to wait for one answer, the first import of torch included.
    """

    def __init__(self, *, timeout: float = 300.0) -> None:
        super().__init__("engine.helpers.masks", answer="mask", work="mask reading", failure=MaskError, timeout=timeout)

    def grid(
        self,
        path: str | os.PathLike[str],
        layer: str | None = None,
        rows: int = 40,
        cols: int = 120,
        window: Window | None = None,
        *,
        sha256: str | None = None,
    ) -> MaskGrid:
        """The pattern of one layer in a checkpoint.

        Args:
            path: The checkpoint file.
            layer: The layer's name; None for the first one.
            rows: At most so many rows of cells.
            cols: At most so many columns of cells.
            window: Part of the layer's matrix, cut to where there is one; None for all of it.
            sha256: What the file must hash to; None skips the comparison.

        Raises:
            MaskError: The file is missing, damaged or of a dense run, or it has no such layer.
        """
        answer = self._exchange(
            {
                "ask": "grid",
                "path": _absolute(path),
                "sha256": sha256,
                "layer": layer,
                "rows": rows,
                "cols": cols,
                "window": window,
            }
        )
        return _grid_of(answer)

    def after(
        self,
        path: str | os.PathLike[str],
        layer: str,
        update: int | None,
        by: int = 0,
        rows: int = 40,
        cols: int = 120,
        window: Window | None = None,
    ) -> MaskMoment:
        """The pattern of one layer after a mask update.

        Args:
            path: The file of the run's history; see `engine.training.mask_history`.
            layer: The layer's name.
            update: The number of the update, or the latest one before it that the history has; None for the latest.
            by: How many updates after that one.
            rows: At most so many rows of cells.
            cols: At most so many columns of cells.
            window: Part of the layer's matrix, cut to where there is one; None for all of it.

        Raises:
            MaskError: There is no history, or no such layer.
        """
        question = {"ask": "after", "path": _absolute(path), "layer": layer, "update": update, "by": by}
        answer = self._exchange({**question, "rows": rows, "cols": cols, "window": window})
        return MaskMoment(_grid_of(answer), answer["first"], answer["last"])

    def overlaps(
        self, paths: Sequence[str | os.PathLike[str]], *, sha256s: Sequence[str | None] | None = None
    ) -> Overlaps:
        """How far the masks of checkpoints agree.

        Args:
            paths: The checkpoint files. One that cannot be read is reported in `Overlaps.problems`.
            sha256s: What each must hash to; None skips the comparison.

        Raises:
            MaskError: No answer came.
        """
        asked = [_absolute(path) for path in paths]
        answer = self._exchange(
            {"ask": "overlaps", "paths": asked, "sha256s": list(sha256s) if sha256s else [None] * len(asked)}
        )
        return Overlaps(
            paths=tuple(str(path) for path in paths),
            steps=tuple(answer["steps"]),
            problems=tuple(answer["problems"]),
            layers=tuple(answer["layers"]),
            left_out=tuple(answer["left_out"]),
            sizes=_array(answer["sizes"], "int64"),
            shared=_array(answer["shared"], "int64"),
        )


def _grid_of(answer: dict[str, Any]) -> MaskGrid:
    layers = tuple(MaskLayer(**{**one, "shape": tuple(one["shape"])}) for one in answer["layers"])
    first_row, end_row, first_column, end_column = answer["window"]
    names = ("active", "grown", "explored", "row_density", "column_density", "returned", "died")
    return MaskGrid(
        step=answer["step"],
        updates=answer["updates"],
        layer=next(one for one in layers if one.name == answer["layer"]),
        layers=layers,
        window=(first_row, end_row, first_column, end_column),
        **{name: _array(answer[name], "float32") for name in names if name in answer},
    )


def _cell_sizes(length: int, cells: int) -> NDArray[np.intp]:
    """How many rows (or columns) of weights each cell stands for, shape (cells,), as `helpers.masks` divides them."""
    import numpy as np

    return np.diff(np.arange(cells + 1) * length // cells)


def _absolute(path: str | os.PathLike[str]) -> str:
    return str(Path(path).absolute())


def _array(packed: dict[str, Any], dtype: str) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(base64.b64decode(packed["data"]), dtype=dtype).reshape(packed["shape"])
