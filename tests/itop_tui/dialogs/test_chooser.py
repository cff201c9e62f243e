"""Choosing one or several of a list, narrowed by typing."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.widget import Widget
from textual.widgets import OptionList

from itop_tui.dialogs.chooser import CheckList, Item, Picker
from itop_tui.look import theme
from itop_tui.runs import list_state
from itop_tui.widgets.key_bar import KeyBar
from tests.itop_tui.support import wait_for


class _Choosing(App[None]):
    """An app that asks what to group by, and keeps the answer."""

    def __init__(self, *, free: bool) -> None:
        super().__init__()
        self.register_theme(theme.DARK)
        self.theme = theme.DARK.name
        self.answers: list[str | None] = []
        self._free = free

    def on_mount(self) -> None:
        items = [Item(by, title, detail) for by, title, detail in list_state.groupings()]
        self.push_screen(Picker("Group by", items, free=self._free), self.answers.append)

    @property
    def offered(self) -> list[str]:
        """What the list says, line by line."""
        listed = self.screen.query_one(OptionList)
        return [f"{listed.get_option_at_index(at).prompt}" for at in range(listed.option_count)]


async def test_what_nothing_matches_is_said_and_takes_no_enter() -> None:
    app = _Choosing(free=False)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"nosuch")
        await wait_for(pilot, lambda: app.offered == ["nothing of that name"])
        await pilot.press("enter", "down", "enter")
        assert app.answers == []
        await pilot.press(*["backspace"] * 6, *"which inactive")
        await wait_for(pilot, lambda: [line.split()[0] for line in app.offered] == ["growth"])
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.answers == ["growth"])


async def test_a_free_choice_takes_what_nothing_matches() -> None:
    app = _Choosing(free=True)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"mynet:make")
        await wait_for(pilot, lambda: app.offered == [])
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.answers == ["mynet:make"])


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_last_of_a_long_list_comes_into_sight_above_the_keys(size: tuple[int, int]) -> None:
    """Two lines of it lay below the edge."""
    app = _Choosing(free=False)
    async with app.run_test(size=size) as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*["pagedown"] * 8)
        listed, keys = app.screen.query_one(OptionList), app.screen.query_one(KeyBar)
        assert listed.highlighted == listed.option_count - 1
        await wait_for(pilot, lambda: listed.scroll_offset.y + listed.region.height >= listed.option_count)
        frame = listed.parent
        assert isinstance(frame, Widget)
        assert listed.region.bottom == keys.region.y
        assert keys.region.bottom <= frame.region.bottom - 1


async def test_the_foot_says_what_enter_takes_and_a_click_on_it_does_so() -> None:
    app = _Choosing(free=True)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        keys = app.screen.query_one(KeyBar)
        assert [hint.key for hint in keys.hints] == ["↵", "↑↓", "esc"]
        assert "typed" in keys.hints[0].label
        await pilot.press("down")
        await pilot.click(KeyBar, offset=(1, 0))
        await wait_for(pilot, lambda: app.answers == [list_state.groupings()[1][0]])


class _Letters(CheckList[str]):
    """A list of letters; answers with those that are chosen."""

    def __init__(self) -> None:
        super().__init__("Letters", [Item(letter, letter, words=letter.upper()) for letter in "abc"])
        self.chosen = "b"

    def is_chosen(self, value: str) -> bool:
        return value in self.chosen

    def toggle(self, value: str) -> None:
        self.chosen = self.chosen.replace(value, "") if value in self.chosen else self.chosen + value
        self.fill(value)

    def action_choose(self) -> None:
        self.dismiss(self.chosen)


async def test_space_and_a_click_toggle_enter_applies_and_escape_cancels() -> None:
    app = _Choosing(free=False)
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("escape")
        app.push_screen(_Letters(), app.answers.append)
        await wait_for(pilot, lambda: app.screen.query(OptionList) and app.offered == ["  a", "✓ b", "  c"])
        await pilot.press("down", "down", "space")
        assert app.offered == ["  a", "✓ b", "✓ c"]
        await pilot.click(OptionList, offset=(2, 1))
        assert app.offered == ["  a", "  b", "✓ c"]
        assert [hint.label for hint in app.screen.query_one(KeyBar).hints] == ["toggle", "apply", "cancel"]
        await pilot.press("enter")
        app.push_screen(_Letters(), app.answers.append)
        await wait_for(pilot, lambda: isinstance(app.screen, _Letters) and app.screen.query(OptionList))
        await pilot.press("space", "escape")
        await wait_for(pilot, lambda: app.answers == [None, "c", None])
