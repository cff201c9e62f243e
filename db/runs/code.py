"""The user's code that is kept of a run: as it was when the run was queued, and when each attempt started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from db.models import CodeFileRow, CodeTextRow, RunRow
from db.records import CodeFile, KeptCode
from db.rows import get_run
from db.session import Database

__all__ = ["for_run", "forget", "keep", "keep_queued"]

_LOCK = "itop code texts"
_IN_A_QUERY = 5_000


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
