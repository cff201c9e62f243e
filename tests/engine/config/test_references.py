"""References to the user's code: their two forms, and what is known of them without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.catalogue import UnknownNameError, canonical_model
from engine.config.references import absolute, is_reference, reference_problem
from engine.config.run_config import ConfigError, RunConfig

_BUILD = "def build(classes):\n    return classes\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's whose files have names that others have too, as the current one."""
    here = tmp_path / "project"
    for name in ("engine/net.py", "db.py", "itop_tui/x.py", "types.py", "mine.py", "package/__init__.py"):
        file = here / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_BUILD)
    monkeypatch.chdir(here)
    return here


def test_a_file_is_the_same_one_in_every_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = f"{folder}/engine/net.py:build"
    monkeypatch.setenv("HOME", str(folder.parent))
    for text in ("engine/net.py:build", "./engine/../engine/net.py:build", "~/project/engine/net.py:build", whole):
        assert is_reference(text)
        assert absolute(text) == canonical_model(text) == whole
    stored = RunConfig.create(model="engine/net.py:build", data="mine.py:build").as_dict()
    monkeypatch.chdir("/")
    again = RunConfig.create(stored)
    assert (again.model, again.data) == (whole, f"{folder}/mine.py:build")


def test_names_of_files_need_be_no_names_of_modules(folder: Path) -> None:
    for name in ("my-net.v2.py", "a folder/größe.py", "1.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(_BUILD)
        assert canonical_model(f"{name}:build") == f"{folder}/{name}:build"
        assert reference_problem(f"{name}:build") is None


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "engine/net:build",
            "form package.module:function or path/to/file.py:function; did you mean engine/net.py:build?",
        ),
        ("engine/net.py", "names a file and no function in it: write engine/net.py:FUNCTION"),
        ("engine/net.py:", "is not of the form"),
        (":build", "is not of the form"),
        (".py:build", "is not of the form"),
        ("net.py:build\n", "is not of the form"),
    ],
)
def test_what_is_nearly_a_reference_says_what_it_should_be(text: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        canonical_model(text)
    assert message in str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("engine/nett.py:build", "/project/engine/nett.py; did you mean net.py?"),
        ("engin/net.py:build", "/project/engin; did you mean engine?"),
        ("engine/net.py:biuld", "'engine/net.py' has no 'biuld'; did you mean build?"),
        ("engine/net.py:Build.it", "'engine/net.py' has no 'Build.it'; did you mean build?"),
        ("mine:biuld", "'mine' has no 'biuld'; did you mean build?"),
        ("mien:build", "there is no module 'mien'; did you mean mine?"),
        ("package.other:build", "there is no module 'package.other' in "),
        ("engine.net:build", "engine is also itop's own package: give the file: engine/net.py:build"),
        ("db:build", "db is also itop's own package: give the file: db.py:build"),
        ("itop_tui.x:build", "itop_tui is also itop's own package: give the file: itop_tui/x.py:build"),
        ("types:build", "types is also a module of Python's standard library: give the file: types.py:build"),
    ],
)
def test_what_cannot_be_run_is_known_without_running_it(text: str, message: str) -> None:
    found = reference_problem(text)
    assert found is not None
    assert message in found
    assert "\n" not in found


def test_source_that_is_not_python_is_known_too(folder: Path) -> None:
    (folder / "mine.py").write_text("def (")
    assert reference_problem("mine.py:build") == "mine.py is not Python: invalid syntax (line 1)"
    (folder / "mine.py").write_bytes(b"\0\0")
    assert "mine.py is not Python" in str(reference_problem("mine.py:build"))
    (folder / "mine.py").unlink()
    (folder / "mine.py").mkdir()
    assert "is a folder, not a file" in str(reference_problem("mine.py:build"))


@pytest.mark.parametrize(
    "source",
    [
        "from elsewhere import *",
        "def __getattr__(name): ...",
        "globals()['build'] = print",
        "import sys; sys.modules[__name__] = object()",
        "import package.net as build",
        "build: int = 3",
        "if True:\n    from package import build",
        "for build in (print,): pass",
        "class build: pass",
        "(build := print)",
    ],
)
def test_a_function_that_may_be_there_is_not_missed(folder: Path, source: str) -> None:
    (folder / "mine.py").write_text(source)
    assert reference_problem("mine.py:build") is None


def test_a_run_names_the_setting_that_cannot_be_run(folder: Path) -> None:
    config = RunConfig.create(model="mine.py:biuld", data="gone.py:data")
    assert [(one.field, one.value) for one in config.code_problems()] == [
        ("model", f"{folder}/mine.py:biuld"),
        ("data", f"{folder}/gone.py:data"),
    ]
    assert RunConfig.create(model="mine.py:build").code_problems() == []
    with pytest.raises(ConfigError, match="did you mean"):
        RunConfig.create(model="mine/net:build")
