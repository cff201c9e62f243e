"""Other names, boots and process namespaces for tests, made by the kernel's namespaces; and hosts out of nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa

from db.models import AttemptRow, RunRow
from db.records import Host
from db.session import Database
from engine.launch.machine import this_host

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def on_host(*command: str, name: str | None = None, boot: bool = False, container: bool = False) -> list[str]:
    """The command line that runs a command under another host name, boot id, or process namespace.

    Skips the test where this user may not make such a namespace.
    """
    options = ["--uts", "--mount", *(["--pid", "--fork", "--mount-proc"] if container else [])]
    steps = [f"hostname {name}" if name else ":"]
    if boot:
        steps.append(f"b=$(mktemp); echo {uuid.uuid4()} >$b; mount --bind $b {_BOOT_ID}")
    line = ["unshare", *options, "--", "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh"]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    if subprocess.run([*line, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make namespaces")
    return [*line, *command]


def python(code: str, **where: object) -> str:
    """What a Python program prints that runs on another host, as `on_host` makes it; the database is `db` there."""
    program = (
        "from db.session import Database\nfrom db.errors import StoreError\nfrom db.runs import attempts, runs\n"
        f"from engine.launch import submit\ndb = Database.open()\n{code}"
    )
    command = on_host(sys.executable, "-P", "-c", program, **where)  # type: ignore[arg-type]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def elsewhere(name: str = "atlas") -> Host:
    """Another machine."""
    return replace(this_host(), name=name, machine_id="another", boot_id=str(uuid.uuid4()), home=None)


def move_away(db: Database, run_id: int, host: Host | None = None) -> None:
    """Make the attempts of a run those of another machine."""
    away = host or elsewhere()
    with db.write() as session:
        session.execute(
            sa.update(AttemptRow)
            .where(AttemptRow.run_id == run_id)
            .values(host=away.name, machine_id=away.machine_id, boot_id=away.boot_id, home=None)
        )


def silent(db: Database, run_id: int, seconds: float) -> None:
    """Make the last sign of life of a run so old."""
    with db.write() as session:
        session.execute(sa.update(RunRow).where(RunRow.id == run_id).values(heartbeat_at=time.time() - seconds))
