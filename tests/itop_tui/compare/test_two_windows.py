"""Two windows of the app keep how comparisons are left at the same time."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from db import key_values
from db.errors import StoreError
from db.session import Database
from itop_tui.compare.reading import SETTING, Left, keep, left_before


def test_two_windows_keep_each_others_comparisons(database: Database) -> None:
    ready = threading.Barrier(2)

    def window(first: int) -> None:
        with closing(Database.open()) as own:
            ready.wait()
            for number in range(first, first + 20):
                keep(own, Left((number, number + 1)), {})

    threads = [threading.Thread(target=window, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = key_values.get(database, SETTING)
    for first in (100, 200):
        for number in range(first, first + 20):
            assert left_before(kept, (number, number + 1)) == Left((number, number + 1))


def test_a_change_of_another_window_between_reading_and_writing_is_kept(home: Path) -> None:
    with closing(Database.open()) as one, closing(Database.open()) as other:
        writing, done = threading.Event(), threading.Event()

        def slowly(kept: object) -> dict[str, object]:
            writing.set()
            done.wait(0.3)  # while this lasts, the other window tries to keep its own
            return {**(kept if isinstance(kept, dict) else {}), "one": 1}

        thread = threading.Thread(target=lambda: key_values.change(one, "both", slowly))
        thread.start()
        assert writing.wait(30)
        key_values.change(other, "both", lambda kept: {**(kept or {}), "other": 2})
        done.set()
        thread.join()
        assert key_values.get(one, "both") == {"one": 1, "other": 2}


def test_what_is_no_json_changes_nothing(database: Database) -> None:
    key_values.put(database, "kept", [1])
    with pytest.raises(StoreError, match="cannot be stored as JSON"):
        key_values.change(database, "kept", lambda kept: {1, 2})
    assert key_values.get(database, "kept") == [1]
