from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from db.records import RunStatus
from engine.launch.exit_reasons import EXIT_NO_DATABASE, Ending, before_first_step, own_modules, verdict
from engine.launch.oom import oom_kills


@pytest.mark.parametrize(
    ("record", "kill_asked", "expected"),
    [
        ({"signal": 9}, False, Ending(RunStatus.KILLED, "killed by SIGKILL (signal 9)", signal=9)),
        (
            {"signal": 9, "who": "rank 0 of 2 on ws1"},
            False,
            Ending(RunStatus.KILLED, "rank 0 of 2 on ws1 was killed by SIGKILL (signal 9)", signal=9),
        ),
        ({"signal": 11}, False, Ending(RunStatus.KILLED, "killed by SIGSEGV (signal 11)", signal=11)),
        ({"signal": 9}, True, Ending(RunStatus.KILLED, "killed by user", signal=9)),
        (
            {"signal": 9, "out_of_memory": True, "peak_memory": 3 << 29},
            False,
            Ending(
                RunStatus.KILLED,
                "out of memory: killed by the kernel (its memory had reached 1.5 GiB)",
                signal=9,
            ),
        ),
        ({"signal": 9, "out_of_memory": True}, True, Ending(RunStatus.KILLED, "killed by user", signal=9)),
        # Somebody else's process was killed for memory while ours died of something of its own.
        (
            {"signal": 6, "out_of_memory": True},
            False,
            Ending(RunStatus.KILLED, "killed by SIGABRT (signal 6)", signal=6),
        ),
        ({"signal": 15}, False, Ending(RunStatus.KILLED, "killed by SIGTERM (signal 15)", signal=15)),
        (
            {"signal": 15, "stop_forwarded": True},
            False,
            Ending(RunStatus.STOPPED, "stopped before training began", signal=15),
        ),
        (
            {"exit_code": 1, "last_line": "ValueError: no"},
            False,
            Ending(RunStatus.FAILED, "ValueError: no", exit_code=1),
        ),
        (
            {"exit_code": 1, "last_line": None},
            False,
            Ending(RunStatus.FAILED, "exited with code 1 and printed nothing", exit_code=1),
        ),
        ({"exit_code": 3}, False, Ending(RunStatus.STOPPED, "stopped", exit_code=3)),
        (
            {"exit_code": 0, "last_line": "fine"},
            False,
            Ending(RunStatus.FAILED, "exited with code 0 before it had recorded a result", exit_code=0),
        ),
        (
            {"exit_code": 5, "last_line": "reading the data"},
            False,
            Ending(RunStatus.FAILED, "exited with code 5; its last line: reading the data", exit_code=5),
        ),
        ({"problem": "no such file"}, False, Ending(RunStatus.FAILED, "no such file")),
    ],
)
def test_each_end_is_told_from_the_others(record: dict[str, Any], kill_asked: bool, expected: Ending) -> None:
    found = verdict(record, kill_asked=kill_asked)
    assert found._replace(retry_may_help=False, unexplained=False) == expected


@pytest.mark.parametrize(
    ("record", "kill_asked", "retry_may_help"),
    [
        ({"signal": 9}, False, True),
        ({"signal": 9, "out_of_memory": True}, False, True),
        ({"exit_code": EXIT_NO_DATABASE, "last_line": "cannot open the database"}, False, True),
        ({"exit_code": 1, "last_line": "no"}, False, False),
        ({"exit_code": 0}, False, False),
        ({"problem": "no such file"}, False, True),
        ({"signal": 9}, True, False),
        ({"exit_code": 3}, False, False),
        ({"signal": 15, "stop_forwarded": True}, False, False),
        ({"signal": 9, "time_limit": 60.0}, False, False),
    ],
)
def test_what_can_pass_by_itself_may_be_tried_again(
    record: dict[str, Any], kill_asked: bool, retry_may_help: bool
) -> None:
    assert verdict(record, kill_asked=kill_asked).retry_may_help is retry_may_help


def test_an_exit_before_the_first_step_names_the_modules_that_may_have_asked_for_it() -> None:
    config = {"model": "mine.nets:build", "data": "sets:digits"}
    assert own_modules(config) == ["mine.nets", "sets"]
    assert own_modules({"model": "lenet5", "data": "digits"}) == []

    def reason(record: dict[str, Any], modules: list[str]) -> str:
        return before_first_step(verdict(record, kill_asked=False), modules).reason

    silent = {"exit_code": 0, "last_line": None}
    assert reason(silent, []) == "the worker ended with exit code 0 before its first step"
    assert reason(silent, own_modules(config)).endswith("does mine.nets or sets call sys.exit() or os._exit()?")
    assert reason({"exit_code": 4, "last_line": "bye"}, ["sets"]) == (
        "the worker ended with exit code 4 before its first step: does sets call os._exit()? Its last line: bye"
    )
    assert reason({"exit_code": 1, "last_line": "ImportError: no torch"}, ["sets"]) == "ImportError: no torch"
    assert reason({"signal": 9}, ["sets"]) == "killed by SIGKILL (signal 9)"


def test_a_worker_that_had_to_be_ended_at_its_time_limit() -> None:
    record = {"signal": 9, "time_limit": 5400.0}
    assert verdict(record, kill_asked=False) == Ending(
        RunStatus.STOPPED, "time limit of 1 h 30 min reached; it did not answer and was ended by SIGKILL", signal=9
    )
    assert (
        verdict({"exit_code": 3, "time_limit": 5400.0}, kill_asked=False).reason == "time limit of 1 h 30 min reached"
    )
    assert verdict(record, kill_asked=True).reason == "killed by user"


def test_the_workers_own_word_is_the_verdict() -> None:
    word = Ending(RunStatus.FAILED, "ValueError: no", 1, ended_at=7.0, traceback="Traceback", retry_may_help=True)
    record = {"exit_code": 1, "said": json.loads(json.dumps(word.as_dict())), "ended_at": 8.0}
    assert verdict(record, kill_asked=False) == word._replace(ended_at=8.0)
    for said in (None, "nonsense", {}, {"status": "dancing", "reason": ""}, {"status": "running", "reason": ""}):
        assert verdict({"signal": 9, "said": said}, kill_asked=False).reason == "killed by SIGKILL (signal 9)"


def test_the_end_is_dated_when_it_was_not_when_it_is_written_down() -> None:
    assert verdict({"exit_code": 1, "ended_at": 12.5}, kill_asked=False).ended_at == 12.5


@pytest.mark.parametrize("number", list(signal.Signals))
def test_no_signal_is_taken_for_a_success(number: int) -> None:
    assert verdict({"signal": int(number)}, kill_asked=False).status is RunStatus.KILLED


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


@pytest.mark.parametrize("shown", ["a/b", ""])
def test_the_counter_of_a_control_group_of_version_2(tmp_path: Path, shown: str) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/a/b\n")
    write(tmp_path / "sys/fs/cgroup" / shown / "memory.events", "low 0\noom 9\noom_kill 2\noom_group_kill 0\n")
    assert oom_kills(tmp_path) == 2
    write(tmp_path / "proc/vmstat", "nr_free_pages 7\noom_kill 5\n")
    assert oom_kills(tmp_path) == 7


def test_the_counter_of_a_control_group_of_version_1(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "9:pids:/x\n4:cpu,memory:/a\n0::/\n")
    write(tmp_path / "sys/fs/cgroup/memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert oom_kills(tmp_path) == 4


def test_where_the_system_tells_nothing_the_counter_is_none(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) is None
