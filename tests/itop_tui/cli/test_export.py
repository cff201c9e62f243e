from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from db.session import Database
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import STEPS, trained
from tests.itop_tui.compare.made import five


def test_export_writes_what_it_says(itop: Itop, database: Database, tmp_path: Path) -> None:
    run = trained(database)
    done = itop("export", str(run.id), "--format", "json", "--out", str(tmp_path), "--json")
    (path,) = done.json()
    assert len(json.loads(Path(path).read_text())["steps"]) == STEPS
    again = itop("export", run.name, "--format", "json", "--out", str(tmp_path))
    assert again.code == 1
    assert "is there already" in again.err
    assert itop("export", run.name, "--format", "json", "--out", str(tmp_path), "--force").code == 0


def test_how_the_code_differed_is_exported_only_where_it_is_asked_for(
    itop: Itop, database: Database, tmp_path: Path
) -> None:
    run = trained(database)
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE attempts SET diff = '+lr = 0.1'")
    for kind in ("json", "html", "csv"):
        done = itop("export", str(run.id), "--format", kind, "--out", str(tmp_path / "out" / kind), "--json")
        assert done.code == 0, done.err
    written = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 2
    assert not any("+lr = 0.1" in text for text in written)
    (path,) = (tmp_path / "out" / "json").iterdir()
    assert json.loads(path.read_text())["attempts"][0]["diff_left_out"] is True
    itop("export", str(run.id), "--format", "json", "--out", str(path.parent), "--force", "--with-diff")
    assert json.loads(path.read_text())["attempts"][0]["diff"] == "+lr = 0.1"


def test_csv_is_the_format_unless_another_is_named(itop: Itop, database: Database, tmp_path: Path) -> None:
    run = trained(database)
    done = itop("export", str(run.id), "--out", str(tmp_path))
    assert done.out.strip() == str(tmp_path / f"run-{run.id}-sparse-digits-csv")
    assert {path.name for path in (tmp_path / f"run-{run.id}-sparse-digits-csv").iterdir()} == {
        "steps.csv", "epochs.csv", "mask_updates.csv", "layers.csv", "run.csv", "config.csv",
    }  # fmt: skip


def test_what_cannot_be_exported_is_told_in_a_line(itop: Itop, database: Database, tmp_path: Path) -> None:
    run = trained(database)
    assert itop("export").code == 2
    wrong = itop("export", str(run.id), "--format", "xml")
    assert wrong.code == 2
    assert "--format" in wrong.err
    none = itop("export", str(run.id), "--format", "safetensors", "--checkpoint", "7000", "--out", str(tmp_path))
    assert none.code == 1
    assert "no checkpoint '7000'" in none.err
    assert not list(tmp_path.glob("*.safetensors"))


def test_compare_joins_seeds_and_keeps_its_names(itop: Itop, database: Database, tmp_path: Path) -> None:
    one, two = trained(database, "rigl-s1", seed=1), trained(database, "rigl-s2", seed=2)
    other = trained(database, "other", seed=1, density=0.2)
    ids = [str(run.id) for run in (one, two, other)]
    document = itop("compare", *ids, "--json", "--group", "recipe").json()
    assert set(document) == {"runs", "settings", "results", "groups"}
    assert document["settings"] == {"density": [0.1, 0.1, 0.2], "seed": [1, 2, 1]}
    assert document["results"]["test_accuracy"] == [0.9021] * 3
    first = document["groups"][0]
    assert (first["name"], first["runs"], first["n"]) == ("rigl-*", [one.id, two.id], 2)
    assert first["results"]["test_accuracy"] == {"mean": 0.9021, "std": 0.0, "n": 2}
    table = itop("compare", *ids, "--group", "recipe").out
    assert "90.21% ± 0.00%" in table
    assert "1, 2" in table


def test_a_mean_that_leaves_runs_out_says_of_how_many_it_is(itop: Itop, database: Database) -> None:
    ids = [str(run.id) for run in five(database)]
    table = itop("compare", *ids, "--group", "recipe").out
    assert re.search(r"test accuracy +92.00% ± 1.00% of 3\n", table)
    assert re.search(r"runs +5\n", table)
    (group,) = itop("compare", *ids, "--group", "recipe", "--json").json()["groups"]
    assert (group["results"]["test_accuracy"]["n"], group["results"]["step"]["n"]) == (3, 5)
    assert "92.00% ± 1.00 of 3" in itop("runs", "--group-by", "recipe").out


def test_compare_writes_a_page(itop: Itop, database: Database, tmp_path: Path) -> None:
    one, two = trained(database), trained(database, "other", density=0.2)
    page = tmp_path / "page.html"
    done = itop("compare", str(one.id), str(two.id), "--html", str(page))
    assert done.code == 0, done.err
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert itop("compare", str(one.id), str(two.id), "--html", str(page)).code == 1


def test_compare_prints_a_table_as_a_paper_does(itop: Itop, database: Database) -> None:
    ids = [str(trained(database, "set", seed=seed, density=density).id) for density in (0.05, 0.1) for seed in (1, 2)]
    ids += [str(trained(database, "rigl", seed=3, density=0.05, growth="gradient").id)]
    latex = itop("compare", *ids, "--table", "density", "--format", "latex").out
    assert r" & 0.05 & 0.1 \\" in latex
    assert r"SET-ITOP & \textbf{90.21 $\pm$ 0.00 (2)} & 90.21 $\pm$ 0.00 (2) \\" in latex
    assert r"RigL-ITOP & \textbf{90.21 (1)} & -- \\" in latex
    table = itop("compare", *ids, "--table", "method,density", "--format", "markdown", "--metric", "best_val_accuracy")
    assert "| SET-ITOP | **91.00 ± 0.00 (2)** |" in table.out
    assert itop("compare", *ids, "--table", "density", "--format", "csv").out.count("\n") == 3
    document = itop("compare", *ids, "--table", "density", "--json").json()
    assert (document["metric"], document["columns"]) == ("test_accuracy", ["0.05", "0.1"])
    assert document["cells"][0][0] == {"mean": 0.9021, "std": 0.0, "n": 2}
    assert "test accuracy, %: mean ± std (n)" in itop("compare", *ids, "--table", "density").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--table", "densty"], "table = 'densty' must be a setting, or method; did you mean density?"),
        (["--table", "density,density"], "table = 'density,density': must be a setting, or two different ones"),
        (["--table", "method,"], "table = 'method,': must be a setting"),
        (["--table", "density", "--metric", "los"], "metric = 'los': must be one of test_accuracy"),
        (["--format", "latex"], "--metric and --format are of the table"),
    ],
)
def test_a_table_that_cannot_be_made_is_refused(itop: Itop, database: Database, line: list[str], said: str) -> None:
    ids = [str(trained(database, "set", seed=seed).id) for seed in (1, 2)]
    outcome = itop("compare", *ids, *line)
    assert outcome.code == 2
    assert said in outcome.err
