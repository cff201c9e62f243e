"""The list of runs: live, filtered, sorted; its details, help and palette."""

from __future__ import annotations

from db.runs import runs
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.dialogs.help import HelpScreen
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.runs.run_detail import RunDetail
from itop_tui.runs.runs_screen import RunsScreen
from tests.itop_tui.made import SIZE, create, end_it
from tests.itop_tui.support import (
    MemoryReader,
    make_run,
    memory_app,
    sample_runs,
    screen_text,
    started,
    table_of,
    wait_for,
)

# --------------------------------------------------------------------------------------------------------- live list


async def test_a_change_is_seen_and_the_cursor_stays_on_its_run(app: ItopApp, database: Database) -> None:
    made = create(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("j")
        current = table_of(app).current
        assert current is not None
        assert current.id == made[1].id
        await pilot.press("space", "k")
        create(database, 1)
        runs.update_fields(database, made[1].id, name="renamed elsewhere")
        await wait_for(pilot, lambda: "renamed elsewhere" in screen_text(app))
        after = table_of(app).current
        assert after is not None
        assert after.id == made[1].id
        assert after.name == "renamed elsewhere"
        assert table_of(app).marked_ids == (made[1].id,)


async def test_scroll_and_cursor_survive_updates_sorts_and_vanishing_runs() -> None:
    listed = [make_run(number) for number in range(60, 0, -1)]
    reader = MemoryReader(listed)
    app = memory_app(reader)
    async with app.run_test(size=(80, 24)) as pilot:
        await started(pilot, 60)
        table = table_of(app)
        await pilot.press("pagedown", "pagedown", "j")
        here = table.current
        assert here is not None
        line = table.cursor - table.scroll_offset.y
        reader.change([make_run(61), make_run(62), *listed])
        await wait_for(pilot, lambda: len(table.rows) == 62)
        assert table.current is not None
        assert table.current.id == here.id
        assert table.cursor - table.scroll_offset.y == line
        reader.change([run for run in listed if run.id != here.id])
        await wait_for(pilot, lambda: len(table.rows) == 59)
        assert table.current is not None
        assert table.cursor - table.scroll_offset.y == line
        await pilot.press("G")
        assert table.current.id == 1
        reader.change([])
        await wait_for(pilot, lambda: len(table.rows) == 0 and table.current is None)
        await pilot.press("j", "k", "G", "enter", "s", "space")
        assert app.is_running


async def test_an_empty_database_greets_with_three_ways_to_go(app: ItopApp, scheduled: list[str]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_for(pilot, lambda: "There are no runs yet" in screen_text(app))
        shown = screen_text(app)
        for word in ("demo", "new run", "open a database", "itop.db"):
            assert word in "".join(line.strip() for line in shown.splitlines())
        await pilot.press("D")
        await started(pilot, 3)
        assert {run.method for run in table_of(app).rows} == {"dense", "SET-ITOP", "RigL-ITOP"}
        assert len(scheduled) == 1  # all three are queued in one transaction
        assert "There are no runs yet" not in screen_text(app)


# --------------------------------------------------------------------------------------------------- filter and order


async def test_the_filter_narrows_as_one_types_and_escape_clears_it(app: ItopApp, database: Database) -> None:
    create(database, 6)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 6)
        await pilot.press("slash", *"rigl")
        await started(pilot, 2)
        assert "2 of 6 runs" in screen_text(app)
        await pilot.press("enter", "j")
        assert table_of(app).has_focus
        await pilot.press("escape")
        await started(pilot, 6)
        await pilot.press("slash", *"nothing like it")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))
        await pilot.press("escape")
        await started(pilot, 6)


