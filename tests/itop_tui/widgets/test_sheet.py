"""The table that is read: what it draws in the room it gets."""

from __future__ import annotations

from textual.strip import Strip

from itop_tui.widgets.sheet import Cell, Sheet, SheetView
from tests.itop_tui.run.hosting import Host

_NOTE = "Settings that are the same in all runs are left out."


class _Watched(SheetView):
    """Keeps every line it drew with its width."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[tuple[int, str]] = []

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        self.drawn.append((self.size.width, strip.text.strip()))
        return strip


def _sheet() -> Sheet:
    return Sheet((Cell("setting"), Cell("A")), ((Cell("seed"), Cell("1")),), (_NOTE,))


async def test_notes_given_while_hidden_are_wrapped_to_the_room_they_are_first_drawn_in() -> None:
    async with Host(_Watched()).run_test(size=(40, 10)) as pilot:
        view = pilot.app.query_one(_Watched)
        view.display = False
        await pilot.pause()
        view.sheet = _sheet()
        await pilot.pause()
        view.drawn.clear()

        view.display = True
        await pilot.pause()

        first = view.drawn[: view.size.height]
        assert [text for width, text in first if width and text][2:] == [
            "Settings that are the same in all runs",
            "are left out.",
        ]


async def test_a_wider_room_leaves_no_gap_below_notes_that_were_scrolled_to() -> None:
    async with Host(_Watched()).run_test(size=(12, 6)) as pilot:
        view = pilot.app.query_one(_Watched)
        view.sheet = _sheet()
        await pilot.pause()
        view.scroll_rows(99)
        assert view.top > 0

        await pilot.resize_terminal(60, 10)
        await pilot.pause()

        assert view.top == 0
