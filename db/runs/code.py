"""The user's code that is kept of a run: as it was when the run was queued, and when each attempt started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.models import AttemptRow, CodeFileRow, CodeTextRow, RunRow
from db.records import CodeFile, KeptCode
from db.rows import get_run
from db.session import Database

__all__ = ["CodeMark", "for_run", "forget", "keep", "keep_queued", "started_since"]

_LOCK = "itop code texts"
_IN_A_QUERY = 5_000


@dataclass(frozen=True, slots=True)
class CodeMark:
    """Up to where it is known which attempts keep the code that they started with.

    Attributes:
        waiting: The attempts that had not ended and kept none so far.
        attempt: The latest attempt; 0 where there was none.
    """

    waiting: frozenset[int]
    attempt: int


def keep_queued(db: Database, session: Session, run: RunRow, files: Sequence[CodeFile]) -> None:
    """Keep the code that a run is queued with, for the attempt that will be its next, within that transaction."""
    if files or run.attempt_count:
        _put(db, session, run.id, run.attempt_count + 1, files, queued=True)


def keep(db: Database, run_id: int, attempt: int, files: Sequence[CodeFile]) -> None:
    """Keep the code that an attempt started with, in the place of what was kept of it before.

    Args:
        db: The database.
        run_id: The run.
        attempt: The attempt's number.
        files: The files, the most telling first.

    Raises:
        RunNotFound: The run was deleted.
    """
    with db.write() as session:
        get_run(session, run_id)
        _put(db, session, run_id, attempt, files, queued=False)


def for_run(db: Database, run_id: int) -> list[KeptCode]:
    """What is kept of a run, by attempt; the last may not have started yet."""
    statement = (
        sa.select(CodeFileRow, CodeTextRow.text)
        .outerjoin(CodeTextRow, CodeTextRow.sha256 == CodeFileRow.sha256)
        .where(CodeFileRow.run_id == run_id)
        .order_by(CodeFileRow.attempt, CodeFileRow.position)
    )
    found: dict[int, tuple[list[CodeFile], list[CodeFile]]] = {}
    with db.read() as session:
        for row, text in session.execute(statement):
            file = CodeFile(row.path, row.sha256, row.bytes, text, row.tracked)
            found.setdefault(row.attempt, ([], []))[0 if row.queued else 1].append(file)
    return [KeptCode(number, tuple(queued), tuple(started)) for number, (queued, started) in found.items()]


def started_since(db: Database, mark: CodeMark | None) -> tuple[CodeMark, tuple[tuple[int, int], ...]]:
    """The attempts that have kept the code they started with since a mark, each as its run's id and its number.

    Args:
        db: The database.
        mark: What this gave the last time; None for the first time, when there are none yet.
    """
    kept = sa.exists().where(
        CodeFileRow.run_id == AttemptRow.run_id,
        CodeFileRow.attempt == AttemptRow.number,
        CodeFileRow.queued.is_(False),
    )
    with db.read() as session:
        latest = session.scalar(sa.select(sa.func.max(AttemptRow.id))) or 0
        looked_at: sa.ColumnElement[bool] = AttemptRow.ended_at.is_(None)
        if mark is not None:
            if not mark.waiting and mark.attempt == latest:
                return mark, ()
            looked_at = sa.or_(AttemptRow.id.in_(mark.waiting), AttemptRow.id > mark.attempt)
        columns = (AttemptRow.id, AttemptRow.run_id, AttemptRow.number, AttemptRow.ended_at.is_(None), kept)
        # Sorted here: to give them in order, the database would go through all attempts.
        rows = sorted(session.execute(sa.select(*columns).where(looked_at)).all())
    waiting = frozenset(number for number, *_, is_open, has_code in rows if is_open and not has_code)
    found = tuple((run_id, number) for _, run_id, number, _, has_code in rows if has_code)
    return CodeMark(waiting, latest), found if mark is not None else ()


def forget(db: Database, session: Session, run_id: int) -> None:
    """Forget the code of a run that is deleted, and the texts that no other run has, within that transaction."""
    db.exclusive(session, _LOCK)
    mine = set(session.scalars(sa.select(CodeFileRow.sha256).where(CodeFileRow.run_id == run_id)))
    session.execute(sa.delete(CodeFileRow).where(CodeFileRow.run_id == run_id))
    _drop_unused(session, mine)


def _put(db: Database, session: Session, run_id: int, attempt: int, files: Sequence[CodeFile], *, queued: bool) -> None:
    db.exclusive(session, _LOCK)
    where = (CodeFileRow.run_id == run_id, CodeFileRow.attempt == attempt, CodeFileRow.queued.is_(queued))
    before = set(session.scalars(sa.select(CodeFileRow.sha256).where(*where)))
    session.execute(sa.delete(CodeFileRow).where(*where))
    for position, file in enumerate(files):
        session.add(
            CodeFileRow(
                run_id=run_id,
                attempt=attempt,
                queued=queued,
                position=position,
                path=file.path,
                sha256=file.sha256,
                bytes=file.bytes,
                tracked=file.tracked,
            )
        )
        if file.text is not None and session.get(CodeTextRow, file.sha256) is None:
            session.add(CodeTextRow(sha256=file.sha256, text=file.text))
    session.flush()
    _drop_unused(session, before)


def _drop_unused(session: Session, checksums: Iterable[str]) -> None:
    wanted = sorted(checksums)
    for start in range(0, len(wanted), _IN_A_QUERY):
        some = wanted[start : start + _IN_A_QUERY]
        used = set(session.scalars(sa.select(CodeFileRow.sha256).where(CodeFileRow.sha256.in_(some)).distinct()))
        session.execute(sa.delete(CodeTextRow).where(CodeTextRow.sha256.in_([one for one in some if one not in used])))
