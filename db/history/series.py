"""Figures of runs as curves, thinned so that no peak is lost and no whole history is read.

The range of steps is cut into equal buckets. Of each bucket its smallest and its largest value are kept, and for each
of nan, inf and -inf the first and the last step where it occurs; beside those, the first and the last point of the
whole range. So a chart with one bucket a column draws the same vertical spans as from all points.

Where a bucket is wide enough, the values come from the thinned copies that `levels` keeps, and the borders between
buckets move down to the next multiple of a power of 16 that is at most half a bucket. The steps that no copy holds (the
newest, and those at the ends of the range) are read as they are.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from db.errors import StoreError
from db.history.points import Source, read, steps_of
from db.models import EPOCH_FIGURES, STEP_FIGURES, UPDATE_FIGURES, EpochMetricRow, MaskUpdateRow, StepMetricRow
from db.records import Series
from db.session import Database

__all__ = ["METRICS", "series", "several", "sparks"]


def _sources() -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for table, figures in (
        (StepMetricRow, STEP_FIGURES),
        (EpochMetricRow, EPOCH_FIGURES),
        (MaskUpdateRow, UPDATE_FIGURES),
    ):
        for name in figures.names:
            sources.setdefault(name, Source(table, getattr(table, name), figures))
    for name in ("pruned", "grown", "nonzeros"):
        sources[name] = Source(MaskUpdateRow, getattr(MaskUpdateRow, name), None)
    return sources


# What can be read. A figure recorded for steps as well as for epochs or updates is that of the steps.
METRICS: Mapping[str, Source] = _sources()


def series(
    db: Database,
    run_id: int,
    metric: str,
    *,
    first: int | None = None,
    last: int | None = None,
    buckets: int | None = None,
) -> Series:
    """One figure of a run over its steps.

    Args:
        db: The database.
        run_id: The run.
        metric: A name of `METRICS`.
        first: Only from this step on.
        last: Only up to and with this step.
        buckets: Thin the curve to that many buckets, one a column of the chart, say; None reads every point.

    Returns:
        The points by step, without those where nothing was recorded. Values may be nan or infinite.

    Raises:
        StoreError: There is no such figure, or fewer than one bucket was asked for.
    """
    return several(db, [run_id], [metric], first=first, last=last, buckets=buckets)[run_id][metric]


def several(
    db: Database,
    run_ids: Sequence[int],
    metrics: Sequence[str],
    *,
    first: int | None = None,
    last: int | None = None,
    buckets: int | None = None,
) -> dict[int, dict[str, Series]]:
    """Figures of several runs, all of one state of the database; arguments and errors as for `series`.

    Returns:
        By run and then by figure, in the order asked for; a run that recorded nothing has empty curves.
    """
    sources = {metric: _source(metric) for metric in metrics}
    _check_buckets(buckets)
    wanted = list(dict.fromkeys(run_ids))
    with db.read() as session:
        tables = {source.table for source in sources.values()}
        ranges = {table: steps_of(session, table, wanted, first, last) for table in tables}
        found = {
            metric: read(session, source, ranges[source.table], buckets, ends=True)
            for metric, source in sources.items()
        }
    return {
        run_id: {metric: found[metric][run_id].thinned(buckets).series() for metric in sources} for run_id in wanted
    }


def sparks(db: Database, run_ids: Sequence[int], metric: str = "loss", points: int = 20) -> dict[int, list[float]]:
    """One figure of many runs, each as a few numbers over its whole length: for a small curve in a line of text.

    Args:
        db: The database.
        run_ids: The runs.
        metric: A name of `METRICS`.
        points: At most so many numbers a run.

    Returns:
        By run, for each bucket in which something was recorded, the middle between its smallest and its largest value;
        nan where it was not finite.

    Raises:
        StoreError: There is no such figure, or fewer than one point was asked for.
    """
    import numpy as np

    source = _source(metric)
    _check_buckets(points)
    small: dict[int, list[float]] = {}
    wanted = list(dict.fromkeys(run_ids))
    with db.read() as session:
        found = read(session, source, steps_of(session, source.table, wanted, None, None), points)
    for run_id, each in found.items():
        thin = each.thinned(points)
        if not len(thin.steps):
            small[run_id] = []
            continue
        values = np.where(thin.codes == 0, thin.values, np.nan)
        begins = np.append(0, np.nonzero(np.diff(each.bucket_of(thin.steps, points)))[0] + 1)
        # Halved first: two huge figures have no sum.
        middle = np.minimum.reduceat(values, begins) / 2 + np.maximum.reduceat(values, begins) / 2
        small[run_id] = middle.tolist()
    return small


def _source(metric: str) -> Source:
    source = METRICS.get(metric)
    if source is None:
        near = difflib.get_close_matches(metric, METRICS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise StoreError(f"There is no figure {metric!r}.{hint} Allowed: {', '.join(sorted(METRICS))}.")
    return source


def _check_buckets(buckets: int | None) -> None:
    if buckets is not None and buckets < 1:
        raise StoreError(f"buckets is {buckets}; at least 1 is needed.")
