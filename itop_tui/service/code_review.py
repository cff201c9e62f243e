"""What became of the user's code of a run: between queueing and start, and since an attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.runs import code
from engine.training import code_files

if TYPE_CHECKING:
    from db.records import AttemptRecord, CodeFile, KeptCode
    from db.session import Database
    from engine.training.code_files import CodeChange

__all__ = ["CodeReview", "changed_before_start", "changed_since", "code_reviews"]

AT_QUEUEING, AT_START, NOW = "when it was queued", "when it started", "now"


@dataclass(frozen=True, slots=True)
class CodeReview:
    """The user's code of one attempt, and what became of it.

    Attributes:
        files: What built the model and the data.
        before_start: The files that were changed between queueing and start.
        since: Those that are not now what they were when it started.
    """

    files: tuple[CodeFile, ...]
    before_start: tuple[CodeChange, ...]
    since: tuple[CodeChange, ...]

    def names(self, paths: Sequence[str]) -> str:
        """Name files, each without the folders that all of the attempt's have in common."""
        changed = (one.path for one in (*self.before_start, *self.since))
        short = code_files.short_names([*(file.path for file in self.files), *changed])
        return ", ".join(short[path] for path in paths)

    @property
    def untracked(self) -> tuple[CodeFile, ...]:
        """The files that git is known not to track."""
        return tuple(file for file in self.files if file.tracked is False)

    def difference(self, commit: str | None) -> str:
        """All differences as text: what no commit holds, what changed before the start, and what changed since."""
        parts = []
        for file in self.files if commit is None else self.untracked:
            if file.text is None:
                parts.append(f"# {file.path}: in no commit; checksum {file.sha256}, its text is not kept\n")
            else:
                added = "".join(f"+{line}\n" for line in file.text.splitlines())
                parts.append(f"# {file.path}: in no commit; this is all of it\n{added}")
        parts += [code_files.difference(one, AT_QUEUEING, AT_START) for one in self.before_start]
        parts += [code_files.difference(one, AT_START, NOW) for one in self.since]
        return "".join(parts)

    def as_json(self) -> dict[str, object]:
        """The files with their checksums, and the paths of those that changed; no text."""
        return {
            "files": [
                {
                    "path": file.path,
                    "sha256": file.sha256,
                    "bytes": file.bytes,
                    "text_kept": file.text is not None,
                    "tracked": file.tracked,
                }
                for file in self.files
            ],
            "changed_before_start": [one.path for one in self.before_start],
            "changed_since": [one.path for one in self.since],
        }


def code_reviews(db: Database, run_id: int) -> dict[int, CodeReview]:
    """Review the code of each attempt of a run that started, by the attempt's number. Reads the files as they are."""
    kept = code.for_run(db, run_id)
    return {one.attempt: _review(kept, one) for one in kept if one.started}


def changed_before_start(db: Database, run_id: int, attempt: int) -> str | None:
    """Name the files that had changed when an attempt started, since its run was queued; empty for none.

    None while it has kept no code, as before it starts, or where all of it is built in.
    """
    kept = code.for_run(db, run_id)
    started = next((one.started for one in kept if one.attempt == attempt), ())
    if not started:
        return None
    changed = tuple(code_files.changes(code_files.queued_for(kept, attempt), started))
    return CodeReview(started, changed, ()).names([one.path for one in changed])


def changed_since(db: Database, attempt: AttemptRecord | None) -> str:
    """Name the files that are not what they were when an attempt started; empty where all are, or none is kept."""
    if attempt is None:
        return ""
    found = code_reviews(db, attempt.run_id).get(attempt.number)
    return "" if found is None else found.names([one.path for one in found.since])


def _review(kept: Sequence[KeptCode], one: KeptCode) -> CodeReview:
    queued = code_files.queued_for(kept, one.attempt)
    return CodeReview(
        one.started,
        tuple(code_files.changes(queued, one.started)),
        tuple(code_files.changes(one.started, code_files.now(one.started))),
    )
