"""Where the active weights of a matrix are, in the forms that products read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class WeightIndex:
    """The places of a matrix's active weights, by rows and by columns. Values are stored in the order of rows.

    Args:
        rows: Outputs.
        columns: Inputs.
        flat: Flat indices into the matrix, ascending, int64.
        start: Of rows + 1 elements: the weights of row r are start[r] up to, and without, start[r + 1].
        column: The column of each weight.
        column_start: The same as `start` for the weights in the order of columns.
        row: The row of each weight, in the order of columns.
        place: The place in `flat` of each weight, in the order of columns.
    """

    rows: int
    columns: int
    flat: Tensor
    start: Tensor
    column: Tensor
    column_start: Tensor
    row: Tensor
    place: Tensor

    @property
    def active(self) -> int:
        """Number of active weights."""
        return self.flat.numel()
