"""A home with recorded runs whose times stand still, made once and copied for each test."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from db.finding import views
from db.records import RunStatus, StepMetric
from db.runs import runs
from db.session import Database
from tests.itop_tui.compare.made import compared
from tests.itop_tui.run.fabricate import record_run, settings
from tests.itop_tui.scenes.scene import HOSTILE, KNOT, Setting
from tests.itop_tui.support import NOW

_TIMES = (
    f"UPDATE runs SET created_at = {NOW} - 9000 + 600 * id, queued_at = {NOW} - 9000 + 600 * id, "
    f"started_at = {NOW} - 8990 + 600 * id, heartbeat_at = {NOW} - 8900 + 610 * id, "
    f"ended_at = {NOW} - 8900 + 610 * id, uid = printf('%012x', id)",
    f"UPDATE attempts SET started_at = {NOW} - 8990 + 600 * run_id, ended_at = {NOW} - 8900 + 610 * run_id",
    f"UPDATE checkpoints SET created_at = {NOW} - 8900 + 605 * run_id",
)
"""Make the times of recorded runs, and what they are known by, the same at each recording."""


def _friendly(db: Database) -> None:
    made = compared(db)
    runs.update_fields(db, made[0].id, tags=("paper",))
    views.save(db, views.SavedView("paper", "tag:paper acc>=0.93", sort="best_val_accuracy", group_by="recipe"))


def _hostile(db: Database) -> None:
    def alter(metric: StepMetric) -> StepMetric:
        return replace(metric, loss=math.nan if metric.step > 60 else metric.loss, accuracy=math.inf)

    for number in range(6):
        config = settings(growth=("random", "gradient", "momentum")[number % 3], seed=number)
        layers = [(f"{number} {KNOT}", (40, 30), 0.3) for number in range(4)]
        # One group has runs of one name, and the other runs a name of their own: both are shown.
        record_run(
            db, name=f"{KNOT}{number if number % 3 else 0}{HOSTILE}", steps=120, config=config, layers=layers,
            alter=alter, kinds=(), log=HOSTILE, ended=RunStatus.FAILED, reason=HOSTILE,
        )  # fmt: skip
    for run in runs.list_runs(db):
        runs.update_fields(db, run.id, tags=(HOSTILE, KNOT))
    views.save(db, views.SavedView(HOSTILE, "tag:x", columns=("name", HOSTILE)))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Makes the home of friendly or of hostile runs, once each."""
    made: dict[bool, Path] = {}

    def make(hostile: bool) -> Path:
        if hostile not in made:
            home = tmp_path_factory.mktemp("hostile" if hostile else "friendly")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ITOP_HOME", str(home))
                patch.delenv("ITOP_DATABASE_URL", raising=False)
                with closing(Database.open()) as database:
                    (_hostile if hostile else _friendly)(database)
            with closing(sqlite3.connect(home / "itop.db")) as connection, connection:
                for change in _TIMES:
                    connection.execute(change)
            made[hostile] = home
        return made[hostile]

    return make


@pytest.fixture
def setting(
    home: Path, template: Callable[[bool], Path], scheduled: list[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[bool], Setting]:
    """Makes the place for a scene."""

    def make(hostile: bool = False) -> Setting:
        shutil.copytree(template(hostile), home)
        return Setting(monkeypatch, home, hostile)

    return make
