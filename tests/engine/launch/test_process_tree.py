"""A process and what it started: their load and memory, also of children that end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from engine.launch.process_tree import ProcessTree

_WORKS = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\nsys.stdin.read()\n"
"""Uses 0.3 seconds of a core, says so, and waits."""


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-S", "-c", _WORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_what_it_started_counts_and_the_sum_does_not_fall_when_that_ends(child: subprocess.Popen[str]) -> None:
    now = [0.0]
    tree = ProcessTree(os.getpid(), clock=lambda: now[0])
    first = tree.read()
    assert {os.getpid(), child.pid} <= first.pids
    assert first.cores is None

    assert child.stdout is not None
    assert child.stdout.readline() == "done\n"
    now[0] = 10.0
    worked = tree.read()
    # The 0.3 seconds of the child, less what it had used already, and what this process used meanwhile.
    assert worked.cores is not None
    assert worked.cores > 0.01
    assert worked.memory is not None

    child.kill()
    child.communicate()
    now[0] = 20.0
    after = tree.read()
    assert child.pid not in after.pids
    assert after.memory is not None
    assert after.memory < worked.memory
    # Its 0.3 seconds are those of this process now, and are neither lost nor counted twice.
    assert after.cores is not None
    assert 0.0 < after.cores < 0.03


def test_of_a_process_that_is_gone_nothing_is_known(child: subprocess.Popen[str]) -> None:
    tree = ProcessTree(child.pid)
    assert tree.read().pids == {child.pid}
    child.kill()
    child.communicate()
    gone = tree.read()
    assert (gone.pids, gone.cores, gone.memory) == (frozenset(), None, None)
    assert ProcessTree(child.pid).read() == gone
