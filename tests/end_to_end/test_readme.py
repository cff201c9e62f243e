"""The README is correct: its example runs, its set-up commands are complete, its pictures exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(marker: str) -> str:
    """Returns the fenced block that follows ``<!-- marker -->``."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"README has no block marked {marker!r}"
    return found.group(1)


def test_the_worked_example_trains_a_users_own_network(tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    averaged = "weights = dict(averaged.module.named_parameters())\n"
    averaged += "assert not any(weights[name][~mask].any() for name, mask in masking.masks.items())\n"
    script.write_text(block("worked example") + block("averaging example") + averaged, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stderr
    figures = re.fullmatch(r"accuracy (\S+)  density (\S+)  R_s (\S+)\n", ran.stdout)
    assert figures, ran.stdout
    accuracy, density, itop_rate = map(float, figures.groups())
    assert accuracy > 0.8  # ten classes
    assert density == 0.1
    assert 0.1 < itop_rate <= 1


@pytest.mark.parametrize("marker", ["start command", "test command"])
def test_a_set_up_command_is_one_line_that_needs_only_python(marker: str) -> None:
    (line,) = block(marker).splitlines()
    assert shlex.split(line)[:4] == ["python3", "-m", "venv", ".venv"]


def test_every_picture_and_file_the_readme_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), f"README names {target}, which is not there"
