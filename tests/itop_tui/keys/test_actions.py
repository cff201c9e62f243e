from __future__ import annotations

from typing import get_args

import pytest
from textual.binding import BindingsMap
from textual.widget import Widget

from itop_tui.app import ItopApp
from itop_tui.compare.compare_screen import CompareScreen
from itop_tui.compare.entry_changes import EntryChanges
from itop_tui.dialogs.run_changes import RunChanges
from itop_tui.dialogs.shelf_changes import ShelfChanges
from itop_tui.keys import ACTIONS, DEFAULTS, Action, Scope, find, in_scope, key_name
from itop_tui.keys.meanings import MEANINGS, SCREENS, key_rows
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.queue.queue_screen import QueueScreen
from itop_tui.run.mask_screen import MaskScreen
from itop_tui.run.run_screen import RunScreen
from itop_tui.runs.runs_screen import RunsScreen
from itop_tui.widgets.leaving import Leaving
from tests.itop_tui.support import make_run

HOMES = {
    "app": ItopApp,
    "runs": RunsScreen,
    "form": NewRunScreen,
    "run": RunScreen,
    "mask": MaskScreen,
    "compare": CompareScreen,
    "queue": QueueScreen,
}


PARTS = {"RunChanges": RunChanges, "ShelfChanges": ShelfChanges, "EntryChanges": EntryChanges}


def kinds(base: type[Widget], name: str) -> list[type[Widget]]:
    """The widgets that are on a screen when a selector names a class: it, or those made of it."""
    found: list[type[Widget]] = []
    for each in base.__subclasses__():
        if each.__module__.startswith("itop_tui."):
            made_of = [kind.__name__ for kind in each.__mro__]
            if name in made_of and not each.__subclasses__():
                found.append(each)
        found += [kind for kind in kinds(each, name) if kind not in found]
    return found


def written(kind: type, method: str) -> list[str]:
    """The classes of itop in which a method of a class is written by hand."""
    return [
        each.__name__
        for each in kind.__mro__
        if each.__module__.startswith("itop_tui.")
        and method in vars(each)
        and "_handed_over" not in vars(each)[method].__qualname__
        # What all dialogs do on escape; a screen that asks first does it in its own way.
        and (each is not Leaving or kind is Leaving)
    ]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_explained(action: Action) -> None:
    assert action.label
    assert action.help.endswith(".")


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.scope != "app"], ids=lambda action: action.id)
def test_every_action_is_written_once_on_the_widget_that_it_names(action: Action) -> None:
    screen = HOMES[action.scope]
    homes = [PARTS[action.target]] if action.target in PARTS else kinds(Widget, action.target or screen.__name__)
    assert homes, f"there is no widget {action.target}"
    if action.target or action.call:
        assert written(screen, f"action_{action.name}") == [], "the screen does not pass it on by hand too"
    for home in homes:
        once = written(home, action.method)
        assert len(once) == 1 or (action.name == "leave" and not once), (home, once)


@pytest.mark.parametrize("action", in_scope("app"), ids=lambda action: action.id)
def test_every_action_of_the_app_is_the_app_s(action: Action) -> None:
    assert callable(getattr(ItopApp, action.method))


@pytest.mark.parametrize("scope", HOMES)
def test_no_key_does_two_things_on_one_screen_at_once(scope: str) -> None:
    taken: dict[str, list[Action]] = {}
    for action in in_scope(scope, "app"):  # type: ignore[arg-type]
        for key in action.key.split(","):
            taken.setdefault(key, []).append(action)
    for key, actions in taken.items():
        # On a run's screen a key may mean one thing on each tab, and "back" stands before "quit".
        own = [action for action in actions if action.scope != "app"]
        assert len(own) <= 1 or scope == "run", (key, actions)
        assert len(actions) == len(own) or not own or own[0].name == "leave", (key, actions)


def test_a_key_has_one_meaning_on_all_screens() -> None:
    held: dict[str, list[Action]] = {}
    for action in DEFAULTS:
        for key in action.key.split(","):
            held.setdefault(key, []).append(action)
    differing = {key for key, actions in held.items() if len({(each.name, each.label) for each in actions}) > 1}
    assert differing - MEANINGS.keys() == set(), "say in MEANINGS in which way these are one thing"
    assert MEANINGS.keys() - differing == set(), "these keys have one action: its label is their meaning"


def test_every_screen_of_the_registry_has_a_word_in_the_table_of_keys() -> None:
    assert set(SCREENS) == set(get_args(Scope)) == {action.scope for action in DEFAULTS}


def test_the_keys_of_terminal_multiplexers_do_nothing() -> None:
    own = [kind for kind in (*kinds(Widget, "Widget"), *HOMES.values()) if "BINDINGS" in vars(kind)]
    assert own
    for kind in own:
        bound = BindingsMap(vars(kind)["BINDINGS"]).key_to_bindings
        assert bound.keys().isdisjoint({"ctrl+a", "ctrl+b"}), kind
    assert not any({"ctrl+a", "ctrl+b"} & set(action.key.split(",")) for action in DEFAULTS)


def test_a_table_of_keys_joins_keys_of_one_meaning_and_names_their_screens() -> None:
    rows = {row.keys: (row.meaning, row.screens) for row in key_rows(ACTIONS)}
    assert rows["f",] == (MEANINGS["f"], ("list", "run"))
    assert rows["→", "l"] == (MEANINGS["right"], ("list", "run", "comparison", "mask"))
    assert rows["q",] == (MEANINGS["q"], ("everywhere",))
    assert rows["K",] == ("kill", ("list", "run"))
    shown = [key for row in key_rows(ACTIONS) for key in row.keys]
    assert len(shown) == len(set(shown)), "each key has one row"


def test_ids_are_unique() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("name", "able"),
    [
        ("stop_run", {"queued", "starting", "running", "paused"}),
        ("kill_run", {"starting", "running", "paused", "stopping"}),
        ("give_up_run", {"starting", "running", "paused", "stopping"}),
        ("resume_run", {"stopped", "failed", "killed", "preempted", "lost"}),
        ("delete_run", {"queued", "completed", "stopped", "failed", "killed", "preempted", "lost"}),
        ("pause_run", {"running", "paused"}),
        ("checkpoint_now", {"starting", "running", "paused"}),
    ],
)
def test_an_action_is_refused_with_a_reason_where_it_cannot_be_done(name: str, able: set[str]) -> None:
    from db.records import RunStatus

    action = find("runs", name)
    for status in RunStatus:
        refusal = action.refusal(make_run(7, status))
        assert (refusal is None) == (status in able), status
        assert refusal is None or ("Run 7" in refusal and refusal.endswith("."))
    assert action.refusal(None)


def test_keys_are_written_as_people_write_them() -> None:
    assert [key_name(key) for key in ("ctrl+s", "question_mark", "K", "escape")] == ["^s", "?", "K", "esc"]
