from __future__ import annotations

from contextlib import closing

import pytest

from db import settings
from db.errors import StoreError
from db.session import Database


@pytest.mark.parametrize("value", [1, 1.5, "x", True, None, [1, "a"], {"cpu": 1, "cuda:0": {"free": 0.9}}])
def test_any_json_value_comes_back(db: Database, value: object) -> None:
    settings.put(db, "key", "before")
    settings.put(db, "key", value)
    assert settings.get(db, "key", "default") == value
    with closing(Database.open()) as other:
        assert settings.get(other, "key") == value


def test_what_was_never_put_is_the_default(db: Database) -> None:
    assert settings.get(db, "slots") is None
    assert settings.get(db, "slots", {"cpu": 1}) == {"cpu": 1}


def test_what_json_cannot_hold_is_refused(db: Database) -> None:
    settings.put(db, "key", 1)
    for value in (float("nan"), object()):
        with pytest.raises(StoreError, match="'key' cannot be stored as JSON"):
            settings.put(db, "key", value)
    assert settings.get(db, "key") == 1
