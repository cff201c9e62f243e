"""What people write on runs: names, tags and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.records import BatchResult, RunRecord
    from db.session import Database


def rename(db: Database, names: Mapping[int, str]) -> BatchResult:
    """Give runs other names, by their ids."""
    return _write(db, {run_id: {"name": name} for run_id, name in names.items()})


def set_tags(db: Database, run_ids: Iterable[int], tags: Sequence[str]) -> BatchResult:
    """Give all of some runs these tags instead of theirs."""
    return retag(db, dict.fromkeys(run_ids, tags))


def retag(db: Database, tags: Mapping[int, Sequence[str]]) -> BatchResult:
    """Give each run its new tags, by its id."""
    return _write(db, {run_id: {"tags": tuple(each)} for run_id, each in tags.items()})


def set_notes(db: Database, run_ids: Iterable[int], notes: str) -> BatchResult:
    """Give runs these notes instead of theirs."""
    return _write(db, {run_id: {"notes": notes} for run_id in run_ids})


def _write(db: Database, fields: Mapping[int, Mapping[str, Any]]) -> BatchResult:
    from db.runs import runs

    return runs.update_many(db, fields)


def pattern_name(pattern: str, run: RunRecord) -> str:
    """A name made from a pattern: `{seed}` and other fields in braces become what they are for this run.

    Braces around anything else stay as they are.
    """
    density = "dense" if run.method == "dense" or run.target_density is None else f"{run.target_density:g}"
    values = {
        "name": run.name,
        "id": run.id,
        "seed": run.seed,
        "method": run.method,
        "density": density,
        "model": run.model,
        "data": run.data,
    }
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), pattern).strip()
