"""`itop doctor`: what this machine has, what is wrong, and how to fix it."""

from __future__ import annotations

from itop_tui.cli.checkup import Check, every_check
from itop_tui.cli.errors import Exit
from itop_tui.cli.parameters import Json
from itop_tui.cli.terminal import console, data, heading, verdict, write
from itop_tui.figures.format import plural
from itop_tui.service.json_shape import plain_value, print_json


def doctor(*, json: Json = False) -> int:
    """Report what this machine has, what is wrong, and how to fix it; exit 0 if nothing is broken."""
    checks = every_check()
    broken = [check for check in checks if check.tone == "bad"]
    if json:
        print_json({"ok": not broken, "checks": plain_value(checks)})
    else:
        _print(checks)
    return Exit.FAILED if broken else Exit.OK


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    section = ""
    grid = Table.grid()
    width = max(len(check.name) for check in checks)
    for check in checks:
        if check.section != section:
            if section:
                write(grid, out=out)
            section = check.section
            heading(section, out=out)
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True)
            grid.add_column(no_wrap=True, style="dim", min_width=width)
            grid.add_column(overflow="fold")
        value = data(check.value)
        if check.mend:
            value.append_text(Text.assemble("\n→ ", data(check.mend)))
        grid.add_row(verdict(check.tone), Text(check.name), value)
    write(grid, out=out)
    out.print()
    broken = sum(check.tone == "bad" for check in checks)
    warned = sum(check.tone == "warn" for check in checks)
    if broken:
        out.print(verdict("bad") + Text(f" {plural(broken, 'thing')} to fix: see the arrows above."))
    elif warned:
        out.print(verdict("good") + Text(f" Nothing is broken; {plural(warned, 'remark')} above."))
    else:
        out.print(verdict("good") + Text(" Nothing is broken."))
