"""How many bytes a second the app writes to its terminal while a run trains fast: what a slow connection has to carry.

The app is a real process in a real pseudo-terminal of 120 by 40, the run is one that trains on digits. A repaint is
counted by the sequence that ends a frame, which the terminal here says that it understands.
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

from db.records import RunStatus
from db.runs import runs
from db.session import Database
from tests.patience import wait_for

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

SECONDS = float(os.environ.get("ITOP_BENCHMARK_SECONDS", "15"))
SYNCHRONISED_ASKED, SYNCHRONISED_KNOWN, FRAME_END = b"\x1b[?2026$p", b"\x1b[?2026;2$y", b"\x1b[?2026l"
MOST_FRAMES, MOST_BYTES = 4.0, 20_000
"""A second, on any view."""


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
        [sys.executable, "-m", "itop_tui"],
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
    """A run that makes many steps a second until it is killed."""
    itop = [sys.executable, "-m", "itop_tui"]
    variables = {**os.environ, "ITOP_HOME": str(home)}
    flags = ["--preset", "digits-rigl", "--epochs", "100000", "--device", "cpu"]
    subprocess.run([*itop, "train", *flags], env=variables, check=True, capture_output=True)
    try:
        with contextlib.closing(Database.open()) as database:
            wait_for(lambda: runs.get(database, 1).status is RunStatus.RUNNING, "the run to start")
            wait_for(lambda: runs.get(database, 1).step > 500, "the run to train")
        yield
    finally:
        subprocess.run([*itop, "kill", "1"], env=variables, check=True, capture_output=True)


def test_bytes_a_second_beside_a_run_that_trains(home: Path) -> None:
    """At most four repaints a second on any view, and 20 KB a second."""
    measured: dict[str, tuple[float, float]] = {}
    with training(home), app(home) as screen:
        for view, keys in {"list": b"", "charts": b"\r", "log": b"5", "queue": b"\x1b\x1bQ"}.items():
            os.write(screen.master, keys)
            time.sleep(3)  # opening a screen is not what is measured
            measured[view] = screen.measure(SECONDS)
    print()
    for view, (size, frames) in measured.items():
        print(f"{view:<8} {size / 1000:7.1f} KB a second in {frames:5.1f} repaints of {size / max(frames, 0.1):,.0f} B")
    for view, (size, frames) in measured.items():
        assert frames <= MOST_FRAMES, view
        assert size <= MOST_BYTES, view
