"""Real runs whose processes are killed at random end bit-identical to uninterrupted ones, and no wrong state shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.crash.storm import Uninterrupted, configuration, storm, uninterrupted

EPOCHS, FEW_EPOCHS = 80, 30


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Uninterrupted]:
    return uninterrupted(tmp_path_factory.mktemp("uninterrupted"), EPOCHS)


@pytest.mark.timeout(900)
def test_a_few_kills(tmp_path: Path) -> None:
    report = storm(tmp_path, kills=6, resumes=1, seed=2026, epochs=FEW_EPOCHS)
    print(report)
    assert report.kills.total() >= 6
    assert report.resumes > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 5))
def test_hundreds_of_kills(seed: int, expected: dict[str, Uninterrupted], tmp_path: Path) -> None:
    report = storm(tmp_path, kills=100, seed=seed, epochs=EPOCHS, expected=expected)
    print(report)
    assert report.kills.total() >= 100
    assert set(report.kills) == {"worker", "warden", "scheduler", "warden and worker", "everything"}


def test_the_comparison_can_fail() -> None:
    """Runs that differ only by their rule have different settings, so the comparison would notice a mix-up."""
    assert configuration("dense", 3) != configuration("SET, SGD", 3)
