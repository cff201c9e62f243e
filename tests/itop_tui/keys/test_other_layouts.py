"""Keys of a Cyrillic or Greek layout in the app: they act where nothing takes what they write."""

from __future__ import annotations

from textual.widgets import Input

from itop_tui.dialogs.questions import Ask
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.queue.queue_screen import QueueScreen
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.support import MemoryReader, form_of, make_run, memory_app, started, table_of, wait_for


async def test_the_keys_of_the_list_work_and_fields_take_the_letters_as_they_are() -> None:
    app = memory_app(MemoryReader([make_run(1), make_run(2)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 2)
        await pilot.press("о")  # j
        await wait_for(pilot, lambda: table_of(app).cursor == 1)
        await pilot.press("Й")  # Q
        await wait_for(pilot, lambda: isinstance(app.screen, QueueScreen))
        await pilot.press("й")  # q
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("К")  # R
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+ф", "ctrl+л", *"йод")
        assert app.screen.query_one(Input).value == "йод"
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("ν")  # n
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen) and app.screen.focused)
        form_of(app).fields.go_to("name")
        await pilot.press(*"йод")
        assert form_of(app).form.name == "йод"
        form_of(app).fields.go_to("model")
        before = form_of(app).form.entries["model"]
        await pilot.press("м")  # v: the first model of that letter
        assert str(form_of(app).form.entries["model"]).startswith("v")
        assert before != form_of(app).form.entries["model"]


async def test_a_key_that_the_user_has_bound_to_an_action_does_that() -> None:
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        app.bind("т", "open_queue_now")
        asked: list[int] = []
        app.action_open_queue_now = lambda: asked.append(1)  # type: ignore[attr-defined]
        await pilot.press("т")
        await wait_for(pilot, lambda: asked)
        assert isinstance(app.screen, RunsScreen)
