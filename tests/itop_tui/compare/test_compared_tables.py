"""The results in any order, and the table of a paper, driven by keys and mouse."""

from __future__ import annotations

from itop_tui.dialogs.chooser import Picker
from itop_tui.widgets.sheet import SheetView
from tests.itop_tui.compare.conftest import Opened
from tests.itop_tui.compare.driving import app_of, press, text
from tests.itop_tui.run.hosting import until


async def test_results_are_sorted_by_key_and_by_a_click_on_a_head(opened: Opened) -> None:
    def letters(sheet: SheetView) -> str:
        return "".join(row[0].text[0] for row in sheet.sheet.rows)

    async with opened(1, 4, 6) as (pilot, screen):
        await press(pilot, screen, "2")
        shown = screen.query_one("#results", SheetView)
        assert [cell.text for cell in shown.sheet.head[:4]] == ["run", "density", "n", "test acc"]
        assert letters(shown) == "ABC"
        await press(pilot, screen, "greater_than_sign", "greater_than_sign", "greater_than_sign")
        assert shown.sheet.head[3].text == "test acc ▼"
        assert letters(shown) == "CAB"  # 96.00, 95.10, 94.67
        await press(pilot, screen, "o")
        assert (shown.sheet.head[3].text, letters(shown)) == ("test acc ▲", "BAC")
        await press(pilot, screen, "less_than_sign")
        assert shown.sheet.head[2].text == "n ▼"
        await pilot.click(shown, offset=(shown._first_width() + 2 + shown._widths[1], 0))
        await until(pilot, lambda: shown.sheet.head[1].text == "density ▼", "the order")
        assert letters(shown)[0] == "C", "the dense one has the largest density"
        await pilot.click(shown, offset=(2, 0))
        await until(pilot, lambda: letters(shown) == "ABC", "the order of the comparison")


async def test_the_table_of_a_paper_is_shown_changed_and_copied(opened: Opened) -> None:
    async with opened() as (pilot, screen):
        await press(pilot, screen, "7")
        # Of RigL 95.10, 95.34 and 95.22: deviations of 0.12 around 95.22.
        assert "RigL-ITOP lr=0.1 95.22 ± 0.12 (3)" in " ".join(text(screen, "table").split())
        assert [cell.text for cell in screen.query_one("#table", SheetView).sheet.head] == [
            "",
            "density 0.05",
            "density 1",
        ]
        await press(pilot, screen, "v")
        assert "best val accuracy" in screen.query_one("#table", SheetView).sheet.title
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app_of(screen).screen, Picker), "the settings")
        await pilot.press(*"lr", "enter")
        await until(pilot, lambda: "lr 0.05" in text(screen, "table"), "its columns")
        await pilot.press("Y")
        await until(pilot, lambda: isinstance(app_of(screen).screen, Picker), "the formats")
        await pilot.press(*"latex", "enter")
        await until(pilot, lambda: "booktabs" in app_of(screen).clipboard, "the copy")
        assert r"\toprule" in app_of(screen).clipboard
