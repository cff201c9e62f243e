from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.launch import processes
from engine.launch.processes import ProcessIdentity, boot_id, signal_name
from tests.engine.launch.tools import wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]


def test_the_current_process_is_alive_and_named_the_same_each_time() -> None:
    me = ProcessIdentity.current()
    assert me.pid == os.getpid()
    assert me.alive()
    assert ProcessIdentity.current() == me
    assert ProcessIdentity.from_dict(me.as_dict()) == me


def test_a_number_that_went_to_another_process_is_not_the_same_process() -> None:
    me = ProcessIdentity.current()
    assert not me._replace(start_time=me.start_time - 1).alive()


def test_a_process_of_an_earlier_boot_is_dead() -> None:
    assert not ProcessIdentity.current()._replace(boot_id="00000000-0000-0000-0000-000000000000").alive()


def test_a_zombie_is_dead_and_still_has_a_name() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None
    wait_for(lambda: not identity.alive(), "the child to be a zombie")
    assert ProcessIdentity.of(child.pid) == identity  # not reaped: its number is still its own
    child.wait()
    assert ProcessIdentity.of(child.pid) is None
    assert not identity.alive()


def test_a_program_whose_name_has_parentheses_and_blanks_is_read_right(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-S", "-c", "import time; time.sleep(1000)"]) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        assert identity.alive()
        child.kill()


def test_a_signal_goes_to_the_group_of_the_process_that_leads_one() -> None:
    code = "import subprocess, sys; c = subprocess.Popen(sys.argv[1:]); print(c.pid, flush=True); c.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *SLEEP], stdout=subprocess.PIPE, start_new_session=True
    ) as leader:
        assert leader.stdout is not None
        child = ProcessIdentity.of(int(leader.stdout.readline()))
        identity = ProcessIdentity.of(leader.pid)
        assert child is not None
        assert identity is not None
        assert identity.send_to_group(signal.SIGKILL)
        wait_for(lambda: not child.alive(), "the leader's child to be dead")
        assert leader.wait() == -signal.SIGKILL
        assert not identity.send_to_group(signal.SIGKILL)


def test_a_process_in_a_group_with_others_gets_the_signal_alone() -> None:
    with subprocess.Popen(SLEEP) as child:  # in our own group: were the group hit, this test would die
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        assert identity.send_to_group(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL


def test_no_signal_goes_to_a_process_that_only_has_the_number() -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        stranger = identity._replace(start_time=identity.start_time + 1)
        assert not stranger.send(signal.SIGKILL)
        assert not stranger.send_to_group(signal.SIGKILL)
        assert identity.alive()
        child.kill()


@pytest.mark.parametrize("values", [None, {}, {"pid": 3}, {"pid": "x", "start_time": 1, "boot_id": "b"}, [1]])
def test_what_is_no_identity_is_none(values: object) -> None:
    assert ProcessIdentity.from_dict(values) is None  # type: ignore[arg-type]


def test_the_other_way_of_looking_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(SLEEP) as child:
        monkeypatch.setattr(processes, "_LINUX", False)
        identity = ProcessIdentity.of(child.pid)
        assert identity is not None
        assert identity.alive()
        assert not identity._replace(start_time=identity.start_time + 1).alive()
        child.kill()
        wait_for(lambda: not identity.alive(), "the child to be a zombie")
    assert ProcessIdentity.of(child.pid) is None


def test_without_proc_a_boot_is_named_by_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "_BOOT_ID", tmp_path / "nothing")
    assert boot_id.__wrapped__().startswith("booted-")


def test_signals_have_names() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(250) == "signal 250"
