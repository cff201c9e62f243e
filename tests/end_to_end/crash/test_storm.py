"""Real runs whose processes are killed at random end bit-identical to uninterrupted ones, and no wrong state shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.db.conftest import server  # noqa: F401 - a fixture
from tests.db.server import database_on
from tests.end_to_end.crash.moving_storm import moving_storm
from tests.end_to_end.crash.storm import storm, uninterrupted
from tests.end_to_end.crash.twins import Uninterrupted, configuration

EPOCHS, FEW_EPOCHS = 80, 30


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Uninterrupted]:
    return uninterrupted(tmp_path_factory.mktemp("uninterrupted"), EPOCHS)


@pytest.mark.timeout(900)
def test_a_few_kills(tmp_path: Path) -> None:
    known = uninterrupted(tmp_path / "uninterrupted", FEW_EPOCHS, ["SET, SGD"])
    report = storm(tmp_path, kills=2, resumes=1, seed=2026, epochs=FEW_EPOCHS, expected=known)
    print(report)
    assert report.kills.total() >= 2
    assert report.resumes > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1, 5))
def test_hundreds_of_kills(seed: int, expected: dict[str, Uninterrupted], tmp_path: Path) -> None:
    report = storm(tmp_path, kills=100, seed=seed, epochs=EPOCHS, expected=expected)
    print(report)
    assert report.kills.total() >= 100
    assert set(report.kills) == {"worker", "warden", "scheduler", "warden and worker", "everything"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_between_copies_moves_and_renames(expected: dict[str, Uninterrupted], tmp_path: Path) -> None:
    report = moving_storm(tmp_path, kills=25, seed=1, epochs=EPOCHS, expected=expected)
    print(report)
    assert {word.split(",")[0].split()[0] for word in report.places} == {"copied", "moved", "renamed"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_kills_between_moves_and_renames_with_a_server(
    expected: dict[str, Uninterrupted],
    server: sa.URL,  # noqa: F811
    tmp_path: Path,
) -> None:
    with database_on(server) as url:
        report = moving_storm(tmp_path, kills=25, seed=1, epochs=EPOCHS, expected=expected, server=url)
    print(report)
    assert {word.split(",")[0].split()[0] for word in report.places} == {"moved", "renamed"}


def test_the_comparison_can_fail() -> None:
    """Runs that differ only by their rule have different settings, so the comparison would notice a mix-up."""
    assert configuration("dense", 3) != configuration("SET, SGD", 3)
