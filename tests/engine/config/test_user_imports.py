"""Running the user's modules: names that others have too, what they import, and what surrounds them."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import db
import engine
from engine.config.user_calls import PRIVATE_PREFIX, ReferenceProblem, user_code
from engine.config.user_imports import executed, forget_changed, import_function
from tests.engine.user_modules import imported_from


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder as the current one; what was imported from it is forgotten afterwards."""
    here = tmp_path / "project"
    here.mkdir()
    with imported_from(here, monkeypatch):
        yield here


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


_NAMES = ("engine/net.py", "db.py", "itop_tui/x.py", "tests.py", "utils.py", "types.py", "torch.py", "my-net.v2.py")


@pytest.mark.parametrize("name", _NAMES)
def test_a_file_of_any_name_is_no_conflict(folder: Path, name: str) -> None:
    write(folder, {name: "import types, torch\ndef build(): return types.SimpleNamespace(mine=torch.float32)"})
    answer = import_function(f"{name}:build")()
    assert isinstance(answer, types.SimpleNamespace)
    assert sys.modules["engine"] is engine
    assert sys.modules["db"] is db
    assert sys.modules["types"] is types


@pytest.mark.parametrize("package", [True, False], ids=["a package", "without __init__"])
def test_a_folder_called_engine_is_the_users_in_the_users_code(folder: Path, package: bool) -> None:
    write(
        folder,
        {
            "engine/net.py": "from engine.other import x\nfrom .third import y\nimport engine.deep.four as f\n"
            "import engine.fifth\nfrom engine import sixth\nfrom engine.sparsity import Masking\n"
            "def build(): return x, y, f.z, engine.fifth.v, sixth.w, Masking.__module__",
            "engine/other.py": "from engine.fifth import v\nx = v + 1",
            "engine/third.py": "y = 2",
            "engine/deep/four.py": "from ..third import y\nz = y + 1",
            "engine/fifth.py": "v = 5",
            "engine/sixth.py": "w = 6",
        },
    )
    if package:
        write(folder, {"engine/__init__.py": "", "engine/deep/__init__.py": ""})
    assert import_function("engine/net.py:build")() == (6, 2, 3, 5, 6, "engine.sparsity.masking")
    assert not hasattr(engine, "other")


def test_a_module_found_by_python_may_import_from_the_users_engine(folder: Path) -> None:
    write(folder, {"engine/net.py": "width = 7", "mine.py": "from engine.net import width\ndef build(): return width"})
    assert import_function("mine:build")() == 7


def test_siblings_are_found_as_in_a_script(folder: Path) -> None:
    write(
        folder,
        {
            "models/net.py": "import helper, random, statistics\nfrom types import SimpleNamespace\n"
            "def build():\n    import late\n    return helper.x, late.y, random, SimpleNamespace, statistics.mine",
            "models/helper.py": "from random import Random\nfrom profile import settings\nx = settings",
            "models/late.py": "y = 2",
            "models/profile.py": "settings = 4",
            "models/types.py": "",
            "models/statistics.py": "mine = 8",
        },
    )
    assert import_function("models/net.py:build")() == (4, 2, random, types.SimpleNamespace, 8)


def test_modules_of_a_package_do_not_hide_pythons_own(folder: Path) -> None:
    write(
        folder,
        {
            "package/__init__.py": "",
            "package/net.py": "import logging, random\nfrom package import logging as mine\n"
            "def build(): return logging.getLogger, random.Random, mine.own",
            "package/logging.py": "own = 1",
            "package/random.py": "own = 2",
        },
    )
    assert import_function("package/net.py:build")()[1:] == (random.Random, 1)


def test_a_folder_that_is_no_package_does_not_hide_an_installed_one(folder: Path) -> None:
    write(folder, {"torch/nn.py": "", "net.py": "import torch.nn\ndef build(): return torch.nn.Module"})
    assert import_function("net.py:build")().__module__ == "torch.nn.modules.module"


def test_a_file_works_from_any_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"lib/common.py": "x = 3", "exp/net.py": "from lib.common import x\ndef build(): return x"})
    (folder / ".git").mkdir()
    monkeypatch.chdir("/")
    assert import_function(f"{folder}/exp/net.py:build")() == 3


def test_a_changed_file_or_sibling_is_imported_again(folder: Path) -> None:
    write(folder, {"net.py": "from helper import x\ndef build(): return x", "helper.py": "x = 1"})
    first = import_function("net.py:build")
    assert first() == 1
    forget_changed()
    assert import_function("net.py:build") is first
    write(folder, {"helper.py": "x = 2"})  # the same size, in the same second: a cache would not see it
    forget_changed()
    assert import_function("net.py:build")() == 2
    assert executed()[str(folder / "helper.py")] == b"x = 2"


def test_what_failed_to_import_is_not_kept_half(folder: Path) -> None:
    write(folder, {"net.py": "import helper\ndef build(): return helper.x", "helper.py": "x = 1\nraise KeyError('no')"})
    with pytest.raises(ReferenceProblem, match=r"file net.py does not import: KeyError: 'no'"):
        import_function("net.py:build")
    write(folder, {"helper.py": "x = 1"})
    forget_changed()
    assert import_function("net.py:build")() == 1


def test_messages_show_no_private_names(folder: Path) -> None:
    write(folder, {"net.py": "from helper import nothing", "helper.py": ""})
    with pytest.raises(ReferenceProblem, match="cannot import name 'nothing' from 'helper'") as caught:
        import_function("net.py:build")
    assert PRIVATE_PREFIX not in str(caught.value)


_EXITS = [
    ("import sys\nsys.exit(2)", "sys.exit(2) in net.py line 2"),
    ("raise SystemExit", "sys.exit() in net.py line 1"),
    ("import sys\n\nsys.exit('no data')", "sys.exit('no data') in net.py line 3"),
    ("quit(1)", "sys.exit(1) in net.py line 1"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt in net.py line 1"),
    ("class Own(BaseException): pass\nraise Own('x')", "Own: x in net.py line 2"),
    (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--width', required=True)\np.parse_args()",
        "sys.exit(2) in net.py line 4: the following arguments are required: --width",
    ),
]


@pytest.mark.parametrize(("source", "message"), _EXITS)
def test_code_that_ends_the_process_is_an_error_that_says_where(folder: Path, source: str, message: str) -> None:
    write(folder, {"net.py": source})
    for reference, name in (("net.py:build", "net.py"), ("net:build", "net")):
        with pytest.raises(ReferenceProblem) as caught:
            import_function(reference)
        assert str(caught.value) == f"{name} ended the process: {message}"


def test_the_users_code_finds_no_arguments(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["worker", "7", "--attempt", "9"])
    text = (
        "import argparse, sys\np = argparse.ArgumentParser()\np.add_argument('--width', type=int, default=32)\n"
        "width = p.parse_args().width\nseen = list(sys.argv)\ndef build(): return width, seen, sys.argv"
    )
    write(folder, {"net.py": text, "other.py": text})
    for reference, file in (("net.py:build", "net.py"), ("other:build", "other.py")):
        function = import_function(reference)
        with user_code(reference):
            assert function() == (32, [str(folder / file)], [str(folder / file)])
    assert sys.argv == ["worker", "7", "--attempt", "9"]
