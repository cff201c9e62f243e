"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from db.session import Database

# Several tests run at once, and most networks here are tiny: threads of torch would only wait for each other. It reads
# this when it is first imported, also in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Hypothesis fails a test when an example takes over 200 ms or its data take long to make: on a busy machine both happen
# to right code. What is slow by itself is seen in the benchmarks and in `--durations`.
settings.register_profile("itop", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("itop")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests take longest, so that none of them is left when all others are done."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty database, made once: a copy takes a tenth of the time of running all migrations."""
    path = tmp_path_factory.mktemp("empty") / "itop.db"
    Database.open(str(path)).close()
    return path
