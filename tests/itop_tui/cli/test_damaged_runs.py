"""A damaged row, page or file: what the commands say of it, and what `itop doctor --repair` does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db import paths
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import checkpoints, runs
from db.session import Database
from tests.db.helpers import step
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running, trained


def damage(home: Path, table: str, row: int, **cells: object) -> None:
    with closing(sqlite3.connect(home / "itop.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for name, value in cells.items():
            connection.execute(f"UPDATE {table} SET {name} = ? WHERE id = ?", (value, row))


BAD: list[tuple[str, object]] = [
    ("config", "{not json"),
    ("status", "exploded"),
    ("step", "three"),
    ("created_at", 1e18),
    ("started_at", -5),
    ("ended_at", float("inf")),
    ("name", b"\xff\xfe"),
    ("metrics", "[1]"),
    ("tags", b"\x00\xff"),
    ("total_steps", "many"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_each_command_goes_on(itop: Itop, database: Database, home: Path, name: str, value: object) -> None:
    run, other = trained(database), trained(database, "the other")
    damage(home, "runs", run.id, **{name: value})
    listed = {one["id"]: one for one in itop("runs", "--json").json()}
    assert [listed[run.id]["damaged"], listed[other.id]["damaged"]] == [[name], []]
    assert "damaged" in itop("runs").out
    assert f"its row is damaged ({name})" in itop("show", str(run.id)).out
    assert itop("show", str(run.id), "--json").json()["damaged"] == [name]
    for words in (
        ("show", str(other.id)),
        ("queue",),
        ("compare", str(run.id), str(other.id)),
        ("runs", "lr>0", "--sort", "config.lr"),
        ("runs", "--group-by", "recipe"),
        ("checkpoints", str(run.id)),
        ("metrics", str(run.id), "--json"),
        ("export", str(run.id), str(other.id), "--format", "csv", "--out", str(home.parent / "out")),
    ):
        outcome = itop(*words)
        assert outcome.code == 0, (words, outcome.err)
    report = itop("doctor", "--json")
    assert f"runs {run.id} ({name})" in report.out
    assert itop("delete", str(run.id), "--yes").code == 0
    assert itop("show", str(run.id)).code == 1


def test_an_attempt_and_a_checkpoint(itop: Itop, database: Database, home: Path) -> None:
    run = trained(database)
    damage(home, "attempts", 1, versions="{", started_at="x")
    damage(home, "checkpoints", 1, kind="odd", step="x")
    shown = itop("show", str(run.id), "--json").json()
    assert shown["attempts"][0]["damaged"] == ["started_at", "versions"]
    assert next(one for one in shown["checkpoints"] if one["id"] == 1)["damaged"] == ["kind", "step"]
    assert itop("show", str(run.id)).code == 0


def test_doctor_repairs_what_it_said(itop: Itop, database: Database, home: Path) -> None:
    run, whole = trained(database), trained(database, "whole")
    folder = paths.run_folder(whole.uid) / "checkpoints"
    gone, kept = checkpoints.for_run(database, whole.id)[:2]
    (folder / Path(gone.path).name).unlink()
    (folder / "step-99.pt").write_bytes(b"no record names this")
    (folder / "notes.txt").write_bytes(b"mine")
    damage(home, "runs", run.id, status="exploded", config="{", ended_at="x", step="x")
    asked = itop("doctor", "--repair")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert "status" in asked.out
    assert (folder / "step-99.pt").exists()
    done = itop("doctor", "--repair", "--yes")
    assert done.code == 0, done.err
    assert not (folder / "step-99.pt").exists()
    assert (folder / "notes.txt").exists()
    assert [one.id for one in checkpoints.for_run(database, whole.id)] == [kept.id]
    repaired = runs.get(database, run.id)
    assert (repaired.damaged, repaired.status, repaired.ended_at) == ((), RunStatus.COMPLETED, None)
    assert "There is nothing to repair." in itop("doctor", "--repair").out


def test_doctor_builds_damaged_copies_of_curves_again(itop: Itop, database: Database, home: Path) -> None:
    run, whole = queued(database), queued(database)
    for one in (run, whole):
        with MetricWriter(database, one.id, running(database, one)) as writer:
            for number in range(1, 600):
                writer.step(step(number))
    assert itop("doctor", "--checksums").code == 0
    with closing(sqlite3.connect(home / "itop.db")) as connection, connection:
        connection.execute("UPDATE step_chunks SET entries = x'00' WHERE run_id = ?", (run.id,))
    report = itop("doctor", "--checksums")
    assert report.code == 1
    assert f"the thinned copies of 1 run are damaged: {run.id}" in " ".join(report.out.split())
    asked = itop("doctor", "--repair")
    assert asked.code == 2
    assert f"build the thinned copies of the curves of run {run.id} again from its steps" in asked.out
    assert itop("doctor", "--checksums").code == 1
    assert itop("doctor", "--repair", "--yes").code == 0
    assert itop("doctor", "--checksums").code == 0
    assert "There is nothing to repair." in itop("doctor", "--repair").out


def test_files_stay_while_it_is_not_known_whose_they_are(itop: Itop, database: Database, home: Path) -> None:
    run = trained(database)
    before = sorted(paths.run_folder(run.uid).rglob("*"))
    damage(home, "runs", run.id, uid="../..")
    itop("doctor", "--repair", "--yes")
    assert sorted(paths.run_folder(run.uid).rglob("*")) == before
    other = trained(database, "other")
    assert itop("delete", str(run.id), "--yes").code == 0
    assert (home / "itop.db").exists()
    assert len(list(paths.run_folder(other.uid).rglob("*.pt"))) == 2


def test_a_damaged_index_is_built_anew(itop: Itop, database: Database, home: Path) -> None:
    for number in range(3):
        queued(database, f"run {number}")
    database.close()

    def change(*statements: str) -> None:
        with closing(sqlite3.connect(home / "itop.db")) as connection, connection:
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement)

    # A name is changed while the index of names is hidden.
    chosen = "FROM sqlite_master WHERE name = 'ix_runs_name'"
    change(f"CREATE TABLE hidden AS SELECT * {chosen}", f"DELETE {chosen}")
    change("UPDATE runs SET name = 'changed' WHERE id = 2")
    change("INSERT INTO sqlite_master SELECT * FROM hidden")
    change("DROP TABLE hidden")
    report = itop("doctor")
    assert report.code == 1
    assert "ix_runs_name" in report.out
    done = itop("doctor", "--repair", "--yes")
    assert "REINDEX" in done.out
    assert itop("doctor").code == 0
    assert itop("show", "changed").code == 0


def test_a_damaged_page_of_the_table_of_runs_hides_only_the_runs_on_it(
    itop: Itop, database: Database, home: Path
) -> None:
    made = [queued(database, f"run {number}").id for number in range(30)]
    database.close()
    with closing(sqlite3.connect(home / "itop.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        leaves = "SELECT pageno, ncell FROM dbstat WHERE name = 'runs' AND pagetype = 'leaf' ORDER BY path"
        try:
            (page, rows), *others = connection.execute(leaves).fetchall()[1:]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite cannot say which pages a table has")
    assert others
    with (home / "itop.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    listed = itop("runs", "--limit", "0", "--json")
    assert listed.code == 1
    assert f"{rows} runs could not be read" in listed.err
    shown = [one["id"] for one in json.loads(listed.out)]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == len(made) - rows
    assert len(json.loads(itop("runs", "--limit", "3", "state:queued", "--json").out)) == 3
    assert "could not be read" in itop("runs", "--sort", "name").err
    assert itop("show", str(shown[0])).code == 0
    assert itop("doctor").code == 1


def test_a_damaged_page_is_one_message_and_the_rest_goes_on(itop: Itop, database: Database, home: Path) -> None:
    run = trained(database)
    with database.read() as session:
        root = (
            session.connection()
            .exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'epoch_metrics'")
            .scalar_one()
        )
    database.close()
    with closing(sqlite3.connect(home / "itop.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (home / "itop.db").open("r+b") as file:
        file.seek((int(root) - 1) * 4096)
        file.write(b"\xff" * 4096)
    outcome = itop("show", str(run.id))
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 1
    assert itop("runs").code == 0
    report = itop("doctor")
    assert report.code == 1
    assert "integrity" in report.out
