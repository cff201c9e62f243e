"""A dense run has no R_s, wherever it is asked for: older versions recorded a number, which is not shown."""

from __future__ import annotations

import json
from pathlib import Path

from db.finding.grouping import groups
from db.records import RunQuery
from db.runs import runs
from db.session import Database
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import trained


def test_a_dense_run_has_no_r_s_anywhere(itop: Itop, database: Database, tmp_path: Path) -> None:
    run = trained(database, "dense", sparse=False)
    assert run.method == "dense"
    assert run.itop_rate is None
    assert itop("runs", "--json").json()[0]["itop_rate"] is None
    assert itop("show", "1", "--json").json()["itop_rate"] is None
    for more in ((), ("--mask-updates",)):
        assert {row["itop_rate"] for row in itop("metrics", "1", "--json", *more).json()} == {None}
    assert {layer["itop_rate"] for layer in itop("layers", "1", "--json").json()} == {None}
    for command in ("runs", "show", "layers"):
        shown = itop(command, *(() if command == "runs" else ("1",))).out
        assert "R_S" not in shown.splitlines()[0]
        assert "ever active" not in shown
    assert groups(database)[0].mean["itop_rate"] is None
    assert runs.list_runs(database, RunQuery(text="rs>0")) == []
    assert itop("export", "1", "--format", "json", "--out", str(tmp_path / "out")).code == 0
    (file,) = (tmp_path / "out").rglob("*.json")
    document = json.loads(file.read_text())
    assert document["itop_rate"] is None
    assert {row["itop_rate"] for row in (*document["steps"], *document["mask_updates"])} == {None}
