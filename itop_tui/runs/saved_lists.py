"""What the database keeps of the list of runs: its state at the last start, saved views, and what a filter may hold.

The database is imported when a function is called: the app's first frame does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itop_tui.runs import list_state

if TYPE_CHECKING:
    from db.session import Database
    from itop_tui.runs.filter_line import Suggestion
    from itop_tui.runs.list_state import ListState


def saved_views(db: Database) -> tuple[ListState, ...]:
    """The views a person saved."""
    from db.finding import views

    return tuple(map(list_state.from_view, views.views(db)))


def save_view(db: Database, state: ListState) -> None:
    """Save a view, in the place of one that has its name."""
    from db.finding import views

    views.save(db, list_state.to_view(state))


def remove_view(db: Database, name: str) -> None:
    """Forget a saved view."""
    from db.finding import views

    views.remove(db, name)


def remember(db: Database, key: str, value: Any) -> None:
    """Keep something for the next start."""
    from db import key_values

    key_values.put(db, key, value)


def remembered(db: Database, key: str) -> dict[str, Any]:
    """What was kept under a key at an earlier start, under that key; empty where nothing was."""
    from db import key_values

    value = key_values.get(db, key)
    return {} if value is None else {key: value}


def suggestions(db: Database, text: str, caret: int) -> tuple[Suggestion, ...]:
    """What could be typed at the caret of a filter; nothing before a word is begun, when it could be anything."""
    from db.query import complete, known_values

    if not text[:caret].strip() or text[:caret][-1:].isspace():
        return ()
    return list_state.suggestions(text, caret, complete(text, caret, lambda field: known_values(db, field)))
