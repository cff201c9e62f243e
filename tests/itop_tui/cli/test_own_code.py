"""The user's code on the command line: what is refused before queueing, and what `show` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.runs import code, runs
from db.session import Database
from engine.training.code_files import snapshot
from tests.db.helpers import start
from tests.itop_tui.cli.conftest import Itop

_TRAIN = ("train", "--data", "digits", "--epochs", "1", "--name", "own")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here = tmp_path / "project"
    (here / "engine").mkdir(parents=True)
    (here / "engine" / "net.py").write_text("width = 1\ndef build(): ...\n")
    monkeypatch.chdir(here)
    return here


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_run_is_refused_before_it_is_queued(itop: Itop, database: Database) -> None:
    for model, message in (
        ("engine/nett.py:build", "did you mean net.py?"),
        ("engine/net.py:biuld", "did you mean build?"),
        ("engine.net:build", "engine is also itop's own package: give the file: engine/net.py:build"),
    ):
        done = itop(*_TRAIN, "--model", model)
        assert done.code != 0
        assert message in " ".join(done.err.split())
    assert runs.totals(database).runs == 0


def test_show_says_which_files_changed_before_the_start_and_since(itop: Itop, database: Database, folder: Path) -> None:
    net = folder / "engine" / "net.py"
    assert itop(*_TRAIN, "--model", "engine/net.py:build").code == 0
    run = runs.find(database, "own")
    assert run.model == "net.py:build"
    net.write_text("width = 2\ndef build(): ...\n")
    attempt = start(database, run)
    code.keep(database, run.id, attempt.number, snapshot(run.config["model"], "digits"))
    shown = " ".join(itop("show", "own").out.split())
    assert "changed between queueing and start: net.py" in shown
    assert "changed since" not in shown
    net.write_text("width = 3\ndef build(): ...\n")
    assert "changed since: net.py" in " ".join(itop("show", "own").out.split())
    lines = itop("show", "own", "--diff").out.splitlines()
    assert [line for line in lines if line[1:].startswith("width")] == [
        "+width = 2", "-width = 1", "+width = 2", "-width = 2", "+width = 3"
    ]  # fmt: skip
    (document,) = itop("show", "own", "--json").json()["attempts"]
    assert document["code"]["changed_since"] == document["code"]["changed_before_start"] == [str(net)]
    assert document["code"]["files"][0]["path"] == str(net)
    assert "width" not in str(document["code"])
