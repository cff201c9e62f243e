"""What the app costs while no key is pressed: processor and memory, beside four runs that train.

The app is a real process in a real pseudo-terminal, and what it writes is read. Four runs record fifty steps a second
each from a process of their own. By default a minute is measured; ``ITOP_BENCHMARK_MINUTES=60`` measures an hour.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3 * 3600)]

MINUTES = float(os.environ.get("ITOP_BENCHMARK_MINUTES", "1"))

TRAINING = """
import time
from contextlib import ExitStack
from db.runs import attempts
from db.session import Database
from db.history.writer import MetricWriter
from tests.itop_tui.run.fabricate import record_run, step_metric

db = Database.open()
with ExitStack() as stack:
    writers = []
    for number in range(4):
        run = record_run(db, name=f"run {number}", steps=200, total_steps=1_000_000)
        attempt = attempts.latest(db, run.id)
        writers.append(stack.enter_context(MetricWriter(db, run.id, attempt.id)))
    print("ready", flush=True)
    step = 200
    while True:
        step += 1
        for writer in writers:
            writer.step(step_metric(step))
        time.sleep(0.02)
"""


@contextlib.contextmanager
def training(home: Path) -> Iterator[None]:
    """Four runs that record fifty steps a second each."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING], env={**os.environ, "ITOP_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def app(home: Path, *, keys: bytes, rows: int = 40, columns: int = 120) -> Iterator[psutil.Process]:
    """The app in a pseudo-terminal, after these keys; what it writes is read and dropped."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "itop_tui"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "ITOP_HOME": str(home), "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(slave)
    written = threading.Event()

    def drain() -> None:
        with contextlib.suppress(OSError):  # the terminal closes with the process
            while os.read(master, 65536):
                written.set()

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        assert written.wait(60), "the app wrote nothing"
        time.sleep(5)  # the list has to be there before a key can open one of it
        os.write(master, keys)
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        os.close(master)


@pytest.mark.parametrize(("view", "keys", "limit"), [("runs", b"", 0.05), ("a run's charts", b"\r", None)])
def test_processor_and_memory_of_the_idle_app(tmp_path: Path, view: str, keys: bytes, limit: float | None) -> None:
    """As much memory at the end as at the beginning; the list, under 5 % of one core."""
    with training(tmp_path), app(tmp_path, keys=keys) as process:
        time.sleep(10)  # its start is not what is measured
        before, began = process.cpu_times(), time.monotonic()
        memory = []
        while (passed := time.monotonic() - began) < MINUTES * 60:
            memory.append((passed, process.memory_info().rss / 2**20))
            time.sleep(max(0.5, MINUTES * 60 / 240))
        after = process.cpu_times()
        share = (after.user + after.system - before.user - before.system) / passed
        quarter = max(1, len(memory) // 4)
        first, last = (statistics.fmean(rss for _, rss in part) for part in (memory[:quarter], memory[-quarter:]))
        growth = (last - first) / (passed * 0.75) * 3600
        print(
            f"\n{view}, {MINUTES:g} min beside four runs: {share:.1%} of one core; memory {first:.1f} MiB in the first "
            f"quarter, {last:.1f} MiB in the last ({growth:+.1f} MiB an hour)"
        )
        assert limit is None or share < limit
        assert last < first * 1.1
