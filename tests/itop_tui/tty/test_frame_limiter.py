"""When frames are drawn: at most four a second that no one caused, and the answer to a person at once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.tty.frame_limiter import ANSWER, GATHERED, PERIOD, FrameLimiter
from itop_tui.tty.terminal_app import TerminalApp
from tests.itop_tui.support import StillReader, opened, wait_for


class Handed:
    """A clock in the test's hands, and the one call that waits for it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: float | None = None
        self._call: Callable[[], None] | None = None

    def clock(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> Handed:
        assert self.due is None, "two frames would wait"
        self.due, self._call = self.now + seconds, call
        return self

    def cancel(self) -> None:
        self.due = None

    def pass_until(self, moment: float) -> None:
        """Let time pass, and what is due happen."""
        if self.due is not None and self.due <= moment:
            self.now, self.due = self.due, None
            assert self._call is not None
            self._call()
        self.now = max(self.now, moment)


def limited() -> tuple[Handed, list[float], FrameLimiter]:
    """A limiter, its clock, and when it drew."""
    hand = Handed()
    drawn: list[float] = []
    return hand, drawn, FrameLimiter(lambda: drawn.append(hand.now), clock=hand.clock, later=hand.later)


def test_changes_that_no_one_caused_are_drawn_at_most_four_times_a_second() -> None:
    hand, drawn, frames = limited()
    start = hand.now
    for tick in range(1000):
        hand.pass_until(start + tick / 100)
        frames.changed()
    apart = [later - earlier for earlier, later in pairwise(drawn)]
    assert len(drawn) > 10 / PERIOD - 2, "and as often"
    assert min(apart) > PERIOD - 1e-9


def test_what_changes_together_is_drawn_together_and_soon() -> None:
    hand, drawn, frames = limited()
    start = hand.now
    frames.changed()
    frames.changed()
    assert drawn == []
    hand.pass_until(start + 1)
    assert drawn == [start + GATHERED]


def test_an_answer_is_drawn_at_once_with_what_waits() -> None:
    hand, drawn, frames = limited()
    frames.changed()
    frames.answer()
    frames.changed()
    assert drawn == [hand.now]
    assert hand.due is None, "nothing is left to be drawn"
    hand.pass_until(hand.now + ANSWER / 2)
    frames.changed()
    assert drawn[1:] == [hand.now], "a thread had to read it first"
    hand.pass_until(hand.now + ANSWER)
    frames.changed()
    assert len(drawn) == 2
    frames.changed(at_once=True)
    assert len(drawn) == 3


class Counts(TerminalApp):
    """Shows a number, and counts the frames in which it is drawn."""

    BINDINGS: ClassVar = [Binding("x", "show('by a key')", "show")]

    def __init__(self, hand: Handed) -> None:
        super().__init__()
        self.drawn = 0
        self.frames = FrameLimiter(self._draw, clock=hand.clock, later=hand.later)

    def compose(self) -> ComposeResult:
        yield Static("nothing yet")

    def action_show(self, text: str) -> None:
        self.query_one(Static).update(text)

    def _draw(self) -> None:
        self.drawn += bool(self._changes)
        super()._draw()


async def test_any_number_of_commits_within_a_short_time_is_one_repaint() -> None:
    hand = Handed()
    app = Counts(hand)
    async with app.run_test() as pilot:
        hand.pass_until(hand.now + 10)
        app.drawn = 0
        for number in range(20):
            app.action_show(f"commit {number}")
            await wait_for(pilot, lambda: not app.screen._dirty_widgets, "the change to be noticed")
        assert app._changes
        assert app.drawn == 0
        hand.pass_until(hand.now + GATHERED)
        assert app.drawn == 1
        assert not app._changes


async def test_the_answer_to_a_key_waits_for_no_frame() -> None:
    hand = Handed()
    app = Counts(hand)
    async with app.run_test() as pilot:
        hand.pass_until(hand.now + 10)
        app.drawn = 0
        app.action_show("a commit")
        await wait_for(pilot, lambda: app._changes, "the change")
        await pilot.press("x")
        await wait_for(pilot, lambda: app.drawn, "the frame")
        assert not app._changes
        assert hand.due is None


async def test_what_waits_when_a_batch_begins_is_drawn_after_it() -> None:
    hand = Handed()
    app = Counts(hand)
    async with app.run_test() as pilot:
        hand.pass_until(hand.now + 10)
        app.drawn = 0
        app.action_show("a commit")
        await wait_for(pilot, lambda: app._changes, "the change")
        with app.batch_update():
            hand.pass_until(hand.now + 10)
            assert app._changes, "in a batch nothing is drawn"
        hand.pass_until(hand.now + 10)
        assert not app._changes


async def test_another_screen_is_drawn_without_what_waited_for_the_one_before() -> None:
    hand = Handed()
    app = Counts(hand)
    async with app.run_test() as pilot:
        hand.pass_until(hand.now + 10)
        app.action_show("a commit")
        await wait_for(pilot, lambda: app._changes, "the change")
        before = app._changes[0]
        await app.push_screen(Screen())
        await wait_for(pilot, lambda: app._changes and app._changes[0] is not before, "the screen")
        assert before not in app._changes


async def test_what_a_person_asked_the_database_for_is_drawn_at_once_when_it_is_there(database: Database) -> None:
    hand = Handed()
    app = ItopApp(Database.open, reader=StillReader)
    drawn: list[float] = []
    app.frames = FrameLimiter(lambda: drawn.append(hand.now), clock=hand.clock, later=hand.later)
    async with app.run_test() as pilot:
        await opened(pilot)
        hand.pass_until(hand.now + 10)
        drawn.clear()
        answered: list[int] = []

        def answer(_: None) -> None:
            app.frames.changed()
            answered.append(len(drawn))

        app.operate(lambda db: None, answer)
        await wait_for(pilot, lambda: answered, "the answer")
        assert answered == [1]
