"""The files of the user's code: which they are, what is kept of them, and how they changed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.records import KeptCode
from engine.config.user_imports import executed, import_function
from engine.training.code_files import TEXT_LIMIT, changes, difference, now, queued_for, short_names, snapshot
from tests.engine.user_modules import imported_from


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of the user's, as the current folder."""
    here = tmp_path / "project"
    files = {
        "net.py": "import torch, json, helper\nfrom package.parts import block\ndef build(): return helper, block",
        "helper.py": "def late():\n    import lazy\n",
        "lazy.py": "x = 1",
        "package/__init__.py": "",
        "package/parts/__init__.py": "from . import block",
        "package/parts/block.py": "from ..base import *\nfrom package import twin",
        "package/base.py": "",
        "package/twin.py": "",
        "package/unused.py": "",
        "data.py": "import helper\nimport importlib\nmore = importlib.import_module('dynamic')\ndef load(): ...",
        "dynamic.py": "",
        "unrelated.py": "",
        ".venv/lib/site-packages/installed.py": "",
    }
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    with imported_from(here, monkeypatch, here / ".venv/lib/site-packages"):
        yield here


_OF_THE_NET = {
    "net.py", "helper.py", "lazy.py", "package/__init__.py", "package/parts/__init__.py", "package/parts/block.py",
    "package/base.py", "package/twin.py",
}  # fmt: skip


def names(folder: Path, model: str, data: str = "digits") -> list[str]:
    return [str(Path(file.path).relative_to(folder)) for file in snapshot(model, data)]


@pytest.mark.parametrize("model", ["net.py:build", "net:build"])
def test_the_files_are_found_without_running_anything(folder: Path, model: str) -> None:
    with (folder / "net.py").open("a") as file:
        file.write("\nraise SystemExit(1)")
    found = names(folder, model)
    assert found[0] == "net.py"
    assert set(found) == _OF_THE_NET
    assert set(names(folder, model, "data.py:load")) == _OF_THE_NET | {"data.py"}
    assert "net" not in sys.modules


def test_names_and_files_that_are_missing_or_broken_are_no_code(folder: Path) -> None:
    assert snapshot("vgg-c", "digits") == ()
    assert snapshot("gone.py:build", "no_such_module:load") == ()
    assert snapshot("engine.models.lenet:lenet5", "digits") == ()
    (folder / "net.py").write_text("def (")
    assert names(folder, "net.py:build") == ["net.py"]


def test_the_text_and_the_checksum_are_those_of_the_bytes(folder: Path) -> None:
    content = "# coding: latin-1\nname = 'é'\r\n".encode("latin-1")
    (folder / "net.py").write_bytes(content)
    (file,) = snapshot("net.py:build", "digits")
    assert (file.path, file.bytes) == (str(folder / "net.py"), len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.text == "# coding: latin-1\nname = 'é'\r\n"


def test_of_secrets_and_of_much_text_only_the_checksum_is_kept(folder: Path) -> None:
    (folder / "net.py").write_text("import my_secrets, tokens, large, small")
    for name, text in (("my_secrets", "key = 'hunter2'"), ("tokens", "x = 1"), ("small", "y = 2")):
        (folder / f"{name}.py").write_text(text)
    (folder / "large.py").write_text("#" * TEXT_LIMIT)
    kept = {Path(file.path).stem: file.text for file in snapshot("net.py:build", "digits")}
    assert kept == {
        "net": "import my_secrets, tokens, large, small", "my_secrets": None, "tokens": "x = 1", "large": None,
        "small": "y = 2",
    }  # fmt: skip


def test_what_ran_is_kept_and_not_what_stands_there_now(folder: Path) -> None:
    before = (folder / "data.py").read_text()
    import_function("data.py:load")
    (folder / "data.py").write_text("def load(): return 5")
    kept = {Path(file.path).name: file.text for file in snapshot("digits", "data.py:load", ran=executed())}
    assert kept == {
        "data.py": before,
        "helper.py": "def late():\n    import lazy\n",
        "lazy.py": "x = 1",
        "dynamic.py": "",
    }


def test_changes_are_files_that_differ_or_are_gone(folder: Path) -> None:
    before = snapshot("net.py:build", "digits")
    assert changes(before, now(before)) == []
    (folder / "helper.py").write_text("x = 2\n")
    (folder / "lazy.py").unlink()
    found = {Path(one.path).name: one for one in changes(before, now(before))}
    assert set(found) == {"helper.py", "lazy.py"}
    text = difference(found["helper.py"], "then", "now")
    assert text.splitlines()[:2] == [f"--- {folder}/helper.py\tthen", f"+++ {folder}/helper.py\tnow"]
    assert "-    import lazy\n+x = 2\n" in text
    assert difference(found["lazy.py"], "then", "now") == f"# {folder}/lazy.py: now it is not there\n"


def test_a_change_without_text_names_both_checksums(folder: Path) -> None:
    (folder / "net.py").write_text("import secrets_of_mine")
    secret = folder / "secrets_of_mine.py"
    secret.write_text("key = 'hunter2'")
    before = snapshot("net.py:build", "digits")
    secret.write_text("key = 'hunter3'")
    (change,) = changes(before, now(before))
    text = difference(change, "then", "now")
    assert "another checksum" in text
    assert change.before.sha256[:12] in text
    assert "hunter" not in text


def test_an_attempt_that_was_started_again_by_itself_was_queued_with_the_one_before(folder: Path) -> None:
    files = snapshot("net.py:build", "digits")
    kept = [KeptCode(1, files[:1], files), KeptCode(2, (), files), KeptCode(3, files[1:2], ())]
    assert [queued_for(kept, number) for number in (1, 2, 3, 4)] == [files[:1], files[:1], files[1:2], files[1:2]]
    assert queued_for([], 1) == ()


def test_short_names_leave_out_what_all_have_in_common() -> None:
    assert short_names(["/a/b/net.py"]) == {"/a/b/net.py": "net.py"}
    assert short_names(["/a/b/net.py", "/a/c/d.py"]) == {"/a/b/net.py": "b/net.py", "/a/c/d.py": "c/d.py"}
    assert short_names([]) == {}
