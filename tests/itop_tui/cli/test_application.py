"""The command line as a whole: help, names, errors and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from itop_tui.cli.application import COMMANDS, build
from tests.itop_tui.cli.conftest import Itop

NAMES = [command.name for commands in COMMANDS.values() for command in commands]


def test_help_lists_every_command(itop: Itop) -> None:
    outcome = itop("--help")
    assert outcome.code == 0
    assert all(f" {name} " in outcome.out for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_of_its_own(itop: Itop, name: str) -> None:
    outcome = itop(name, "--help")
    assert outcome.code == 0
    assert f"itop {name}" in outcome.out
    docstring = build(name)[name].help
    assert " ".join(docstring.splitlines()[0].split()) in " ".join(outcome.out.split())


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"stop", "pause", "unpause", "kill", "delete", "compare"}))
def test_every_command_refuses_a_flag_it_does_not_know(itop: Itop, name: str) -> None:
    outcome = itop(name, "--no-such-flag-anywhere")
    assert outcome.code == 2
    assert "there is no flag --no-such-flag-anywhere" in outcome.err


def test_version(itop: Itop) -> None:
    assert itop("--version").out.strip() == version("itop")


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("log", "logs"), ("compere", "compare")])
def test_an_unknown_command_names_the_nearest(itop: Itop, typed: str, meant: str) -> None:
    outcome = itop(typed)
    assert outcome.code == 2
    assert outcome.err.startswith(f"itop: there is no command {typed}; did you mean {meant}?")
    assert outcome.out == ""


def test_too_many_words_and_too_few(itop: Itop) -> None:
    assert "too much on the command line: 2" in itop("show", "1", "2").err
    assert itop("show").code == 2
    assert itop("stop").code == 2


def test_a_run_that_is_not_there(itop: Itop) -> None:
    outcome = itop("show", "7")
    assert outcome.code == 1
    assert outcome.err == "itop: There is no run '7'. There are no runs yet.\n"


def test_without_a_terminal_the_app_says_so(itop: Itop) -> None:
    outcome = itop()
    assert outcome.code == 1
    assert "needs a terminal" in outcome.err


def test_a_foreign_database_is_refused_without_a_traceback(itop: Itop, home: Path) -> None:
    home.mkdir()
    (home / "itop.db").write_bytes(b"this is a diary, not a database" * 10)
    outcome = itop("runs")
    assert outcome.code == 1
    assert "is not a SQLite database" in outcome.err
    assert "Traceback" not in outcome.err
    assert (home / "itop.db").read_bytes() == b"this is a diary, not a database" * 10


def test_a_defect_is_one_line_and_a_traceback_on_request(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    from db.runs import runs

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(runs, "list_runs", broken)
    outcome = itop("runs")
    assert outcome.code == 1
    assert "defect of itop: ZeroDivisionError: by design" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("ITOP_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        itop("runs")


def test_a_reader_that_leaves_is_no_error(home: Path) -> None:
    command = f"{sys.executable} -m itop_tui train --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "ITOP_HOME": str(home)}, check=True
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("line", ["runs --json", "show 7", "nonsense"])
def test_a_stream_that_was_closed_is_no_defect(home: Path, line: str, closed: str) -> None:
    command = f"{sys.executable} -m itop_tui {line} {closed}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ, "ITOP_HOME": str(home)}, check=False
    )
    assert done.returncode == {"runs": 0, "show": 1, "nonsense": 2}[line.split()[0]]
    assert done.stdout == ("[]\n" if "runs" in line and closed == "2>&-" else "")
    assert "defect" not in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "export 1 --format xslx",
            "--format = 'xslx': must be one of csv, json, parquet, tensorboard, safetensors, html",
        ),
        ("export 1 --format jsn", "html; did you mean json?"),
        ("move 1 botom", "TO = 'botom': must be one of top, bottom, up, down; did you mean bottom?"),
        ("priority 1 high", "N = 'high': must be a whole number"),
        ("runs --limit -1", "--limit = '-1': must be at least 0"),
        ("priority 1 99999999999", "N = '99999999999': must be at most 2147483647"),
        ("note 1", "which text? It is missing"),
        ("rename 1", "which name? It is missing"),
    ],
)
def test_a_wrong_value_names_itself_and_what_is_allowed(itop: Itop, line: str, told: str) -> None:
    outcome = itop(*line.split())
    assert outcome.code == 2
    assert told in outcome.err.splitlines()[0]
    assert outcome.out == ""


@pytest.mark.parametrize(
    "line",
    [
        "runs --limit -1",
        "runs --limit 99999999999999999999",
        "metrics 1 --last -1",
        "logs 1 -n -1",
        "train --priority 1e9",
    ],
)
def test_numbers_out_of_bounds_are_a_wrong_command_line(itop: Itop, line: str) -> None:
    outcome = itop(*line.split())
    assert outcome.code == 2
    assert "itop " + line.split()[0] + " --help" in outcome.err
    assert "defect" not in outcome.err
