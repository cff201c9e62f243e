"""Which database is meant: a server's URL, or a SQLite file, whose path is never put into a URL by hand.

A path may hold what means something in a URL (`%`, `#`, `?`). One that is not UTF-8 is refused: it could be neither
shown nor written into a message.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from db import paths
from db.errors import DatabaseRefused, StoreError

__all__ = ["chosen_place", "sqlite_file", "understood"]


def chosen_place() -> str | Path:
    """The place that the environment names: the URL in `ITOP_DATABASE_URL`, or the path of `itop.db` in the home.

    Raises:
        DatabaseRefused: The home's name is not UTF-8.
    """
    home = paths.home()
    _check_name(home)
    return os.environ.get("ITOP_DATABASE_URL") or home / "itop.db"


def understood(place: str | Path) -> URL:
    """The URL of a database.

    Args:
        place: An SQLAlchemy URL, or the path of a SQLite file.

    Raises:
        DatabaseRefused: The path is not UTF-8.
        StoreError: The URL cannot be understood.
    """
    if place == ":memory:":
        return URL.create("sqlite", database=place)
    if isinstance(place, Path) or "://" not in place:
        path = Path(place)
        _check_name(path)
        return URL.create("sqlite", database=str(path.expanduser().absolute()))
    try:
        url = make_url(place)
    except (ArgumentError, ValueError) as error:  # a port that is no number is the latter
        raise StoreError(f"{place!r} is not a database URL. Write sqlite:///PATH or postgresql+psycopg://…") from error
    if url.get_backend_name() == "sqlite" and "?" in place:
        raise StoreError(
            f"{place} holds a question mark, after which a URL of a database has no more of the path. Set "
            "ITOP_HOME, or ITOP_DATABASE_URL to another place."
        )
    return url


def sqlite_file(place: str | Path) -> Path | None:
    """The file of a SQLite database; None for a server's.

    Raises:
        StoreError: The place cannot be understood.
    """
    url = understood(place)
    return Path(url.database).expanduser().absolute() if url.get_backend_name() == "sqlite" and url.database else None


def _check_name(path: Path) -> None:
    raw = os.fsencode(path)
    try:
        raw.decode()
    except UnicodeDecodeError:
        shown = raw.decode(errors="backslashreplace")
        raise DatabaseRefused(
            f"The name of {shown} is not UTF-8. Rename the folder, or set ITOP_HOME to another one."
        ) from None
