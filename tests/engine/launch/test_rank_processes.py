"""The first rank that died gives the reason, not those that lost contact; `test_worker_ranks` kills true ranks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psutil

from db.records import RunStatus
from engine.launch.exit_reasons import Ending
from engine.launch.processes import host_name
from engine.launch.rank_processes import RankProcesses, _Death, report
from tests.patience import PATIENCE, wait_for


def dead(rank: int, code: int = 1, **said: object) -> _Death:
    return _Death(rank, code, said, out_of_memory=False)


def died(*deaths: _Death) -> RankProcesses:
    ranks = RankProcesses(4)
    ranks._deaths.extend(deaths)
    return ranks


def test_the_reason_is_that_of_the_rank_that_died_by_itself() -> None:
    echo = dead(1, lost_contact=True, reason="DistNetworkError: connection closed")
    ending = died(echo, dead(3, -signal.SIGKILL)).cause(PATIENCE)
    assert ending is not None
    assert (ending.status, ending.signal) == (RunStatus.KILLED, signal.SIGKILL)
    assert ending.reason == f"rank 3 of 4 on {host_name()} was killed by SIGKILL (signal 9)"


def test_a_rank_that_was_out_of_memory_says_so_and_one_that_said_nothing_its_code() -> None:
    ending = died(_Death(2, -signal.SIGKILL, {}, out_of_memory=True)).cause(PATIENCE)
    assert ending is not None
    assert ending.reason == f"out of memory: rank 2 of 4 on {host_name()} was killed by the kernel"
    ending = died(dead(2, 7)).cause(PATIENCE)
    assert ending is not None
    assert ending.reason == f"rank 2 of 4 on {host_name()}: exited with code 7 before the run was over"


def test_where_all_ranks_live_there_is_no_cause() -> None:
    assert died().cause(0.0) is None


def test_a_worker_that_does_not_notice_a_death_is_ended_by_its_watcher() -> None:
    ranks = died(dead(1, -signal.SIGTERM))
    called: list[Ending] = []
    thread = threading.Thread(target=ranks._attend, args=(called.append,))
    thread.start()
    thread.join(PATIENCE)
    assert [ending.signal for ending in called] == [signal.SIGTERM]
    assert ranks.cause(0.0) is not None


def test_a_worker_that_notices_a_death_is_left_alone() -> None:
    ranks = died(dead(1))
    called: list[Ending] = []
    assert ranks.cause(0.0) is not None
    thread = threading.Thread(target=ranks._attend, args=(called.append,))
    thread.start()
    thread.join(PATIENCE)
    assert called == []


def test_a_long_traceback_does_not_block_a_rank_that_ends() -> None:
    read, write = os.pipe()
    try:
        report(write, {"reason": "why", "traceback": "x" * 1_000_000})
        assert os.read(read, 65_536) == b'{"reason": "why", "traceback": null}'
    finally:
        os.close(read)
        os.close(write)


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-P", "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
sys.stdin.read()
"""
CHILD = """
import os, sys, time
from engine.launch.rank_processes import die_with
die_with(os.getppid())
print("ready", flush=True)
while True: time.sleep(3600)
"""


def test_a_rank_dies_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid, word = parent.stdout.readline().split()
        child = psutil.Process(int(pid))
        assert word == "ready"
        parent.kill()
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child to die")
