"""Names, reasons and tags are data: whatever they hold, the screens hold together and nothing is obeyed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from db.finding import views
from db.runs import runs
from db.session import Database
from engine.config.presets import PRESETS
from itop_tui.app import ItopApp
from itop_tui.dialogs.questions import Ask, AskText, Confirm
from itop_tui.new_run.new_run_screen import NewRunScreen
from itop_tui.poller import DatabaseReader
from itop_tui.runs.filter_line import FilterLine
from itop_tui.runs.view_picker import ViewPicker
from tests.itop_tui.support import MemoryReader, make_run, memory_app, screen_text, started, table_of, wait_for

HOSTILE = {
    "markup": "[bold red]bold[/] [@click=app.quit]quit[/] [/unopened]",
    "escapes": "\x1b[2J\x1b]0;title\x07\x9b31m bell\x07 null\x00 del\x7f",
    "right to left": "\u202eevil\u202c שלום עולם مرحبا",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301\u0327 👍🏽",
    "long": "x" * 10_000,
    "wide": "稀疏训练" * 2_000,
    "lines": "one\ntwo\r\nthree\ttab\u2028four",
    "empty": "",
    "surrogate": "\ud800 \ufffe \ue000",
}


def whole(app: ItopApp, size: tuple[int, int]) -> None:
    """Check that every line of the screen is as wide as the screen and holds nothing a terminal obeys."""
    lines = screen_text(app).splitlines()
    assert len(lines) == size[1]
    for line in lines:
        assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in line)
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
        assert cell_len(line) == size[0], line


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_hostile_text_everywhere_at_once(size: tuple[int, int]) -> None:
    listed = [
        make_run(
            number,
            status,
            name=text,
            reason=text or None,
            tags=(text, "b"),
            notes=text,
            host=text[:50],
            device=text[:50],
            model=text[:80],
            data=text[:80],
            loss=math.nan,
            val_loss=-math.inf,
            best_val_accuracy=math.nan,
            itop_rate=math.inf,
            samples_per_second=math.inf,
        )
        for number, (text, status) in enumerate(
            ((text, status) for text in HOSTILE.values() for status in ("failed", "running")), start=1
        )
    ]
    app = memory_app(MemoryReader(listed))
    async with app.run_test(size=size) as pilot:
        await started(pilot, len(listed))
        for _ in listed:
            whole(app, size)
            app.screen.query_one("#runs").action_move(1)  # type: ignore[attr-defined]
            await pilot.pause()
        await pilot.press("home", "ctrl+p", "r", "u", "n")
        await pilot.pause()
        whole(app, size)
        await pilot.press("escape")


@pytest.mark.parametrize("name", ["empty", "surrogate"])  # the scenes are shown with all the others at once
async def test_dialogs_and_form_of_a_hostile_run(name: str) -> None:
    text = HOSTILE[name]
    size = (80, 24)
    app = memory_app(
        MemoryReader([make_run(1, name=text, tags=(text,)), make_run(2, "running", name=text, notes=text)])
    )
    async with app.run_test(size=size) as pilot:
        await started(pilot, 2)
        await pilot.press("K")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        whole(app, size)
        await pilot.press("n", "R")
        await wait_for(pilot, lambda: isinstance(app.screen, Ask))
        whole(app, size)
        await pilot.press("escape", "N")
        await wait_for(pilot, lambda: isinstance(app.screen, AskText))
        whole(app, size)
        await pilot.press("escape", "d")
        await wait_for(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("ctrl+o")
        await pilot.pause()
        whole(app, size)


async def test_figures_that_diverged_are_named() -> None:
    run = replace(make_run(1), loss=math.nan, best_val_accuracy=math.inf)
    app = memory_app(MemoryReader([run]))
    async with app.run_test(size=(200, 50)) as pilot:
        await started(pilot, 1)
        await wait_for(pilot, lambda: "loss       NaN" in screen_text(app), "the loss in the details")
        assert "∞" in screen_text(app).splitlines()[2]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_hostile_filter_group_and_view(text: str, database: Database) -> None:
    size = (80, 24)
    config = PRESETS["digits-set"].config().as_dict()
    clean = text.replace("\ud800", "?").replace("\x00", "?") or "x"
    for seed in (1, 2):
        runs.create(database, config=config | {"seed": seed, "model": clean[:200]}, group=clean, tags=(clean,))
    views.save(database, views.SavedView(clean, group_by="model", columns=("name", clean)))

    class Unsettled(DatabaseReader):
        def settle(self) -> str | None:
            return None

    app = ItopApp(Database.open, reader=Unsettled)
    async with app.run_test(size=size) as pilot:
        await started(pilot, 2)
        await pilot.press("v")
        await wait_for(pilot, lambda: isinstance(app.screen, ViewPicker))
        whole(app, size)
        await pilot.press("end", "enter")
        await wait_for(pilot, lambda: len(table_of(app).lines) == 1)
        whole(app, size)
        await pilot.press("enter")
        await wait_for(pilot, lambda: len(table_of(app).lines) == 3)
        whole(app, size)
        await pilot.press("slash", *"model:")
        line = app.screen.query_one(FilterLine)
        await wait_for(pilot, lambda: line.suggestions)
        whole(app, size)
        line.put(text)
        await pilot.pause()
        whole(app, size)
        assert app.is_running
