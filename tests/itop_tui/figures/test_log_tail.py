"""Reading a log that grows: its end first, then only what is new."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itop_tui.figures import log_tail
from itop_tui.figures.log_tail import LogTail, clean_line


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def test_only_what_was_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    append(path, "one\ntwo\n")
    tail = LogTail(path)
    first = tail.read()
    assert (first.lines, first.restarted, first.skipped) == (("one", "two"), True, 0)
    assert tail.read().lines == ()
    append(path, "three\nfo")
    assert tail.read().lines == ("three",)
    append(path, "ur\n")
    chunk = tail.read()
    assert (chunk.lines, chunk.restarted) == (("four",), False)


def test_a_missing_file_is_said_and_then_found(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    tail = LogTail(path)
    assert tail.read().missing
    append(path, "begun\n")
    chunk = tail.read()
    assert (chunk.lines, chunk.missing, chunk.restarted) == (("begun",), False, True)
    path.unlink()
    assert tail.read().restarted
    assert not tail.read().restarted


def test_a_file_that_was_cut_or_replaced_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    append(path, "a long first line\nsecond\n")
    tail = LogTail(path)
    tail.read()
    path.write_text("new\n")
    chunk = tail.read()
    assert (chunk.lines, chunk.restarted) == (("new",), True)
    other = tmp_path / "other"
    other.write_text("replaced by a file that is longer than before\n")
    other.replace(path)
    chunk = tail.read()
    assert (chunk.lines, chunk.restarted) == (("replaced by a file that is longer than before",), True)


@given(lines=st.lists(st.text("abc ", max_size=30), max_size=60), wanted=st.integers(1, 70))
def test_the_last_lines_are_read_first(tmp_path_factory: pytest.TempPathFactory, lines: list[str], wanted: int) -> None:
    path = tmp_path_factory.mktemp("log") / "console.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    chunk = LogTail(path, first_lines=wanted).read()
    assert list(chunk.lines) == lines[-wanted:]
    assert chunk.skipped == sum(len(line) + 1 for line in lines[:-wanted])


def test_of_a_huge_file_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "_BLOCK", 64)
    path = tmp_path / "console.log"
    path.write_text("".join(f"line {number}\n" for number in range(100_000)))
    chunk = LogTail(path).read()
    assert len(chunk.lines) == log_tail.FIRST_LINES
    assert chunk.lines[-1] == "line 99999"
    assert chunk.skipped > 0


def test_a_line_without_end_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_text("x" * 100_000)
    chunk = LogTail(path).read()
    assert len(chunk.lines) == 1
    assert len(chunk.lines[0]) <= 16_000


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[Hhome", "home"),
        (" 10%\r 50%\r100%", "100%"),
        ("done\r", "done"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
        ("a\tb", "a       b"),
        ("right\u202eleft", "rightleft"),
        ("bell\x07", "bell␇"),
        ("\x9b31mred", "red"),
        ("\x1b(Bplain", "plain"),
        ("", ""),
    ],
)
def test_lines_are_made_plain(raw: str, shown: str) -> None:
    assert clean_line(raw) == shown


@given(st.text())
def test_no_control_character_survives(raw: str) -> None:
    assert not any(ord(character) < 32 or ord(character) == 127 for character in clean_line(raw))
