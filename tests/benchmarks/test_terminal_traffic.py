"""How many bytes a second the app writes to its terminal while four runs train fast, and how soon it answers a key.

That is what a slow connection has to carry. The app is a real process in a real pseudo-terminal of 120 by 40, the runs
train on digits. A repaint is counted by the sequence that ends a frame, which the terminal here says that it
understands; a key is answered by the first frame after it. That may be one of the at most four a second that come by
themselves, so the median says more than the fastest.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db import key_values
from db.records import RunStatus
from db.runs import runs
from db.session import Database
from tests.benchmarks.measuring import spread
from tests.patience import wait_for

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SECONDS = float(os.environ.get("ITOP_BENCHMARK_SECONDS", "15"))
SYNCHRONISED_ASKED, SYNCHRONISED_KNOWN, FRAME_END = b"\x1b[?2026$p", b"\x1b[?2026;2$y", b"\x1b[?2026l"
RUNS = 4
MOST_FRAMES = 4.0
"""A second, on any view."""
MOST_BYTES = {"list": 5_000, "charts": 20_000, "layers": 20_000, "log": 20_000, "queue": 20_000}
"""A second, on each view."""
OPENED_BY = {"list": b"", "charts": b"\r", "layers": b"2", "log": b"5", "queue": b"\x1b\x1bQ"}
"""The keys that lead to each view from the one before."""
ANSWERED = {"list": b"jk", "charts": b"-+", "layers": b"jk", "log": b"kj", "queue": b"jk"}
"""Two keys of each view that show something else, one after the other."""
PRESSES = 20


@dataclass(frozen=True)
class Traffic:
    """What a view takes: bytes and repaints a second, and how long each key waited for its answer."""

    size: float
    frames: float
    answers: tuple[float, ...]


@dataclass
class Screen:
    """What the app has written so far."""

    master: int
    size: int = 0
    frames: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> None:
        """Count what is written until the terminal is closed, and answer the one question that the app asks."""
        with contextlib.suppress(OSError):  # the terminal closes with the process
            while data := os.read(self.master, 65536):
                if SYNCHRONISED_ASKED in data:
                    os.write(self.master, SYNCHRONISED_KNOWN)
                with self.lock:
                    self.size += len(data)
                    self.frames += data.count(FRAME_END)

    def answer(self, key: bytes) -> float:
        """Seconds from a key to the end of the next frame."""
        with self.lock:
            before = self.frames
        began = time.monotonic()
        os.write(self.master, key)
        wait_for(lambda: self.frames > before, f"an answer to {key!r}", every=0.001)
        return time.monotonic() - began

    def measure(self, seconds: float) -> tuple[float, float]:
        """Bytes and frames a second from now on."""
        before, began = (self.size, self.frames), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        return (self.size - before[0]) / passed, (self.frames - before[1]) / passed


@contextlib.contextmanager
def app(home: Path, *, rows: int = 40, columns: int = 120) -> Iterator[Screen]:
    """The app in a pseudo-terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    variables = {**os.environ, "ITOP_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "itop_tui"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=variables,
        start_new_session=True,
    )
    os.close(slave)
    screen = Screen(master)
    reader = threading.Thread(target=screen.read, daemon=True)
    reader.start()
    try:
        wait_for(lambda: screen.size > 0, "the app to write something")
        time.sleep(5)  # the list has to be there before a key can open one of it
        yield screen
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        os.close(master)


@contextlib.contextmanager
def training(home: Path) -> Iterator[None]:
    """Runs that make many steps a second until they are killed."""
    itop = [sys.executable, "-P", "-m", "itop_tui"]
    variables = {**os.environ, "ITOP_HOME": str(home)}
    with contextlib.closing(Database.open()) as database:
        key_values.put(database, "slots", {"cpu": RUNS})
    flags = ["--preset", "digits-rigl", "--epochs", "100000", "--device", "cpu", "--seed", f"1..{RUNS}"]
    subprocess.run([*itop, "sweep", *flags], env=variables, check=True, capture_output=True)
    ids = range(1, RUNS + 1)
    try:
        with contextlib.closing(Database.open()) as database:
            for each in ids:
                wait_for(lambda each=each: runs.get(database, each).status is RunStatus.RUNNING, "a run to start")  # type: ignore[misc]
            for each in ids:
                wait_for(lambda each=each: runs.get(database, each).step > 500, "a run to train")  # type: ignore[misc]
        yield
    finally:
        subprocess.run([*itop, "kill", *map(str, ids)], env=variables, check=True, capture_output=True)


def test_bytes_a_second_and_answers_beside_runs_that_train(home: Path) -> None:
    """At most four repaints a second on any view, and what each view may take; the answers are printed beside them."""
    measured: dict[str, Traffic] = {}
    with training(home), app(home) as screen:
        for view, keys in OPENED_BY.items():
            os.write(screen.master, keys)
            time.sleep(3)  # opening a screen is not what is measured
            size, frames = screen.measure(SECONDS)
            answers = tuple(screen.answer(ANSWERED[view][turn % 2 : turn % 2 + 1]) for turn in range(PRESSES))
            measured[view] = Traffic(size, frames, answers)
    print(f"\n{RUNS} runs train, 120 x 40, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for view, traffic in measured.items():
        each = traffic.size / max(traffic.frames, 0.1)
        print(f"{view:<8} {traffic.size / 1000:5.1f} KB a second in {traffic.frames:4.1f} repaints of {each:,.0f} B")
        print(f"{'':<8} a key is answered after {spread(traffic.answers)}")
    for view, traffic in measured.items():
        assert traffic.frames <= MOST_FRAMES, view
        assert traffic.size <= MOST_BYTES[view], view
