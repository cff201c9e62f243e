"""Where a text is put, by real programs found on PATH, and what may be said of it."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from itop_tui.app import ItopApp
from itop_tui.dialogs.help import MessagesScreen
from itop_tui.tty.clipboard import Clipboard, CopyOutcome
from tests.end_to_end.terminal import needs_tmux
from tests.itop_tui.support import MemoryReader, form_app, make_run, memory_app, open_form, started, wait_for

TEXT = "itop train --name 'größe 实验'\nsecond line"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with no program but the few that these tests put there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, code: int = 0) -> Path:
    """A program that keeps what it is given and with which arguments, and ends with a code; gives where it keeps it."""
    kept = folder / f"{name}.kept"
    script = f'#!/bin/sh\necho "$@" > {shlex.quote(str(kept))}.args\n/bin/cat > {shlex.quote(str(kept))}\nexit {code}\n'
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)
    return kept


def clipboard(folder: Path, **environ: str) -> Clipboard:
    """The ways to the clipboard where only the programs of `folder` are there."""
    found = lambda name: str(folder / name) if (folder / name).exists() else None  # noqa: E731
    return Clipboard(folder.parent / "home", {"PATH": os.environ["PATH"], **environ}, which=found)


def decoded(sequence: str) -> str:
    """The text in an OSC 52."""
    assert sequence.startswith("\x1b]52;c;")
    assert sequence.endswith("\a")
    return base64.b64decode(sequence[7:-1]).decode()


@pytest.mark.parametrize(
    ("name", "variable"), [("wl-copy", "WAYLAND_DISPLAY"), ("xclip", "DISPLAY"), ("xsel", "DISPLAY")]
)
def test_a_program_that_succeeds_has_copied(programs: Path, name: str, variable: str) -> None:
    kept = program(programs, name)
    outcome = clipboard(programs, **{variable: ":0"}).put(TEXT)
    assert outcome == CopyOutcome(name)
    assert outcome.title == "Copied"
    assert kept.read_text() == TEXT
    assert not (programs.parent / "home").exists()


def test_a_program_that_fails_or_hangs_has_not(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("itop_tui.tty.clipboard._SECONDS", 0.2)
    program(programs, "wl-copy", code=1)
    (programs / "xclip").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (programs / "xclip").chmod(0o755)
    outcome = clipboard(programs, WAYLAND_DISPLAY="wayland-0", DISPLAY=":0").put(TEXT)
    assert outcome.program == ""
    assert "Copied" not in outcome.title
    assert outcome.file is not None
    assert outcome.file.read_text() == TEXT + "\n"
    assert outcome.file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("variable", ["SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"])
def test_the_clipboard_of_a_remote_machine_is_not_the_user_s(programs: Path, variable: str) -> None:
    kept = program(programs, "xclip")
    outcome = clipboard(programs, DISPLAY=":10.0", **{variable: "10.0.0.1 1 10.0.0.2 22"}).put(TEXT)
    assert not kept.exists()
    assert "Copied" not in outcome.title + outcome.sentence("The command")
    assert str(outcome.file) in outcome.sentence("The command")


def test_a_plain_terminal_gets_osc_52_and_screen_gets_it_in_parts_it_passes_on(programs: Path) -> None:
    assert decoded(clipboard(programs).sequence(TEXT)) == TEXT
    long = TEXT * 100
    parts = clipboard(programs, STY="123.pts").sequence(long).split("\x1b\\")
    assert parts.pop() == ""
    assert all(part.startswith("\x1bP") and len(part) <= 256 for part in parts)
    assert decoded("".join(part.removeprefix("\x1bP") for part in parts)) == long


def test_in_a_browser_no_program_of_the_server_is_used(programs: Path) -> None:
    kept = program(programs, "xclip")
    page = Clipboard(
        programs.parent / "home", {"DISPLAY": ":0", "TMUX": "/x,1,0"}, lambda name: "/bin/false", apart=True
    )
    assert decoded(page.sequence(TEXT)) == TEXT
    assert page.put(TEXT).program == ""
    assert not kept.exists()


def test_where_the_file_cannot_be_written_it_is_not_named(programs: Path) -> None:
    (programs.parent / "home").write_text("no folder")
    outcome = clipboard(programs).put(TEXT)
    assert outcome.file is None
    assert "it is in" not in outcome.sentence("The command")


def test_a_text_that_terminals_cut_or_ignore_is_said_to_be_long(programs: Path) -> None:
    assert "longer" in clipboard(programs).put("x" * 80_000).sentence("The log")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """A tmux server of its own without the user's settings: the command that reaches it."""
    command = ["tmux", "-L", f"itop-{uuid.uuid4().hex[:8]}", "-f", "/dev/null"]
    subprocess.run([*command, "new-session", "-d", "-s", "t", "sleep 600"], check=True)
    yield command
    subprocess.run([*command, "kill-server"], check=False, capture_output=True)