async def test_sorting_by_key_and_by_head_shows_its_direction(app: ItopApp, database: Database) -> None:
    create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        assert "id ▼" in screen_text(app)
        await pilot.press("o")
        await wait_for(pilot, lambda: table_of(app).rows[0].id == 1)
        assert "id ▲" in screen_text(app)
        await pilot.press("greater_than_sign")
        await wait_for(pilot, lambda: "name ▲" in screen_text(app) and table_of(app).rows[0].id == 1)
        await pilot.press("less_than_sign")
        head = screen_text(app).splitlines()[1]
        await pilot.click("#runs", offset=(head.index("method"), 0))
        await wait_for(pilot, lambda: table_of(app).rows[0].method == "RigL-ITOP")
        assert "method" in screen_text(app)
        await pilot.click("#runs", offset=(head.index("method"), 0))
        await wait_for(pilot, lambda: table_of(app).rows[0].method == "dense")


async def test_the_next_runs_are_read_as_the_cursor_comes_near_the_last_one() -> None:
    app = memory_app(MemoryReader([make_run(number) for number in range(450, 0, -1)]))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 200)
        assert "first 200 of 450" in screen_text(app)
        await pilot.press("G")
        await started(pilot, 400)
        current = table_of(app).current
        assert current is not None
        assert current.id == 251, "the cursor stays on its run"
        await pilot.press("G")
        await started(pilot, 450)
        assert "first" not in screen_text(app).splitlines()[0]


# ----------------------------------------------------------------------------------------------------- help, palette


async def test_help_names_every_key_of_the_screen(app: ItopApp, database: Database) -> None:
    from itop_tui.keys import in_scope

    create(database, 1)
    async with app.run_test(size=(120, 110)) as pilot:
        await started(pilot, 1)
        await pilot.press("question_mark")
        await wait_for(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = screen_text(app)
        while "preempted" not in screen_text(app):  # the last line: the glyphs of the states
            await pilot.press("pagedown")
            shown += screen_text(app)
        for action in in_scope("runs", "app"):
            assert action.help.split(":")[0][:30] in shown, action.id
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_the_palette_knows_the_actions_and_the_runs(app: ItopApp, database: Database) -> None:
    create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("ctrl+p", *"duplicate")
        await wait_for(pilot, lambda: "duplicate  (d)" in screen_text(app))
        await pilot.press("ctrl+u", *"digits-set")
        await wait_for(pilot, lambda: "open run 2" in screen_text(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("ctrl+p", *"set up")
        await wait_for(pilot, lambda: "new  (n)" in screen_text(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_a_key_in_the_foot_can_be_clicked(app: ItopApp, database: Database) -> None:
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        foot = screen_text(app).splitlines()[-1]
        await pilot.click("KeyBar", offset=(foot.index("new"), 0))
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_the_foot_shows_what_works_now(app: ItopApp, database: Database) -> None:
    _, second = create(database, 2)
    end_it(database, second)
    async with app.run_test(size=(140, 30)) as pilot:
        await started(pilot, 2)
        foot = screen_text(app).splitlines()[-1]
        assert "r resume" in foot
        assert "s stop" not in foot
        await pilot.press("j")
        foot = screen_text(app).splitlines()[-1]
        assert "s stop" in foot
        assert "r resume" not in foot


async def test_the_details_follow_the_cursor_and_can_be_hidden() -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=(140, 40)) as pilot:
        await started(pilot, 12)
        await pilot.press(*"jjjjjjj")
        assert "the loss became NaN at step 412" in screen_text(app)
        pane = app.screen.query_one(RunDetail)
        await pilot.press("i")
        await wait_for(pilot, lambda: not pane.is_on_screen)
        await pilot.press("i")
        await wait_for(pilot, lambda: pane.is_on_screen)
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: not pane.is_on_screen)


async def test_both_themes_and_quitting() -> None:
    app = memory_app(MemoryReader(sample_runs()))
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 12)
        assert app.theme == "itop-dark"
        await pilot.press("ctrl+t")
        assert app.theme == "itop-light"
        await pilot.press("q")
        await wait_for(pilot, lambda: not app.is_running)
