"""`itop doctor`: what this machine has, what is wrong, and how to fix it; each check looks at one thing, never raises.

Versions are read from the packages' metadata: nothing heavy is imported to look at it.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from db import paths, private_files, users
from db.errors import StoreError
from db.history.level_repair import damaged_copies
from db.records import ACTIVE, RunQuery
from db.runs import attempts, run_owners, runs
from db.runs.silence import no_sign, silence, span
from db.session import Database
from db.sqlite.damage import damaged_rows
from db.sqlite.health import examine
from engine.config.catalogue import DATASETS
from engine.config.locations import FIRST_LABELS, LAYOUTS, Located, candidates, data_folder
from engine.launch import submit
from engine.launch.devices import DeviceList, list_devices
from itop_tui.cli.errors import Exit
from itop_tui.cli.parameters import Json
from itop_tui.cli.questions_asked import confirm
from itop_tui.cli.terminal import Verdict, console, data, heading, verdict, write
from itop_tui.figures.format import moment, plain, plural, size
from itop_tui.service import leftovers, repairs, sharing
from itop_tui.service.json_shape import print_json
from itop_tui.service.registered_files import MISSING, examine_files

Checksums = Annotated[
    bool,
    Parameter(
        negative=(),
        show_default=False,
        help="Read every checkpoint and compare its checksum, and every step and compare its thinned copies.",
    ),
]

_LOW_DISK, _NO_DISK = 2_000_000_000, 200_000_000
_CLOCKS_DIFFER = 300.0  # seconds by which the clocks of two hosts may differ without a remark
_IDX_HEADER = 8  # bytes before the labels: magic number and count
_VARIABLES = ("ITOP_HOME", "ITOP_DATABASE_URL", "ITOP_DATA_DIR", "CUDA_VISIBLE_DEVICES", "NO_COLOR")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    section: str
    name: str
    tone: Verdict  # "absent" is what is not here and need not be, "warn" a remark
    value: str
    mend: str = ""
    """How to fix it; empty if there is nothing to fix."""


def doctor(
    *,
    checksums: Checksums = False,
    repair: Annotated[
        bool,
        Parameter(
            negative=(),
            show_default=False,
            help="Say what can be repaired in the database and its files, ask, and do it.",
        ),
    ] = False,
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative=(), show_default=False, help="With --repair: do not ask.")
    ] = False,
    json: Json = False,
) -> int:
    """Report what this machine has, what is wrong, and how to fix it; exit 0 if nothing is broken.

    Of every checkpoint it looks whether its file is there and has its size; with --checksums it reads them all, and
    every step, of which charts read thinned copies.

    --repair removes files of checkpoints that no record names and records whose files are gone, gives damaged cells of
    the database harmless values, and builds its indexes and the thinned copies of curves again; nothing else. Make a
    backup first.
    """
    if repair:
        return _repair(yes=yes, json=json)
    checks = every_check(checksums=checksums)
    broken = [check for check in checks if check.tone == "bad"]
    if json:
        print_json({"ok": not broken, "checks": checks})
    else:
        _print(checks)
    return Exit.FAILED if broken else Exit.OK


def _repair(*, yes: bool, json: bool) -> int:
    """Say what can be repaired, ask, and do it."""
    with contextlib.closing(Database.open()) as database:
        found = repairs.find(database)
        if not json:
            for one in found:
                console().print(Text.assemble("→ ", data(one.sentence)), soft_wrap=True)
        if found and not yes:
            question = f"Do {plural(len(found), 'repair')}?"
            confirm("", question, refused="nothing was changed", hint="--yes repairs without asking")
        for one in found:
            one.do()
    if json:
        print_json({"repaired": [one.sentence for one in found]})
    else:
        console().print(f"{plural(len(found), 'repair')} done." if found else "There is nothing to repair.")
    return Exit.OK


def _print(checks: list[Check]) -> None:
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


def every_check(*, checksums: bool = False) -> list[Check]:
    """Look at everything, in the order in which it is shown; `checksums`: read every checkpoint too."""
    devices = list_devices()
    return [*_program(devices), *_devices(devices), *_store(checksums=checksums), *_data_sets(), *_environment()]


def _program(devices: DeviceList) -> Iterator[Check]:
    section = "Program"
    yield Check(section, "itop", "good", version("itop"))
    yield Check(section, "Python", "good", f"{platform.python_version()} ({sys.executable})")
    for package in ("torch", "torchvision", "textual"):
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Check(section, package, "bad", "not installed", f"pip install {package}")
            continue
        if package == "torch" and devices.gpus and found.endswith("+cpu"):
            fix = "install a build of torch for CUDA: pytorch.org/get-started says which"
            yield Check(section, package, "warn", f"{found}, built without CUDA, though there is a GPU", fix)
        else:
            yield Check(section, package, "good", found)
    yield Check(section, "sparse kernels", *_kernels())


def _kernels() -> tuple[Verdict, str, str]:
    """What `--execution sparse` computes with, and what would make it faster."""
    wanted, compiler = os.environ.get("ITOP_KERNELS", ""), shutil.which("cc")
    if wanted == "torch":
        return "good", "torch's own operations, as ITOP_KERNELS says", ""
    if compiler is not None:
        return "good", f"C, compiled by {compiler} when they are first used", ""
    fix = "install a C compiler (cc), for example the package gcc or clang"
    if wanted == "c":
        return "bad", "ITOP_KERNELS is c, and there is no C compiler", fix
    return "good", "torch's own operations, which are slower: there is no C compiler (cc)", ""


def _devices(devices: DeviceList) -> Iterator[Check]:
    section = "Devices"
    for device in devices:
        if device.problem is not None:
            fix = "nvidia-smi says more; a restart of the driver or the machine often helps"
            yield Check(section, device.name, "bad", f"{device.description}: {device.problem}", fix)
            continue
        memory = ""
        if device.memory_total is not None and device.memory_used is not None:
            memory = f", {size(device.memory_total - device.memory_used)} of {size(device.memory_total)} free"
        yield Check(section, device.name, "good", device.description + memory)
    if devices.unreadable:
        yield Check(section, "GPU", "bad", devices.problem or "cannot be read", "does nvidia-smi work?")
    elif not devices.gpus:
        absent = "CUDA_VISIBLE_DEVICES" not in (devices.problem or "")
        yield Check(section, "GPU", "good" if absent else "warn", f"none: {devices.problem}; runs train on the CPU")


def _store(*, checksums: bool = False) -> Iterator[Check]:
    section = "Database"
    home = paths.home()
    try:
        database = Database.open()
    except StoreError as error:
        yield Check(section, "database", "bad", str(error))
        yield _disk(section, home)
        return
    try:
        health = examine(database)
        where = str(health.path) if health.path is not None else database.url
        held = f", {size(health.bytes)}" if health.bytes is not None else ""
        yield Check(
            section,
            "database",
            "good",
            f"{where}{held}, {plural(runs.count(database, RunQuery(archived=None)), 'run')}",
        )
        yield Check(section, "revision", "good", f"{health.revision} (the newest this itop knows)")
        if health.problems:
            fix = (
                f"stop all runs and copy {where} to another place; then itop doctor --repair (it builds indexes "
                "again), or put back a backup (itop restore), or recover what it holds with sqlite3's .recover command"
            )
            yield Check(section, "integrity", "bad", "; ".join(health.problems[:3]), fix)
        elif health.path is not None:
            yield Check(section, "integrity", "good", "sound")
        for warning in database.warnings:
            rest, _, fix = warning.rpartition(". Set ")
            yield Check(section, "file system", "warn", rest or warning, f"set {fix}" if rest else "")
        if database.read_only is not None:
            yield Check(section, "changes", "warn", f"read-only: {database.read_only}")
        yield _disk(section, home)
    except StoreError as error:
        yield Check(section, "database", "bad", str(error), "put back a backup: itop restore")
    try:
        yield from _each(section, _registered(section, database, checksums=checksums))
        yield from _permissions(section, home)
        for look in (_damaged, _leftovers, *([_copies] if checksums else [])):
            yield from _each(section, look(section, database))
        yield from _each("Scheduler", _scheduler(database))
        yield from _each("Scheduler", _signs_of_life(database))
    finally:
        database.close()


def _each(section: str, checks: Iterator[Check]) -> Iterator[Check]:
    """Some checks; what cannot be read ends these and no others."""
    try:
        yield from checks
    except StoreError as error:
        yield Check(section, "unreadable", "bad", str(error), "put back a backup: itop restore")


def _damaged(section: str, database: Database) -> Iterator[Check]:
    found = damaged_rows(database)
    if found:
        named = "; ".join(f"{one.table} {one.id} ({', '.join(one.fields)})" for one in found[:3])
        fix = "itop doctor --repair gives these cells harmless values; itop delete removes a run"
        yield Check(section, "damaged rows", "bad", f"{plural(len(found), 'row')}: {named}", fix)


def _copies(section: str, database: Database) -> Iterator[Check]:
    """Whether the thinned copies, which charts of long runs read, are what the steps give."""
    found = damaged_copies(database)
    if not found:
        yield Check(section, "curves", "good", "the thinned copies of all runs are what their steps give")
        return
    named = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
    said = f"the thinned copies of {plural(len(found), 'run')} are damaged: {named}; the steps are whole"
    yield Check(section, "curves", "bad", said, "itop doctor --repair builds them again from the steps")


def _disk(section: str, home: Path) -> Check:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if not os.access(existing, os.W_OK) and users.owner_of(existing) == users.current():
        return Check(section, "folder", "bad", f"{existing} cannot be written to", "set ITOP_HOME to another folder")
    tone: Verdict = "bad" if free < _NO_DISK else "warn" if free < _LOW_DISK else "good"
    fix = "" if tone == "good" else "itop delete frees the space of runs"
    return Check(section, "folder", tone, f"{size(free)} free in {home}", fix)


def _registered(section: str, database: Database, *, checksums: bool) -> Iterator[Check]:
    """Whether the file of every checkpoint is where it should be, and whole."""
    found = examine_files(database, checksums=checksums)
    if not found.wrong and not found.outside:
        seen = "with its checksum" if checksums else "in its size"
        yield Check(section, "checkpoints", "good", f"{plural(found.total, 'file')}, each in its place and {seen}")
        return
    parts = [f"{count} {word}" for word, count in found.counts().items()]
    parts += [f"{len(found.outside)} outside of the folder of its run"] if found.outside else []
    row = found.wrong[0][0] if found.wrong else found.outside[0]
    said = f"of {found.total}: {', '.join(parts)}; such as checkpoint {row.id} of run {row.run_id}, {row.path}"
    if not found.wrong:
        yield Check(section, "checkpoints", "warn", said, "they are read, but never removed with their runs")
        return
    fix = f"copy them back from where they are; itop checkpoints {row.run_id} lists what that run has"
    # With a server, another home may have them.
    elsewhere = database.path is None and set(found.counts()) == {MISSING}
    yield Check(section, "checkpoints", "warn" if elsewhere else "bad", said, fix)


def _leftovers(section: str, database: Database) -> Iterator[Check]:
    found = leftovers.find(database)
    if found.files:
        held = sum(path.lstat().st_size for path in found.files)
        found_there = f"{plural(len(found.files), 'file')} of {size(held)} without a record, such as {found.files[0]}"
        yield Check(section, "leftovers", "warn", found_there, "resuming its run removes them, and so does deleting it")
    if found.folders:
        held = found.bytes - sum(path.lstat().st_size for path in found.files)
        found_there = f"{plural(len(found.folders), 'folder')} of {size(held)} of runs this database does not know"
        fix = f"unless another database (ITOP_DATABASE_URL) has them, remove them: {found.folders[0]}"
        yield Check(section, "unknown runs", "warn", found_there, fix)


def _scheduler(database: Database) -> Iterator[Check]:
    section = "Scheduler"
    if database.read_only is None:
        submit.reconcile(database)
    queued = run_owners.how_many_wait(database)
    active = runs.count(database, RunQuery(statuses=ACTIVE, archived=None))
    work = f"{plural(active, 'run')} active, {queued:,} queued"
    if submit.scheduler_running(database):
        since = scheduler_since()
        known = "" if since is None else f" since {moment(since)}"
        yield Check(section, "scheduler", "good", f"running{known}; {work}")
    elif queued:
        yield Check(section, "scheduler", "warn", f"not running; {work}", "itop runs starts it again")
    else:
        yield Check(section, "scheduler", "good", f"not running; {work}: it starts with the next run")
    yield from _others_schedulers(section, database)


def _others_schedulers(section: str, database: Database) -> Iterator[Check]:
    for other in submit.other_schedulers(database):
        yield Check(section, other.user.name, "good", f"{other}, and starts the runs of {other.user.name} only")


def _permissions(section: str, home: Path) -> Iterator[Check]:
    """Who else can read or change what is in the home."""
    shared = private_files.is_shared(home)
    found = list(private_files.too_open(home))
    if found:
        others = "others than its group" if shared else "other users"
        fix = f"chmod -R {'o' if shared else 'go'}-rwx {shlex.quote(str(home))}"
        what = f"{plural(len(found), 'file or folder', 'files or folders')} can be read or changed by {others}, such as"
        yield Check(section, "permissions", "warn", f"{what} {found[0]}", fix)
    elif home.is_dir():
        group = f"shared with the group {sharing.group_of(home)}" if shared else "private to its owner"
        yield Check(section, "permissions", "good", group)


def _signs_of_life(database: Database) -> Iterator[Check]:
    """Runs that nothing is heard of, and a clock that is behind what was recorded."""
    section, now = "Scheduler", time.time()
    for run in runs.active(database):
        if (quiet := silence(run, now)) is not None:
            found = f"run {run.id} ({plain(run.name, 60)}) on {plain(run.host or 'no host', 60)}: {no_sign(quiet)}"
            yield Check(section, "silent run", "warn", found, f"if its machine is gone: itop give-up {run.id}")
    ahead = (attempts.latest_moment(database) or now) - now
    if ahead > _CLOCKS_DIFFER:
        found = f"{span(ahead)} behind the latest record: it was set back, or another host's is ahead"
        yield Check(section, "clock", "warn", found, "set the clocks of all hosts by NTP; ages read 0 until then")


def scheduler_since() -> float | None:
    """When this home's scheduler was started, in unix seconds, or None if it is not known."""
    import psutil

    for process in psutil.process_iter():
        try:
            home = process.environ().get("ITOP_HOME")
            if "engine.launch.scheduler" in process.cmdline() and home is not None and Path(home) == paths.home():
                return float(process.create_time())
        except (psutil.Error, OSError):
            continue
    return None