@needs_tmux
def test_tmux_holds_the_text_and_is_given_both_ways_to_the_terminal(tmux: list[str], tmp_path: Path) -> None:
    inside = subprocess.run(
        [*tmux, "display-message", "-p", "#{socket_path},#{pid},0"], capture_output=True, text=True, check=True
    ).stdout.strip()
    clip = Clipboard(tmp_path / "home", {"PATH": os.environ["PATH"], "TMUX": inside})
    outcome = clip.put(TEXT)
    shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, check=True).stdout
    assert shown == TEXT
    assert outcome.in_tmux
    assert "Copied" not in outcome.title
    assert "tmux" in outcome.sentence("The command")
    plain, _, wrapped = clip.sequence(TEXT).partition("\x1bPtmux;")
    assert decoded(plain) == TEXT
    assert wrapped.endswith("\x1b\\")
    assert decoded(wrapped.removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b")) == TEXT


@needs_tmux
def test_in_tmux_the_client_that_attached_last_says_whether_the_user_is_remote(tmux: list[str], programs: Path) -> None:
    """The variables of the app are those of the session's start, when the user may have sat at the machine."""
    inside = subprocess.run(
        [*tmux, "display-message", "-p", "#{socket_path},#{pid},0"], capture_output=True, text=True, check=True
    ).stdout.strip()
    kept = program(programs, "xclip")
    (programs / "tmux").symlink_to(subprocess.check_output(["which", "tmux"], text=True).strip())
    here = clipboard(programs, DISPLAY=":0", TMUX=inside)
    subprocess.run([*tmux, "set-environment", "-t", "t", "DISPLAY", ":0"], check=True)
    assert here.put(TEXT) == CopyOutcome("xclip")
    kept.unlink()
    subprocess.run([*tmux, "set-environment", "-t", "t", "SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"], check=True)
    assert here.put(TEXT).in_tmux
    assert not kept.exists()


def last(app: ItopApp) -> str:
    """The latest message."""
    return app.notices[-1].text if app.notices else ""


async def test_the_form_and_the_message_log_say_what_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    app = form_app()
    async with app.run_test(size=(120, 40)) as pilot:
        form = await open_form(pilot)
        await pilot.press("ctrl+y")
        await wait_for(pilot, lambda: "OSC 52" in last(app))
        assert app.clipboard == form.form.command_line()
        assert "Copied" not in last(app)
        assert (tmp_path / "copied.txt").read_text() == app.clipboard + "\n"
        await pilot.press("ctrl+l")
        await wait_for(pilot, lambda: isinstance(app.screen, MessagesScreen))
        await pilot.press("Y")
        await wait_for(pilot, lambda: "The message log" in last(app))
        assert "Copied" not in last(app)
        assert "OSC 52" in (tmp_path / "copied.txt").read_text()


async def test_what_a_field_copies_goes_the_same_ways_without_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path))
    app = memory_app(MemoryReader([make_run(1)]))
    async with app.run_test(size=(120, 40)) as pilot:
        await started(pilot, 1)
        await pilot.press("slash", *"word", "shift+home", "ctrl+c")
        await wait_for(pilot, lambda: (tmp_path / "copied.txt").exists())
        assert app.clipboard == "word"
        assert not app.notices


def test_nothing_copies_but_by_the_one_way() -> None:
    """A message "Copied" of its own cannot be true everywhere."""
    for path in (Path(__file__).parents[3] / "itop_tui").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.parent.name != "tty":
            assert "copy_to_clipboard(" not in text, path
            assert '"Copied' not in text, path
