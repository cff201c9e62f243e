"""How long `itop demo` takes, from queueing to its last result, beside what the app and the README say of it.

Run with `-m benchmark --benchmark-enable -s`. The claim is for two cores that do nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from itop_tui.service.words import DEMO_LENGTH

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

_MINUTES = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def claimed() -> float:
    """The seconds that the demo is said to take at most."""
    found = re.fullmatch(r"under (\w+) minutes?", DEMO_LENGTH)
    assert found is not None, f"{DEMO_LENGTH!r} names no limit that can be measured"
    return 60.0 * _MINUTES[found[1]]


def test_the_demo_takes_as_long_as_is_said(home: Path) -> None:
    """As a person starts it, with the scheduler and the workers that it needs."""
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "itop_tui", "demo", "--json"]
    done = subprocess.run(command, env={**os.environ, "ITOP_HOME": str(home)}, capture_output=True, text=True)
    taken = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"\nthe demo took {taken:.0f} s; it is said to take {DEMO_LENGTH} ({load})")
    assert taken < claimed()
