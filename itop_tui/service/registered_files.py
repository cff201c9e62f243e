"""Whether the files that the database names are where they should be, and whole."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from db.records import CheckpointRecord
from db.runs import checkpoints
from db.session import Database

__all__ = ["DAMAGED", "MISSING", "RegisteredFiles", "examine_files", "glance", "verify"]

MISSING, DAMAGED = "missing", "damaged"


@dataclass(frozen=True, slots=True)
class RegisteredFiles:
    """What was found of the files of all checkpoints.

    Attributes:
        total: How many checkpoints there are.
        wrong: Those whose file is not what was written, each with the word for it: missing, damaged, or unreadable.
        outside: Those whose row names a file outside of its run's folder; they may be right otherwise.
    """

    total: int
    wrong: tuple[tuple[CheckpointRecord, str], ...]
    outside: tuple[CheckpointRecord, ...]

    def counts(self) -> dict[str, int]:
        """How many there are of each that is wrong."""
        words = [word.split(" ", 1)[0] for _, word in self.wrong]
        return {word: words.count(word) for word in dict.fromkeys(words)}


def glance(row: CheckpointRecord) -> str:
    """What a look at the file says without reading it: missing, damaged (another size), or empty where all is well."""
    try:
        found = Path(row.path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a zero in it is that of no file
        return MISSING
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return "" if stat.S_ISREG(found.st_mode) and found.st_size == row.bytes else DAMAGED


def verify(row: CheckpointRecord) -> str:
    """The same after all of its bytes were read and compared with their checksum."""
    seen = glance(row)
    if seen:
        return seen
    try:
        with Path(row.path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return "" if digest == row.sha256 else DAMAGED


def examine_files(db: Database, *, checksums: bool = False) -> RegisteredFiles:
    """Look at the file of every checkpoint, those of archived and deleted runs too; changes nothing.

    Args:
        db: The database.
        checksums: Read every file and compare its checksum, which takes as long as reading all of them.
    """
    look: Callable[[CheckpointRecord], str] = verify if checksums else glance
    rows = checkpoints.everything(db)
    wrong = [(row, word) for row in rows if (word := look(row))]
    if wrong:  # a run that trains removes files while this looks
        still = {(row.id, row.path, row.sha256) for row in checkpoints.everything(db)}
        wrong = [(row, word) for row, word in wrong if (row.id, row.path, row.sha256) in still]
    return RegisteredFiles(len(rows), tuple(wrong), tuple(row for row in rows if row.outside))
