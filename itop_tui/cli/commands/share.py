"""`itop share`: a home for a group of users, or for its owner alone again."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from itop_tui.cli.errors import CommandError, Exit
from itop_tui.cli.terminal import console, data, note


def share(
    group: Annotated[str | None, Parameter(help="A group of this machine, by default that of the folder.")] = None,
    /,
    *,
    off: Annotated[bool, Parameter(help="Make the home private again.", negative="", show_default=False)] = False,
) -> int:
    """Share your home, ITOP_HOME, with a group of users; otherwise only you can read what is in it.

    The group can then see, change and delete all runs in it, and add their own. Each user's runs are started by that
    user's own scheduler, never by another's. Share with people whom you trust: anyone who can write to a database can
    change every run in it.
    """
    from db import paths
    from db.errors import ReadOnlyDatabase
    from db.read_only import asked_for
    from itop_tui.service import sharing

    home = paths.home()
    if off and group is not None:
        raise CommandError("name a group to share with, or --off: not both", code=Exit.USAGE)
    if asked_for():
        raise ReadOnlyDatabase("Read-only, so nothing can be changed: ITOP_READ_ONLY is set.")
    if off:
        changed = sharing.make_private(home)
        said = f"{home} is private to its owner."
    else:
        from db.session import Database

        if not home.exists():
            Database.open().close()
        changed = sharing.share(home, sharing.group_to_share(home, group))
        said = f"{home} is shared with the group {sharing.group_of(home)}."
    console().print(data(said), soft_wrap=True)
    if changed.foreign:
        count, first = len(changed.foreign), changed.foreign[0]
        note(f"itop: {count} files belong to other users and stay as they are, such as {first}")
    if changed.closed is not None:
        note(f"itop: the group cannot reach it: {changed.closed} does not let it pass (chmod +x {changed.closed})")
    return Exit.OK
