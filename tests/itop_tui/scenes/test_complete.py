"""Nothing that the app can show is without a scene: whoever adds a screen or a tab is told here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from textual.screen import Screen

import itop_tui
from tests.itop_tui.scenes.table import SCENES

Kind = type[Screen[object]]


def _below(kind: Kind) -> Iterator[Kind]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _screens() -> set[Kind]:
    """Every screen of the app that is not there only for others to be derived from."""
    for module in pkgutil.walk_packages(itop_tui.__path__, "itop_tui."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {kind for kind in _below(Screen) if kind.__module__.startswith("itop_tui.")}
    return {kind for kind in ours if not any(other is not kind and issubclass(other, kind) for other in ours)}


def _tabs(kind: Kind) -> list[str]:
    return [name.removeprefix("action_tab_") for name in dir(kind) if name.startswith("action_tab_")]


def test_every_screen_and_dialog_has_a_scene() -> None:
    known = _screens()
    assert len(known) > 15
    missing = known - {scene.shows for scene in SCENES}
    assert not missing, f"without a scene: {', '.join(sorted(kind.__name__ for kind in missing))}"


def test_every_tab_has_a_scene() -> None:
    tabs = {(kind, tab) for kind in _screens() for tab in _tabs(kind)}
    assert len(tabs) >= 11
    missing = tabs - {(scene.shows, scene.tab) for scene in SCENES}
    assert not missing, f"without a scene: {', '.join(sorted(f'{kind.__name__} {tab}' for kind, tab in missing))}"


def test_scenes_are_told_apart_by_their_names() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES)
