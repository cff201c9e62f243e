"""What is computed of a layer's row at a mask update, for tables, heat maps and charts."""

from __future__ import annotations

from db.records import LayerMaskStat


def density(row: LayerMaskStat) -> float:
    """The share of a layer's weights that are active."""
    return row.nonzeros / row.size if row.size else 0.0


def explored(row: LayerMaskStat) -> float:
    """R_s of a layer: the share of its weights that were ever active."""
    return row.explored / row.size if row.size else 0.0


def churn(row: LayerMaskStat) -> float:
    """The share of a layer's active weights that the update put there."""
    return row.grown / row.nonzeros if row.nonzeros else 0.0
