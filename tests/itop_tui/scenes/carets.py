"""The terminal's cursor stands at the caret: typed into every field that a scene shows."""

from __future__ import annotations

from textual import events
from textual.widgets import Input, TextArea

from itop_tui.app import ItopApp
from itop_tui.new_run.settings_form import SettingsForm
from tests.itop_tui.scenes.stage import Stage
from tests.itop_tui.support import wait_for


def around_cursor(app: ItopApp) -> tuple[str, str]:
    """What is drawn left of the terminal's cursor, and from it on."""
    at = app.cursor_position
    line = app.screen._compositor.render_strips()[at.y]
    return line.crop(0, at.x).text, line.crop(at.x, line.cell_length).text


async def check_caret(stage: Stage) -> None:
    """Type narrow and wide letters into the field that has the focus, if any, move, and let it scroll."""
    app, pilot = stage.app, stage.pilot
    field = app.focused
    if not isinstance(field, Input | TextArea | SettingsForm):
        return
    if isinstance(field, SettingsForm):
        field.go_to("name")

    async def drawn(before: str, behind: str) -> None:
        def right() -> bool:
            left, rest = around_cursor(app)
            return left.endswith(before) and rest.startswith(behind)

        what = f"{before!r} left of the cursor and {behind!r} right of it, at {app.cursor_position}"
        await wait_for(pilot, right, what, seconds=20)

    await pilot.press("ctrl+u", *"ab实验cd")
    await drawn("ab实验cd", " ")
    await pilot.press("left", "left")
    await drawn("ab实验", "cd")
    await pilot.press("left")
    await drawn("ab实", "验cd")
    app.post_message(events.Paste("0123456789" * 30))
    await drawn("6789", "验" if not isinstance(field, Input | SettingsForm) else "")
    assert field.region.contains_point(app.cursor_position)
    await pilot.press("home")
    await drawn("", "" if isinstance(field, TextArea) else "ab实0123")
