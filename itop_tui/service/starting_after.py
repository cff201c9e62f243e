"""What a run starts after: from the words of a person to runs, and from runs to JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config.setting import ConfigError, Problem
from itop_tui.service.json_shape import document

if TYPE_CHECKING:
    from db.records import RunRecord, StartsAfter
    from db.session import Database
    from itop_tui.service.json_shape import Document

_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})", re.ASCII)
_MOST = 1000
"""The most runs of one range."""
_LISTED = 500
"""So many of the queued runs are offered, the first ones."""


def find_runs(db: Database, after: Iterable[str] = (), after_ok: Iterable[str] = ()) -> StartsAfter:
    """Find the runs that a new one is to start after.

    Args:
        db: The database.
        after: Runs that must have ended: each word is an id, a uid, a unique name, a range of ids as in 3..7, or
            several of these with commas between.
        after_ok: Runs that must have completed; a run in both is one of these.

    Raises:
        ConfigError: With each word that names no run, or a run that nothing can start after.
    """
    from db.records import StartsAfter

    problems: list[Problem] = []
    ended = _named(db, "after", after, problems)
    completed = _named(db, "after_ok", after_ok, problems)
    if problems:
        raise ConfigError(problems)
    return StartsAfter(tuple(run_id for run_id in ended if run_id not in completed), tuple(completed))


def problems_of(db: Database, named: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the runs in the form's lines "after" and "after_ok": a sentence for each that is wrong."""
    try:
        find_typed(db, named)
    except ConfigError as error:
        return {problem.field: problem.message for problem in error.problems[::-1]}
    return {}


def find_typed(db: Database, named: Mapping[str, str]) -> StartsAfter:
    """Find the runs in the form's lines "after" and "after_ok".

    Raises:
        ConfigError: With each word that names no run, or a run that nothing can start after.
    """
    return find_runs(db, *(words_of(named.get(field, "")) for field in ("after", "after_ok")))


@dataclass(frozen=True, slots=True)
class Others:
    """The runs that some queued runs can start after, and those that they start after now.

    Attributes:
        runs: The active and the queued runs but these, and those that they start after.
        chosen: What all of them start after.
    """

    runs: tuple[RunRecord, ...]
    chosen: StartsAfter


def others_of(db: Database, run_ids: Sequence[int]) -> Others:
    """What some queued runs can start after: the active runs, then the queued ones in their order. For a thread."""
    from db.records import StartsAfter
    from db.runs import dependencies, runs

    each = list(dependencies.of(db, run_ids).values())
    alike = len(each) == len(set(run_ids)) and all(one == each[0] for one in each)
    chosen = each[0] if alike and each else StartsAfter()
    listed = {run.id: run for run in (*runs.active(db), *runs.waiting(db, limit=_LISTED)) if run.id not in run_ids}
    for run in runs.get_many(db, (*chosen.after, *chosen.after_ok)):
        listed.setdefault(run.id, run)
    return Others(tuple(listed.values()), chosen)


def words_of(text: str) -> list[str]:
    """The runs in a line of text: what stands between blanks and commas."""
    return text.replace(",", " ").split()


def with_others(db: Database, runs: Sequence[RunRecord]) -> list[Document]:
    """Runs as JSON objects, each with the ids of the runs that it starts after."""
    from db.records import StartsAfter
    from db.runs import dependencies

    others = dependencies.of(db, [run.id for run in runs])
    found: list[Document] = []
    for run in runs:
        named = others.get(run.id, StartsAfter())
        found.append({**document(run), "after": list(named.after), "after_ok": list(named.after_ok)})
    return found


def _named(db: Database, field: str, words: Iterable[str], problems: list[Problem]) -> list[int]:
    """The ids of named runs, each once; adds to the problems what cannot be waited for."""
    from db.errors import StoreError
    from db.records import StartsAfter
    from db.runs import dependencies, runs

    found: dict[int, None] = {}
    for word in _split(db, words):
        try:
            ids = _ids(db, word)
            if field == "after_ok":
                with db.read() as session:
                    dependencies.check(session, StartsAfter(after_ok=tuple(ids)))
            else:
                ids = [runs.find(db, run_id).id for run_id in ids]
        except StoreError as error:
            message = str(error)
            problems.append(Problem(field, word, message[:1].lower() + message[1:].rstrip(".")))
        else:
            found |= dict.fromkeys(ids)
    return list(found)


def _split(db: Database, words: Iterable[str]) -> list[str]:
    """Words with a comma in several parts, unless a run has that very name."""
    from db.errors import RunNotFound, StoreError
    from db.runs import runs

    parts: list[str] = []
    for word in words:
        try:
            if "," in word:
                runs.find(db, word)
        except RunNotFound:
            parts += filter(None, map(str.strip, word.split(",")))
        except StoreError:
            parts.append(word)
        else:
            parts.append(word)
    return parts


def _ids(db: Database, word: str) -> list[int]:
    """The runs of one word: those of a range that are there, or one."""
    from db.errors import StoreError
    from db.runs import runs

    between = _RANGE.fullmatch(word.strip())
    if between is None:
        return [runs.find(db, word).id]
    low, high = int(between[1]), int(between[2])
    if low > high:
        raise StoreError(f"A range goes upwards: {high}..{low}.")
    if high - low >= _MOST:
        raise StoreError(f"A range has at most {_MOST:,} runs.")
    there = [run.id for run in runs.get_many(db, range(low, high + 1))]
    if not there:
        raise StoreError(f"There is no run from {low} to {high}.")
    return there
