from __future__ import annotations

from contextlib import closing

import pytest

from db import key_values
from db.errors import StoreError
from db.session import Database


@pytest.mark.parametrize("value", [1, 1.5, "x", True, None, [1, "a"], {"cpu": 1, "cuda:0": {"free": 0.9}}])
def test_any_json_value_comes_back(db: Database, value: object) -> None:
    key_values.put(db, "key", "before")
    key_values.put(db, "key", value)
    assert key_values.get(db, "key", "default") == value
    with closing(Database.open()) as other:
        assert key_values.get(other, "key") == value


def test_what_was_never_put_is_the_default(db: Database) -> None:
    assert key_values.get(db, "slots") is None
    assert key_values.get(db, "slots", {"cpu": 1}) == {"cpu": 1}


def test_what_json_cannot_hold_is_refused(db: Database) -> None:
    key_values.put(db, "key", 1)
    for value in (float("nan"), object()):
        with pytest.raises(StoreError, match="'key' cannot be stored as JSON"):
            key_values.put(db, "key", value)
    assert key_values.get(db, "key") == 1
