"""What is kept of the code and the surroundings of an attempt: enough to repeat it, and no secret."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import torch

from db.runs import attempts
from db.session import Database
from engine import worker
from engine.training import code_state, provenance
from engine.training.code_state import CodeState, Inquiry, state_of
from tests.engine.worker_runs import trained
from tests.patience import PATIENCE


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "model.py").write_text("layers = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    assert state_of([repository]) == CodeState(git(repository, "rev-parse", "HEAD"), False, None)


def test_what_differs_is_kept_and_untracked_files_are_only_named(repository: Path) -> None:
    (repository / "model.py").write_text("layers = 2\n")
    (repository / "notes.txt").write_text("not for others\n")
    found = state_of([repository / "."])
    assert found.dirty is True
    assert found.diff is not None
    assert "-layers = 1\n+layers = 2" in found.diff
    assert "# untracked: notes.txt" in found.diff
    assert "not for others" not in found.diff
    git(repository, "checkout", "-q", "model.py")
    assert state_of([repository]).dirty is False  # an untracked file makes no tree dirty


def test_the_difference_can_be_applied_again(repository: Path) -> None:
    (repository / "model.py").write_text("layers = 3\n")
    found = state_of([repository])
    assert found.diff is not None
    git(repository, "checkout", "-q", "model.py")
    subprocess.run(["git", "-C", str(repository), "apply"], input=found.diff, text=True, check=True)
    assert (repository / "model.py").read_text() == "layers = 3\n"


def test_a_large_difference_is_cut_and_says_so(repository: Path) -> None:
    (repository / "model.py").write_text("".join(f"layer{n} = {n}\n" for n in range(20_000)))
    found = state_of([repository])
    assert found.diff is not None
    assert len(found.diff) < code_state.DIFF_LIMIT + 1_000
    assert "# cut off here: the whole difference has" in found.diff


def test_files_that_promise_secrets_are_left_out(repository: Path) -> None:
    for name in (".env", "deep/My-Secrets.yaml", "server.key"):
        path = repository / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("nothing\n")
    git(repository, "add", "-f", ".")
    git(repository, "commit", "-q", "-m", "second")
    for name in (".env", "deep/My-Secrets.yaml", "server.key"):
        (repository / name).write_text("hunter2\n")
    found = state_of([repository])
    assert found.dirty is True
    assert found.diff is not None
    assert "hunter2" not in found.diff
    assert "suggest secrets" in found.diff


def test_nothing_that_the_repository_configures_is_executed(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    for name in ("diff.external", "core.fsmonitor", "diff.py.textconv"):
        git(repository, "config", name, f"touch {trap}; true")
    (repository / ".gitattributes").write_text("*.py diff=py\n")
    (repository / "model.py").write_text("layers = 2\n")
    found = state_of([repository])
    assert found.diff is not None
    assert "+layers = 2" in found.diff
    assert not trap.exists()


def test_no_repository_no_commit_and_no_git_are_no_failures(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_of([tmp_path]) == CodeState()
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    assert state_of([empty]) == CodeState(None, False, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert state_of([repository]) == CodeState()


def test_a_git_that_does_not_answer_holds_up_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, answered = tmp_path / "bin" / "git", tmp_path / "answered"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\nuntil [ -e '{answered}' ]; do /bin/sleep 0.05; done\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent))
    monkeypatch.setattr(code_state, "_GIT_SECONDS", PATIENCE)
    started = time.monotonic()
    found = Inquiry([repository]).answer(0.1)
    answered.touch()  # git has not ended before: what was found was not waited for
    assert time.monotonic() - started < PATIENCE / 2
    assert (found.commit, found.dirty) == (None, None)
    assert "took too long" in str(found.diff)


def test_the_users_own_code_comes_first_then_the_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    assert code_state.places("model:build", "digits") == [repository, repository]
    assert code_state.places(f"{repository}/model.py:build", "digits") == [repository, repository]
    assert code_state.places("vgg-c", "digits") == [repository]
    assert code_state.places("no_such_module:build", "digits") == [repository]
    assert code_state.places("engine.models.lenet:lenet5", "digits") == [repository]


def test_this_programs_commit_is_never_the_attempts(repository: Path, tmp_path: Path) -> None:
    own = tmp_path / "itop"
    git(tmp_path, "clone", "-q", str(repository), str(own))
    commit = git(own, "rev-parse", "HEAD")
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert state_of([nowhere], own) == CodeState(None, None, None, f"commit {commit[:12]}")
    (own / "model.py").write_text("layers = 9\n")
    found = state_of([repository], own)
    assert (found.commit, found.dirty) == (git(repository, "rev-parse", "HEAD"), False)
    assert found.program == f"commit {commit[:12]}, changed"
    assert found.diff is not None
    assert found.diff.startswith(f"# itop itself, {own}, commit {commit}")
    assert "+layers = 9" in found.diff


def test_it_is_known_whether_git_tracks_a_file(repository: Path, tmp_path: Path) -> None:
    (repository / ".gitignore").write_text("ignored.py\n")
    files = [str(repository / name) for name in ("model.py", "new.py", "ignored.py")]
    for path in files[1:]:
        Path(path).write_text("")
    (tmp_path / "elsewhere.py").write_text("")
    asked = [*files, str(tmp_path / "elsewhere.py")]
    found = Inquiry([repository], files=asked).answer(PATIENCE)
    assert found.tracked == dict(zip(files, (True, False, False), strict=True))


def test_two_repositories_have_a_section_each(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(repository), str(other))
    (repository / "model.py").write_text("layers = 2\n")
    (other / "model.py").write_text("layers = 5\n")
    found = state_of([other, repository, other])
    assert found.diff is not None
    assert [line for line in found.diff.splitlines() if line.startswith("# repository")] == [
        f"# repository {one}, commit {found.commit}" for one in (other, repository)
    ]


def test_variables_that_matter_are_kept_and_no_secret_among_them() -> None:
    given = {
        "OMP_NUM_THREADS": "4",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "SLURM_JOB_ID": "77",
        "ITOP_DATABASE_URL": "postgresql+psycopg://me:hunter2@db.example.org/itop?sslkey=hunter3&x=1",
        "ITOP_API_TOKEN": "hunter4",
        "SLURM_JWT": "hunter5",
        "NCCL_SECRET": "hunter6",
        "AWS_ACCESS_KEY_ID": "hunter7",
        "HOME": "/home/me",
        "TORCH_LOGS": "x" * 5_000,
        "PYTHONPATH": "/a\0b",
    }
    kept = provenance.environment(given)
    assert set(kept) == {
        "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "ITOP_DATABASE_URL", "TORCH_LOGS", "PYTHONPATH"
    }  # fmt: skip
    assert "hunter" not in str(kept)
    assert kept["ITOP_DATABASE_URL"] == "postgresql+psycopg://***@db.example.org/itop?sslkey=***&x=1"
    assert len(kept["TORCH_LOGS"]) == 1_000
    assert kept["PYTHONPATH"] == "/ab"


def test_versions_name_what_computes() -> None:
    found = provenance.versions(torch.device("cpu"))
    assert {"itop", "python", "torch", "numpy", "platform", "cpu"} <= found.keys()
    assert all(found.values())


@pytest.mark.usefixtures("signals")
def test_all_of_it_is_kept_with_the_attempt(db: Database, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("ITOP_API_TOKEN", "hunter2")
    monkeypatch.setattr(worker, "_GIT_SECONDS", PATIENCE)
    monkeypatch.setattr(code_state, "_GIT_SECONDS", PATIENCE)
    (repository / "model.py").write_text("layers = 2\n")
    run = trained(db, epochs=1)
    attempt = attempts.latest(db, run.id)
    assert attempt is not None
    assert attempt.dirty is True
    assert "+layers = 2" in str(attempt.diff)
    assert attempt.environment is not None
    assert attempt.environment["ITOP_HOME"] == os.environ["ITOP_HOME"]
    assert "hunter2" not in str(attempt)
    assert str(attempt.command_line).endswith(f"-m engine.worker {run.id} --attempt {attempt.id}")
