"""Of which code an attempt runs: the commits of the repositories it comes from, and what differs from them.

Three places are looked at, in this order; each repository counts once, and the first one's commit is the attempt's:

1. where the user's own model and data functions (`package.module:function`) stand,
2. this program itself, where it runs from a checkout,
3. the working directory.

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
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DIFF_LIMIT", "CodeState", "Inquiry", "places", "state_of"]

DIFF_LIMIT = 128 * 1024
"""Characters of difference that are kept of one repository; the rest is cut off, and the text says so."""

_GIT_SECONDS = 5.0
_UNTRACKED = 100  # names that are listed

# A difference is kept for long and shown to others: of files whose names suggest a secret only the name is kept.
_SECRET_NAMES = (".env*", "*secret*", "*credential*", "*password*", "*token*", "*.pem", "*.key", "*.p12", ".netrc")


@dataclass(frozen=True, slots=True)
class CodeState:
    """What one look at the repositories found.

    Attributes:
        commit: Of the first repository; None where there is none.
        dirty: Whether tracked files of any of them differ; None where that is not known.
        diff: What differs, a section for each repository that does, and the names of untracked files; None where
            nothing does.
    """

    commit: str | None = None
    dirty: bool | None = None
    diff: str | None = None


class Inquiry:
    """Asks git in a separate thread, from the moment it is made.

    Args:
        folders: Where to look, the most telling first.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._answer: Future[CodeState] = Future()
        self._folders = list(folders)
        threading.Thread(target=self._ask, name="provenance", daemon=True).start()

    def answer(self, patience: float) -> CodeState:
        """What was found, waiting for it at most so many seconds; where it takes longer, nothing but that is known."""
        try:
            return self._answer.result(timeout=patience)
        except TimeoutError:
            return CodeState(diff="# git took too long to answer: commit and differences are not known")

    def _ask(self) -> None:
        try:
            self._answer.set_result(state_of(self._folders))
        except Exception as error:  # whatever a repository may be made of, it keeps no run from starting
            self._answer.set_result(CodeState(diff=f"# git could not be asked: {type(error).__name__}"))


def places(model: str, data: str) -> list[Path]:
    """The folders whose repositories matter for a run of this model and this data set."""
    found = [place for place in map(_module_folder, (model, data)) if place is not None]
    program = Path(__file__).resolve().parents[2]
    if (program / ".git").exists():  # else it was installed, perhaps below somebody's repository
        found.append(program)
    return [*found, Path.cwd()]


def _module_folder(reference: str) -> Path | None:
    """Where the module of a `package.module:function` stands, found without importing it."""
    module, colon, _ = reference.partition(":")
    if not colon:
        return None
    package = module.partition(".")[0]
    here = Path.cwd()
    for candidate in (here / f"{package}.py", here / package):  # where it is looked for although not on the path
        if candidate.exists():
            return here
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or spec.origin in ("built-in", "frozen"):
        return None
    return Path(spec.origin).resolve().parent


def state_of(folders: Iterable[Path]) -> CodeState:
    """Look at the repositories that folders are in."""
    roots: dict[str, str | None] = {}
    for folder in folders:
        root = _git(folder, "rev-parse", "--show-toplevel")
        if root and root.strip() not in roots:
            commit = _git(folder, "rev-parse", "--verify", "HEAD")
            roots[root.strip()] = commit.strip() if commit else None
    if not roots:
        return CodeState()
    sections = []
    dirty: bool | None = False
    for root, commit in roots.items():
        changed, section = _differences(Path(root), commit)
        dirty = None if changed is None or dirty is None else dirty or changed
        if section:
            sections.append(f"# repository {root}, commit {commit or 'none yet'}\n{section}")
    return CodeState(next(iter(roots.values())), dirty, "\n".join(sections) or None)


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
        hidden = [f":(exclude,icase,glob)**/{name}" for name in _SECRET_NAMES]
        diff = _git(root, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", "--", ".", *hidden)
        if diff is None:
            shown = "# git did not say in what files differ\n"
        elif len(diff) > DIFF_LIMIT:
            shown = f"{diff[:DIFF_LIMIT]}\n# cut off here: the whole difference has {len(diff):,} characters\n"
        else:
            shown = diff or "# what differs is in files whose names suggest secrets: left out\n"
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
