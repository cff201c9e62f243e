from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.launch.attempt_files import AttemptFiles, last_line, read_json, write_json
from tests.patience import PATIENCE


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "exit-1.json"
    assert write_json(path, {"exit_code": 3})
    assert write_json(path, {"exit_code": 4})
    assert read_json(path) == {"exit_code": 4}
    assert [one.name for one in tmp_path.iterdir()] == ["exit-1.json"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_of_two_exclusive_writers_the_second_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "warden-1.json"
    assert write_json(path, {"warden": 1}, exclusive=True)
    assert not write_json(path, {"warden": 2}, exclusive=True)
    assert read_json(path) == {"warden": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["warden-1.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "exit-1.json"
    write_json(path, {"exit_code": 3})
    with pytest.raises(TypeError):
        write_json(path, {"a": 1, "exit_code": object()})
    assert read_json(path) == {"exit_code": 3}
    assert [one.name for one in tmp_path.iterdir()] == ["exit-1.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_what_is_no_record_reads_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "exit-1.json"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    assert read_json(path) is None
    assert read_json(tmp_path / "absent") is None


def test_attempts_have_files_of_their_own(tmp_path: Path) -> None:
    first, second = AttemptFiles(tmp_path, 1), AttemptFiles(tmp_path, 2)
    assert first.console == second.console
    assert len({first.claim, first.exit, first.kill, second.claim, second.exit, second.kill}) == 6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("\n \n\t\n", None),
        ("one\ntwo\n\n", "two"),
        ("no newline", "no newline"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("\x1b[1;31mred\x1b[0m\n\x1b[2K\n", "red"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\", "text"),
        ("tab\tbed", "tab bed"),
        ("bell\x07 and null\x00", "bell and null"),
        ("x" * 1000, "x" * 399 + "…"),
    ],
)
def test_the_last_line_that_says_something(tmp_path: Path, text: str, expected: str | None) -> None:
    path = tmp_path / "console.log"
    path.write_text(text, encoding="utf-8", newline="")
    assert last_line(path) == expected


def test_the_last_line_of_an_attempt_is_not_one_of_the_attempt_before(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("ValueError: old\n", encoding="utf-8")
    assert last_line(path, start=path.stat().st_size) is None
    assert last_line(tmp_path / "absent") is None


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"\xff" * 1_000_000 + b"\nend\n")
    assert last_line(path) == "end"


@given(st.binary(max_size=300))
def test_the_last_line_never_holds_a_control_character(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.mktemp("log") / "console.log"
    path.write_bytes(text)
    line = last_line(path)
    assert line is None or (line == line.strip() != "" and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("json") / "exit-1.json"
    write_json(path, values)
    assert read_json(path) == json.loads(json.dumps(values))


def test_several_threads_may_write_one_file_at_once(tmp_path: Path) -> None:
    """Two views of the app may ask for the same kill in the same instant."""
    together = threading.Barrier(8)
    failures: list[OSError] = []

    def write(number: int) -> None:
        together.wait(PATIENCE)
        for _ in range(20):
            try:
                write_json(tmp_path / "a.json", {"by": number}, durable=False)
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
