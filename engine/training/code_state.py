"""Of which code an attempt runs: the commits of the repositories it comes from, and what differs from them.

Two places are looked at, in this order; each repository counts once, and the first one's commit is the attempt's:

1. where the user's own model and data functions stand,
2. the working directory.

This program's own commit, where it runs from a checkout, is a part of its version and never the attempt's commit; what
differs in that checkout stands last.

git is asked in threads while torch is imported, so a start does not wait for it; a repository that has not answered
soon after is reported as too slow; none of this is a reason to fail. Only tracked files are compared; untracked ones
are named. No external diff, text conversion or file monitor of the user's configuration is run; the clean filters of
their repository (Git LFS, say) are, as by any `git status`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.config.references import OWN_PACKAGES, PROGRAM, module_file, parse
from engine.training.secret_text import SECRET_NAMES, masked

__all__ = ["DIFF_LIMIT", "PROGRAM_SECTION", "CodeState", "Inquiry", "places", "program_checkout", "state_of"]

DIFF_LIMIT = 128 * 1024
"""Characters of difference that are kept of one repository; the rest is cut off, and the text says so."""

PROGRAM_SECTION = "# itop itself, "
"""How the section of this program's own checkout begins."""

_GIT_SECONDS = 5.0
_UNTRACKED = 100  # names that are listed


@dataclass(frozen=True, slots=True)
class CodeState:
    """What one look at the repositories found.

    Attributes:
        commit: Of the first repository; None where there is none.
        dirty: Whether tracked files of any of them differ; None where that is not known.
        diff: What differs, a section for each repository that does, and the names of untracked files; None where
            nothing does.
        program: This program's own commit, and whether its checkout differs; None where it was installed.
        tracked: Of the files that were asked about, whether git tracks them.
    """

    commit: str | None = None
    dirty: bool | None = None
    diff: str | None = None
    program: str | None = None
    tracked: Mapping[str, bool] = field(default_factory=dict)


class Inquiry:
    """Asks git in a separate thread, from the moment it is made.

    Args:
        folders: Where to look, the most telling first.
        program: The checkout of this program, if it runs from one.
        files: Files of which to say whether git tracks them.
    """

    def __init__(self, folders: Iterable[Path], *, program: Path | None = None, files: Iterable[str] = ()) -> None:
        self._answer: Future[CodeState] = Future()
        self._folders = list(folders)
        self._program = program
        self._files = list(files)
        threading.Thread(target=self._ask, name="provenance", daemon=True).start()

    def answer(self, patience: float) -> CodeState:
        """What was found, waiting for it at most so many seconds; where it takes longer, nothing but that is known."""
        try:
            return self._answer.result(timeout=patience)
        except TimeoutError:
            return CodeState(diff="# git took too long to answer: commit and differences are not known")

    def _ask(self) -> None:
        try:
            found = state_of(self._folders, self._program)
            self._answer.set_result(replace(found, tracked=_tracked(self._files)))
        except Exception as error:  # whatever a repository may be made of, it keeps no run from starting
            self._answer.set_result(CodeState(diff=f"# git could not be asked: {type(error).__name__}"))


def places(model: str, data: str) -> list[Path]:
    """The folders whose repositories matter for a run of this model and this data set."""
    found = [place for place in map(_module_folder, (model, data)) if place is not None]
    return [*found, Path.cwd()]


def program_checkout() -> Path | None:
    """The checkout that this program runs from; None where it was installed, perhaps below somebody's repository."""
    return PROGRAM if (PROGRAM / ".git").exists() else None


def _module_folder(reference: str) -> Path | None:
    """Where the module of a reference stands, found without importing it."""
    found = parse(reference)
    if found is None:
        return None
    file = found.file or module_file(found.module)
    if file is not None:
        own = any(file.is_relative_to(PROGRAM / name) for name in OWN_PACKAGES)
        return file.parent if file.parent.is_dir() and not own else None
    package = found.module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or spec.origin in ("built-in", "frozen"):
        return None
    return Path(spec.origin).resolve().parent


def state_of(folders: Iterable[Path], program: Path | None = None) -> CodeState:
    """Look at the repositories that folders are in, and at the checkout of this program."""
    roots: dict[str, str | None] = {}
    for folder in folders:
        root = _git(folder, "rev-parse", "--show-toplevel")
        if root and root.strip() not in roots:
            commit = _git(folder, "rev-parse", "--verify", "HEAD")
            roots[root.strip()] = commit.strip() if commit else None
    sections = []
    dirty: bool | None = False
    for root, commit in roots.items():
        changed, section = _differences(Path(root), commit)
        dirty = None if changed is None or dirty is None else dirty or changed
        if section:
            sections.append(f"# repository {root}, commit {commit or 'none yet'}\n{section}")
    itself = None
    if program is not None and (own := _git(program, "rev-parse", "--verify", "HEAD")):
        changed, section = _differences(program, own.strip()) if str(program) not in roots else (False, "")
        itself = f"commit {own.strip()[:12]}" + (", changed" if changed else "")
        if changed:
            sections.append(f"{PROGRAM_SECTION}{program}, commit {own.strip()}\n{section}")
    commit = next(iter(roots.values()), None)
    return CodeState(commit, dirty if roots else None, "\n".join(sections) or None, itself)


def _tracked(files: Iterable[str]) -> dict[str, bool]:
    """Whether git tracks files; those that are in no repository are left out."""
    folders: dict[str, list[str]] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    found: dict[str, bool] = {}
    for folder, names in folders.items():
        known = _git(Path(folder), "ls-files", "-z", "--", *names)
        if known is not None:
            found |= {f"{folder}/{name}": name in known.split("\0") for name in names}
    return found


def _differences(root: Path, commit: str | None) -> tuple[bool | None, str]:
    """Whether tracked files of a repository differ, and in what."""
    status = _git(root, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal")
    if status is None:
        return None, "# git did not say what differs\n"
    entries = [entry for entry in status.split("\0") if entry]
    untracked = [entry[3:] for entry in entries if entry.startswith("?? ")]
    changed = len(entries) > len(untracked)
    shown = ""
    if changed and commit is not None:
        # Of files whose names suggest a secret, and of those in such folders, only the name is kept.
        hidden = [f":(exclude,icase,glob)**/{name}{below}" for name in SECRET_NAMES for below in ("", "/**")]
        diff = _git(root, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", "--", ".", *hidden)
        if diff is None:
            shown = "# git did not say in what files differ\n"
        elif len(diff) > DIFF_LIMIT:
            shown = f"{masked(diff[:DIFF_LIMIT])}\n# cut off here: the whole difference has {len(diff):,} characters\n"
        else:
            shown = masked(diff) or "# what differs is in files whose names suggest secrets: left out\n"
    if untracked:
        shown += "".join(f"# untracked: {name}\n" for name in untracked[:_UNTRACKED])
        if len(untracked) > _UNTRACKED:
            shown += f"# and {len(untracked) - _UNTRACKED:,} more untracked files\n"
    return changed, shown.replace("\0", "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers, or None where it is missing, fails, or takes too long."""
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_GIT_SECONDS, check=False, env=quiet
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode("utf-8", errors="replace") if answer.returncode == 0 else None
