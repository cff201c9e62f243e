"""Keys that come many at a time, as over a slow line, mean what they mean one by one."""

from __future__ import annotations

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Input

from itop_tui.keys.key_order import KeysInOrder
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.column_chooser import ColumnChooser
from tests.itop_tui.support import MemoryReader, form_of, make_run, memory_app, started, table_of, wait_for


def burst(app: App[None], *keys: str) -> None:
    """Hand over keys all at once; a word is its letters, a name in angle brackets a key."""
    for word in keys:
        for key in [word[1:-1]] if word.startswith("<") else word:
            app.post_message(events.Key(key, key if len(key) == 1 else None))


async def test_a_run_is_launched_with_what_was_typed_before_the_key_that_launches_it() -> None:
    """It was launched with 40 epochs: the digits were still to come."""
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.screen.focused)
        form_of(app).fields.go_to("epochs")
        burst(app, "<ctrl+u>", "3000", "<ctrl+y>")
        await wait_for(pilot, lambda: app.clipboard)
        assert "--epochs 3000" in app.clipboard


async def test_text_ends_in_the_field_it_was_typed_for() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        burst(app, "n", "long", "<down>", "paper", "<up>", "er")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and form_of(app).form.name == "longer")
        assert form_of(app).form.tags == ("paper",)


async def test_a_column_is_looked_for_checked_and_kept_in_one_burst() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        burst(app, "e", "accumulate", "<space>", "<enter>")
        await wait_for(pilot, lambda: any(each.key.endswith("accumulate") for each in table_of(app).chosen))
        assert not isinstance(app.screen, ColumnChooser)


async def test_what_follows_a_filter_is_meant_for_the_list() -> None:
    app = memory_app(MemoryReader([make_run(1), make_run(2, name="other")]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 2)
        burst(app, "<slash>", "other", "<enter>")
        await wait_for(pilot, lambda: app.snapshot is not None and app.snapshot.view.text == "other")
        await wait_for(pilot, lambda: app.focused is table_of(app))
        burst(app, "<escape>", "<slash>", "rigl", "<enter>", "j")
        await wait_for(pilot, lambda: app.snapshot is not None and app.snapshot.view.text == "rigl")


class _Vanishing(Input):
    """Goes as soon as a key reaches it, with all that waits in its queue."""

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        await self.remove()


class _App(KeysInOrder):
    BINDINGS = [Binding("z", "note", priority=True)]  # noqa: RUF012 - textual's type

    def __init__(self) -> None:
        super().__init__()
        self.noted = 0

    def compose(self) -> ComposeResult:
        with Vertical():
            yield _Vanishing()

    def action_note(self) -> None:
        self.noted += 1


async def test_keys_go_on_after_the_widget_they_were_meant_for_has_gone() -> None:
    app = _App()
    async with app.run_test() as pilot:
        await wait_for(pilot, lambda: isinstance(app.focused, _Vanishing))
        burst(app, "a", "b", "z", "z")
        await wait_for(pilot, lambda: app.noted == 2)