def _data_sets() -> Iterator[Check]:
    section = "Data sets"
    folder = data_folder()
    missing: list[str] = []
    for name, info in DATASETS.items():
        if name not in LAYOUTS:
            yield Check(section, name, "good", "bundled with scikit-learn")
            continue
        found = next((place for place in candidates(name, folder) if _is_really(name, place)), None)
        if found is not None:
            yield Check(section, name, "good", f"found in {found.folder}")
        elif info.download:
            yield Check(section, name, "absent", "not here: downloaded when a run needs it")
        else:
            missing.append(name)
            yield Check(section, name, "absent", "not here, and not downloadable")
    fix = f"put {' or '.join(missing)} there, or set ITOP_DATA_DIR, before training on them" if missing else ""
    yield Check(section, "looked in", "good", str(folder), fix)


def _is_really(name: str, place: Located) -> bool:
    """Whether a place holds this data set, and not another one that uses the same file names."""
    if (expected := FIRST_LABELS.get(name)) is None:
        return True
    path = place.files["train-labels-idx1-ubyte"]
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(_IDX_HEADER + len(expected))[_IDX_HEADER:] == expected
    except (OSError, EOFError):
        return False


def _environment() -> Iterator[Check]:
    section = "Environment"
    for name in _VARIABLES:
        if (value := os.environ.get(name)) is not None:
            shown = _without_password(value) if name == "ITOP_DATABASE_URL" else value
            yield Check(section, name, "good", plain(shown) or "(empty)")
    yield Check(section, "state", "good", str(paths.home()) + ("" if "ITOP_HOME" in os.environ else " (the default)"))
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        fix = "set LC_ALL=C.UTF-8, or another UTF-8 locale"
        yield Check(section, "encoding", "warn", f"{sys.stdout.encoding}: charts and marks cannot be shown", fix)


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{separator}{user.split(':', 1)[0]}:***@{place}" if at and ":" in user else url
