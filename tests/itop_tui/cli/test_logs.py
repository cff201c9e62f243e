"""`itop logs`: every line once, and none that could write on the terminal."""

from __future__ import annotations

import os
import re
import threading
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import RunStatus
from db.runs import attempts, runs, shelf
from db.session import Database
from itop_tui.cli.commands.logs import harmless
from itop_tui.figures.log_tail import LogTail
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import log_of, queued, running

_FRAGMENTS = st.sampled_from(
    ["\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1bP1$q\x1b\\", "\x9b1m", "\x1bc", "\x1b"]
)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[1;31mred\x1b[0m text", "red text"),
        ("\x1b]0;owned\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGVsbG8=", ""),
        ("10 %\r50 %\r100 %", "100 %"),
        ("windows\r\n", "windows"),
        ("a\tb", "a\tb"),
        ("bell\x07 null\x00 back\x08", "bell null back"),
        ("\x9b31mc1 control", "c1 control"),
        ("‮reversed⁦", "reversed"),
        ("[bold]markup[/bold] stays", "[bold]markup[/bold] stays"),
        ("ζ = 0.5, 日本語, 🎉", "ζ = 0.5, 日本語, 🎉"),
    ],
)
def test_escapes_are_taken_out_and_text_stays(line: str, shown: str) -> None:
    assert harmless(line) == shown


@given(st.lists(st.text(max_size=8) | _FRAGMENTS, max_size=8).map("".join))
def test_no_line_can_control_the_terminal(line: str) -> None:
    shown = harmless(line)
    assert all(character == "\t" or unicodedata.category(character) != "Cc" for character in shown)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    assert harmless(shown) == shown


@given(st.lists(st.text(alphabet=st.characters(categories=("L", "N", "S"))), max_size=6), st.data())
def test_a_file_that_grows_in_any_pieces_gives_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], source: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "console.log"
    content = "".join(line + "\n" for line in lines).encode()
    tail = LogTail(path, None, clean=harmless)
    seen = list(tail.read().lines)
    written = 0
    while written < len(content):
        size = source.draw(st.integers(min_value=1, max_value=7))
        with path.open("ab") as file:
            file.write(content[written : written + size])
        written += size
        seen += tail.read().lines
    assert [*seen, *tail.read_unfinished()] == lines


def test_the_last_line_is_given_without_its_end_when_nothing_more_comes(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("one\ntwo")
    tail = LogTail(path, None, clean=harmless)
    assert tail.read().lines == ("one",)
    assert tail.read_unfinished() == ("two",)


def test_logs_prints_the_log_and_its_last_lines(itop: Itop, database: Database) -> None:
    run = queued(database)
    assert "has written no log yet" in itop("logs", str(run.id)).err
    log_of(run).write_text("one\n\x1b[31mtwo\x1b[0m\nthree\n")
    assert itop("logs", str(run.id)).out == "one\ntwo\nthree\n"
    assert itop("logs", str(run.id), "-n", "2").out == "two\nthree\n"
    assert itop("logs", str(run.id), "-n", "0").out == ""
    assert itop("logs", str(run.id), "--json").json()["lines"] == ["one", "two", "three"]
    assert itop("logs", str(run.id), "-n", "-1").code == 2


def test_the_last_lines_of_a_large_log_are_read_from_its_end(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the whole log to print ten lines of it."""
    run = queued(database)
    with log_of(run).open("w") as file:
        for block in range(200):
            file.writelines(f"line {block * 1000 + number:06d} of a log\n" for number in range(1000))
    size, read = log_of(run).stat().st_size, []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)
    shown = itop("logs", str(run.id), "-n", "10").out.splitlines()
    assert shown == [f"line {number:06d} of a log" for number in range(199_990, 200_000)]
    assert sum(read) < size / 20
    assert len(itop("logs", str(run.id)).out.splitlines()) == 200_000
    many = itop("logs", str(run.id), "-n", "150000", "--json").json()["lines"]
    assert (len(many), many[0]) == (150_000, "line 050000 of a log")


def test_what_is_written_before_a_log_is_found_is_followed_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    tail = LogTail(path, 1)
    assert tail.read().missing
    path.write_text("one\ntwo\nthree\n")
    assert tail.read().lines == ("one", "two", "three")


def test_follow_goes_on_until_the_run_has_ended(itop: Itop, database: Database) -> None:
    run = queued(database)
    attempt = running(database, run)
    path = log_of(run)
    path.write_text("before\n")

    def train() -> None:
        with path.open("a") as file:
            file.write("during\n")
        attempts.finish(database, attempt, status=RunStatus.COMPLETED, reason=None)
        with path.open("a") as file:
            file.write("last words")

    worker = threading.Timer(0.3, train)
    worker.start()
    outcome = itop("logs", str(run.id), "-f")
    worker.join()
    assert outcome.code == 0
    assert outcome.out.startswith("before\nduring\n")


@pytest.mark.parametrize("how", ["held", "trash", "permanently"])
def test_follow_ends_where_the_run_does_not_go_on_by_itself(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    run = queued(database)
    ends: dict[str, Callable[[], object]] = {
        "held": lambda: runs.hold(database, run.id),
        "trash": lambda: shelf.trash(database, [run.id]),
        "permanently": lambda: runs.delete(database, run.id),
    }
    monkeypatch.setattr(time, "sleep", lambda _: ends[how]())  # between two looks at the run
    outcome = itop("logs", str(run.id), "--follow")
    assert outcome.code == 1
    assert f"Run {run.id}: {'held by user' if how == 'held' else 'deleted'}" in outcome.err
