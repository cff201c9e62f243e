from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from db import key_values
from db.errors import StoreError
from db.finding import views
from db.finding.views import SavedView
from db.query import QueryError
from db.session import Database

PAPER = SavedView("paper", "tag:paper acc>=93%", "config.lr", False, ("name", "accuracy"), "recipe", None)


def test_a_view_is_kept_as_it_was(db: Database) -> None:
    assert views.views(db) == []
    views.save(db, PAPER)
    views.save(db, SavedView("all"))
    assert views.views(db) == [PAPER, SavedView("all")]


def test_saving_again_replaces_in_place(db: Database) -> None:
    views.save(db, PAPER)
    views.save(db, SavedView("all"))
    views.save(db, replace(PAPER, text="vgg"))
    assert [(view.name, view.text) for view in views.views(db)] == [("paper", "vgg"), ("all", "")]


def test_removing(db: Database) -> None:
    views.save(db, PAPER)
    views.save(db, SavedView("all"))
    views.remove(db, "paper")
    assert [view.name for view in views.views(db)] == ["all"]
    with pytest.raises(StoreError, match="no view 'paper'"):
        views.remove(db, "paper")


def test_a_view_that_could_not_be_shown_is_not_saved(db: Database) -> None:
    with pytest.raises(QueryError, match="did you mean tag"):
        views.save(db, replace(PAPER, text="tagg:x"))
    with pytest.raises(StoreError, match="blank"):
        views.save(db, replace(PAPER, name=" "))
    assert views.views(db) == []


def test_what_a_newer_version_added_is_left_aside(db: Database) -> None:
    key_values.put(db, "views", [{"name": "new", "text": "vgg", "colour": "blue"}])
    assert views.views(db) == [SavedView("new", "vgg")]


@pytest.mark.parametrize("value", [None, "views", {"name": "a"}, 7, [None, "a", 3, {}, {"name": 5}, {"text": "vgg"}]])
def test_what_another_program_left_there_hides_no_view_and_keeps_none_from_being_saved(
    db: Database, value: object
) -> None:
    key_values.put(db, "views", value)
    assert views.views(db) == []
    with pytest.raises(StoreError, match="no view 'a'"):
        views.remove(db, "a")
    views.save(db, PAPER)
    assert views.views(db) == [PAPER]


def test_of_a_view_the_fields_that_make_no_sense_are_left_aside(db: Database) -> None:
    strange = {"name": "a", "text": 5, "sort": None, "descending": "no", "columns": [1, "loss"], "group_by": 3}
    key_values.put(db, "views", [strange | {"archived": "all"}, asdict(PAPER)])
    assert views.views(db) == [SavedView("a", columns=("loss",)), PAPER]
