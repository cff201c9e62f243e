"""The kernels are compiled once, kept where no one else can write, and replaced by torch's where they cannot be."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from engine.sparsity import kernels
from engine.sparsity.kernels import library

pytestmark = pytest.mark.skipif(library.compiler() is None, reason="there is no C compiler (cc)")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A source that is compiled at once; returns the commands that were run."""
    source = tmp_path / "quick.c"
    source.write_text("int answer(void) { return 42; }\n")
    monkeypatch.setattr(library, "SOURCE", source)
    commands: list[list[str]] = []
    run = subprocess.run

    def noted(command: list[str], **rest: object) -> object:
        commands.append(command)
        return run(command, **rest)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", noted)
    return commands


def test_they_are_compiled_once_and_kept_private(
    quick: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache" / "kernels"
    assert library.load(folder)["answer"]() == 42
    assert library.load(folder)["answer"]() == 42
    assert len(quick) == 1
    assert capsys.readouterr().err.splitlines() == ["compiling the sparse kernels, once for this user and processor"]
    assert [path.name for path in folder.iterdir()] == [library.file_name()]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / library.file_name()).stat().st_mode) == 0o700


def test_other_sources_have_other_names(quick: list[list[str]], tmp_path: Path) -> None:
    before = library.file_name()
    library.SOURCE.write_text("int answer(void) { return 43; }\n")
    assert library.file_name() != before
    assert library.load(tmp_path / "cache")["answer"]() == 43


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_what_others_could_have_written_is_not_loaded(quick: list[list[str]], tmp_path: Path, what: str) -> None:
    folder = tmp_path / "cache"
    library.load(folder)
    path = folder / library.file_name()
    if what == "folder":
        folder.chmod(0o777)
    elif what == "file":
        path.chmod(0o722)
    else:
        path.rename(tmp_path / "elsewhere.so")
        path.symlink_to(tmp_path / "elsewhere.so")
    assert library.load(folder)["answer"]() == 42
    assert len(quick) == 2, "compiled again"
    if what == "folder":
        assert not quick[1][quick[1].index("-o") + 1].startswith(str(folder))


def test_a_damaged_file_is_compiled_again(quick: list[list[str]], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    path = folder / library.file_name()
    path.write_bytes(b"not a library")
    path.chmod(0o700)
    assert library.load(folder)["answer"]() == 42


def test_a_compiler_without_threads_is_used_without_them(
    quick: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_threads", lambda: ("-fno-such-flag-as-this",))
    assert library.load(tmp_path / "cache")["answer"]() == 42
    assert len(quick) == 2


@pytest.mark.parametrize(
    ("source", "compiler", "why"),
    [
        ("int answer(void) { return; } #error\n", None, r"cannot compile the kernels: .*error"),
        ("", "/nowhere/cc", "cannot compile the kernels: .*No such file"),
        ("", "", r"there is no C compiler \(cc\)"),
    ],
)
def test_where_they_cannot_be_compiled_torch_takes_their_place(
    quick: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: str,
    compiler: str | None,
    why: str,
) -> None:
    library.SOURCE.write_text(source)
    if compiler is not None:
        monkeypatch.setattr(library, "compiler", lambda: compiler or None)
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(library.LibraryError, match=why):
        library.load()
    assert list((tmp_path / "cache").iterdir()) == []
    capsys.readouterr()

    monkeypatch.delenv("ITOP_KERNELS", raising=False)
    assert kernels.products.__wrapped__().name == "torch"
    assert capsys.readouterr().err.splitlines()[-1].startswith("the sparse kernels are torch's own, which are slower: ")
    monkeypatch.setenv("ITOP_KERNELS", "c")
    with pytest.raises(library.LibraryError, match=why):
        kernels.products.__wrapped__()


def test_the_variable_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_KERNELS", "torch")
    assert kernels.products.__wrapped__().name == "torch"
    monkeypatch.setenv("ITOP_KERNELS", "cuda")
    with pytest.raises(library.LibraryError, match=r"ITOP_KERNELS = 'cuda': must be c or torch"):
        kernels.products.__wrapped__()
