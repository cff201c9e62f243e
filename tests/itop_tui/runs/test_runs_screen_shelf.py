"""Keeping runs in order from the list: names, notes, stars, the archive, deleting and taking it back."""

from __future__ import annotations

from db.paths import run_folder
from db.runs import runs, shelf
from db.session import Database
from itop_tui.app import ItopApp
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.poller import DatabaseReader
from tests.described import described
from tests.itop_tui.made import SIZE, add_checkpoint, create, end_it, reported
from tests.itop_tui.support import FixedPlanner, screen_text, started, table_of, wait_for


def another(database: Database) -> ItopApp:
    """Another app on the same database."""

    class Reader(DatabaseReader):
        def settle(self) -> str | None:
            return None

    app = ItopApp(Database.open, reader=Reader, planner=FixedPlanner())
    app.animation_level = "none"
    return app


async def test_a_deletion_tells_what_it_frees_and_is_final_when_the_app_is_left(
    app: ItopApp, database: Database
) -> None:
    (run,) = create(database, 1)
    add_checkpoint(database, run)
    end_it(database, run)
    folder = run_folder(run.uid)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        assert "2.5 MB" in screen_text(app)
        assert "1 checkpoint" in screen_text(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: "There are no runs yet" in screen_text(app))
        assert list(folder.rglob("*.pt")), "it can still be taken back"
    assert shelf.trashed(database) == []
    assert not folder.exists()


async def test_an_app_that_ends_with_its_terminal_leaves_what_was_deleted_to_the_next(
    app: ItopApp, database: Database
) -> None:
    """No one quit: the run can still be restored."""
    create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: "There are no runs yet" in screen_text(app))
        app.exit(return_code=129)
    assert len(shelf.trashed(database)) == 1


async def test_deletions_are_taken_back_one_by_one_the_last_first(app: ItopApp, database: Database) -> None:
    made = create(database, 4)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 4)
        await pilot.press("space", "space", "x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await started(pilot, 2)
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await started(pilot, 1)
        await pilot.press("U")
        await started(pilot, 2)
        await pilot.press("U")
        await started(pilot, 4)
        assert sorted(run.id for run in table_of(app).rows) == [run.id for run in made]
        await pilot.press("U")
        await wait_for(pilot, lambda: reported(app, "no deletion to undo"))
    assert runs.count(database) == 4


async def test_what_an_app_that_was_cut_off_deleted_can_be_taken_back_by_the_next(
    app: ItopApp, database: Database
) -> None:
    made = create(database, 3)
    shelf.trash(database, [made[0].id, made[1].id])  # and no app is open that could have done it
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await wait_for(pilot, lambda: reported(app, "2 deleted runs of an app that was interrupted"))
        await pilot.press("U")
        await started(pilot, 3)
    assert runs.count(database) == 3


async def test_the_trash_is_emptied_by_the_last_app_that_is_left(app: ItopApp, database: Database) -> None:
    create(database, 3)
    other = another(database)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        async with other.run_test(size=SIZE) as second:
            await started(second, 3)
            await second.press("x")
            await wait_for(second, lambda: isinstance(other.screen, Confirm))
            await second.press("y")
            await started(second, 2)
        assert len(shelf.trashed(database)) == 1, "this app might undo it"
    assert shelf.trashed(database) == []


async def test_a_run_that_others_came_from_stays_with_the_reason(app: ItopApp, database: Database) -> None:
    parent, _ = create(database, 2)
    end_it(database, parent)
    runs.create(database, **described(parent.config), parent_id=parent.id)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        table_of(app).go_to(parent.id)
        await pilot.press("x")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: reported(app, "came from it"))
        assert len(table_of(app).rows) == 3


