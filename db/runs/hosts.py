"""Which attempts are of one machine, for a query; see `engine.launch.machine` for what a process may judge there."""

from __future__ import annotations

import sqlalchemy as sa

from db.models import AttemptRow
from db.records import Host

__all__ = ["named", "on_machine"]


def named(host: Host | str) -> Host:
    """A host of which perhaps only the name is known."""
    return Host(host) if isinstance(host, str) else host


def on_machine(host: Host | str) -> sa.ColumnElement[bool]:
    """Whether an attempt's devices are those of a host: of the same boot, or of the same machine by id and name.

    Rows of an earlier version know only the name.
    """
    place = named(host)
    by_name = AttemptRow.host == place.name
    if place.machine_id is None:
        return by_name
    same_id = AttemptRow.machine_id == place.machine_id
    unknown = AttemptRow.machine_id.is_(None)
    return sa.or_(sa.and_(same_id, AttemptRow.boot_id == place.boot_id), sa.and_(by_name, sa.or_(same_id, unknown)))
