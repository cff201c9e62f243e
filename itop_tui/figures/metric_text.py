"""How the values of a metric are written: in one form, on every screen, in every table and command."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from db.history.declared import METRICS, Form, Metric
from itop_tui.figures.format import figure, percent, r_s, rate, share, whole

__all__ = ["Write", "metric_text", "writer"]

Write = Callable[[float | None], str]

_FORMS: Mapping[Form, Write] = {"share": share, "fraction": r_s, "count": whole, "rate": rate}


def writer(metric: Metric) -> Write:
    """What writes the values of a metric, by its declaration."""
    return _FORMS.get(metric.form, percent if metric.percent else figure)


def metric_text(name: str, value: float | None) -> str:
    """Write a value of the declared metric of that name."""
    return writer(METRICS[name])(value)