async def test_stars_come_and_go_for_all_marked_runs(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("asterisk")
        await wait_for(pilot, lambda: runs.get(database, made[2].id).starred_at is not None)
        await pilot.press("percent_sign", "asterisk")
        await wait_for(pilot, lambda: all(runs.get(database, run.id).starred_at is not None for run in made))
        await wait_for(pilot, lambda: screen_text(app).count("◆★") == 3)
        await pilot.press("asterisk")
        await wait_for(pilot, lambda: all(runs.get(database, run.id).starred_at is None for run in made))


async def test_an_archived_run_is_listed_only_where_it_is_asked_for(app: ItopApp, database: Database) -> None:
    made = create(database, 2)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("a")
        await started(pilot, 1)
        assert table_of(app).rows[0].id == made[0].id
        await pilot.press("slash", *"is:archived", "enter")
        await wait_for(pilot, lambda: [run.id for run in table_of(app).rows] == [made[1].id])
        await wait_for(pilot, lambda: "archived" in screen_text(app))
        await pilot.press("a")
        await wait_for(pilot, lambda: "No run matches" in screen_text(app))
        await pilot.press("escape")
        await started(pilot, 2)


async def test_notes_of_several_lines(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("N")
        await wait_for(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"first", "enter", *"second", "ctrl+s")
        await wait_for(pilot, lambda: runs.get(database, run.id).notes == "first\nsecond")
        await wait_for(pilot, lambda: "first second" in screen_text(app))
        await pilot.press("N")
        await wait_for(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"lost", "escape")
        assert runs.get(database, run.id).notes == "first\nsecond"


async def test_notes_that_differ_are_not_replaced_unasked(app: ItopApp, database: Database) -> None:
    first, second = create(database, 2)
    runs.update_fields(database, first.id, notes="one")
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 2)
        await pilot.press("percent_sign", "N")
        await wait_for(pilot, lambda: "Their notes differ" in screen_text(app))
        await pilot.press("escape")
        assert runs.get(database, first.id).notes == "one"
        await pilot.press("N")
        await wait_for(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"same", "ctrl+s")
        await wait_for(pilot, lambda: runs.get(database, second.id).notes == "same")
        assert runs.get(database, first.id).notes == "same"


async def test_rename_and_tags(app: ItopApp, database: Database) -> None:
    (run,) = create(database, 1)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 1)
        await pilot.press("R")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+u", *"best one", "enter")
        await wait_for(pilot, lambda: "best one" in screen_text(app))
        assert runs.get(database, run.id).name == "best one"
        await pilot.press("R", "ctrl+u", "escape", "t", *"a,b #a", "enter")
        await wait_for(pilot, lambda: runs.get(database, run.id).tags == ("a", "b"))
        assert runs.get(database, run.id).name == "best one"


async def test_several_runs_are_renamed_by_a_pattern(app: ItopApp, database: Database) -> None:
    made = create(database, 3)
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 3)
        await pilot.press("percent_sign", "R")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.press("ctrl+u", *"{method} s{seed} {else}", "enter")
        expected = ["dense s0 {else}", "SET-ITOP s1 {else}", "RigL-ITOP s2 {else}"]
        await wait_for(pilot, lambda: [runs.get(database, run.id).name for run in made] == expected)


async def test_the_archive_is_counted_apart(app: ItopApp, database: Database) -> None:
    made = create(database, 10)
    shelf.archive(database, [made[0].id, made[3].id])
    async with app.run_test(size=SIZE) as pilot:
        await started(pilot, 8)

        def top() -> str:
            return screen_text(app).splitlines()[0]

        assert top().rstrip().endswith("8 runs, 2 archived")
        await pilot.press("slash", *"digits-set", "enter")
        await wait_for(pilot, lambda: "3 of 8 runs" in top())
        await pilot.press("escape", "slash", *"is:archived", "enter")
        await wait_for(pilot, lambda: "2 of 10 runs" in top())
        await pilot.press("escape")
        await started(pilot, 8)
        shelf.archive(database, [made[0].id, made[3].id], on=False)
        await wait_for(pilot, lambda: top().rstrip().endswith("10 runs"))
