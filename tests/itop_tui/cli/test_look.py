"""The commands that show what is recorded: runs, show, metrics, layers, checkpoints, compare."""

from __future__ import annotations

import pytest

from db import key_values
from db.history.writer import MetricWriter
from db.records import Alarm, RunStatus, StepMetric
from db.runs import attempts, runs
from db.session import Database
from engine.launch import submit
from engine.launch.processes import host_name
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import LAYERS, STEPS, queued, running, trained


def test_runs_of_an_empty_store(itop: Itop) -> None:
    assert itop("runs", "--json").json() == []
    assert "itop demo" in itop("runs").err


def test_runs_lists_the_newest_first_with_the_names_of_the_design(itop: Itop, database: Database) -> None:
    first, second = queued(database, "first"), trained(database, "second")
    listed = itop("runs", "--json").json()
    assert [run["id"] for run in listed] == [second.id, first.id]
    names = "id uid name status reason exit_code config step total_steps epoch loss accuracy best_val_accuracy"
    more = "test_accuracy density nonzeros itop_rate death_rate learning_rate parent_id tags"
    assert set(f"{names} {more}".split()) <= set(listed[0])
    assert listed[0]["loss"] == "NaN"
    assert listed[0]["status"] == "completed"
    assert listed[0]["config"]["data"] == "digits"
    table = itop("runs").out
    assert "NaN" in table
    assert "91.00%" in table


def test_runs_can_be_searched_filtered_sorted_and_cut(itop: Itop, database: Database) -> None:
    for name in ("alpha", "beta", "gamma"):
        queued(database, name)
    trained(database, "delta")

    def names(*line: str) -> list[str]:
        return [run["name"] for run in itop("runs", *line, "--json").json()]

    assert names("alp") == ["alpha"]
    assert names("digits", "gam") == ["gamma"]
    assert names("nothing like it") == []
    assert names("--status", "completed") == ["delta"]
    assert names("--sort", "name", "--ascending") == ["alpha", "beta", "delta", "gamma"]
    assert names("--limit", "2") == ["delta", "gamma"]
    assert names("--limit", "0") == ["delta", "gamma", "beta", "alpha"]
    assert "2 of 4 runs" in itop("runs", "--limit", "2").err
    assert "did you mean completed?" in itop("runs", "--status", "complete").err
    assert itop("runs", "--sort", "colour").code == 2


def test_a_queue_whose_scheduler_died_is_set_going_again(
    itop: Itop, database: Database, scheduler_calls: list[int]
) -> None:
    itop("runs")
    assert scheduler_calls == []
    run = queued(database)
    itop("runs")
    assert scheduler_calls == [1]
    runs.update_fields(database, run.id, held=True)
    itop("runs")
    assert scheduler_calls == [1]


def test_show_gives_the_run_with_its_checkpoints_and_attempts(itop: Itop, database: Database) -> None:
    run = trained(database)
    shown = itop("show", str(run.id), "--json").json()
    assert shown["uid"] == run.uid
    assert all({"id", "step", "epoch", "kind", "path", "bytes"} <= set(one) for one in shown["checkpoints"])
    assert sorted(one["kind"] for one in shown["checkpoints"]) == ["best", "last"]
    (attempt,) = shown["attempts"]
    assert {"pid", "host", "device", "started_at", "ended_at", "exit_code"} <= set(attempt)
    assert attempt["exit_code"] == 0
    assert attempt["started_at"].endswith("Z")
    assert itop("show", run.uid, "--json").json()["id"] == itop("show", run.name, "--json").json()["id"] == run.id


def test_show_tells_people_state_figures_and_what_differs_from_the_defaults(itop: Itop, database: Database) -> None:
    run = trained(database, "a [bold]name[/bold]", clip_norm=1.5)
    text = itop("show", str(run.id)).out
    for words in ("a [bold]name[/bold]", "✓ completed", "SET-ITOP, lenet300-100 on digits", "90.21%", "12.3% of dense"):
        assert words in text
    assert "clip_norm" in text
    assert "momentum" not in text  # it has its default
    assert "✗" not in text


def test_show_says_why_a_run_ended_and_why_one_waits(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "scheduler_running", lambda db: True)
    run = queued(database)
    key_values.put(database, f"waiting:{host_name()}", {str(run.id): "cpu is busy (1 of 1 slot taken)"})
    assert "cpu is busy (1 of 1 slot taken)" in itop("show", str(run.id)).out
    attempt = running(database, run)
    assert "cpu is busy" not in itop("show", str(run.id)).out
    attempts.finish(database, attempt, status=RunStatus.FAILED, reason="ValueError: no weights", exit_code=1)
    text = itop("show", str(run.id)).out
    assert "✗ failed" in text
    assert "ValueError: no weights" in text


def test_metrics_is_a_list_of_one_object_a_step(itop: Itop, database: Database) -> None:
    run = trained(database)
    rows = itop("metrics", str(run.id), "--json").json()
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows[0]["loss"] == 2.0
    assert rows[-1]["loss"] == "NaN"
    assert set(rows[0]) == {
        "step", "epoch", "loss", "accuracy", "learning_rate", "death_rate", "density", "itop_rate",
        "samples_per_second", "at",
    }  # fmt: skip
    assert [row["step"] for row in itop("metrics", str(run.id), "--json", "--after", "38").json()] == [39, 40]
    assert [row["step"] for row in itop("metrics", str(run.id), "--json", "--last", "1").json()] == [40]


def test_metrics_by_epoch_and_by_mask_update(itop: Itop, database: Database) -> None:
    run = trained(database)
    epochs = itop("metrics", str(run.id), "--epochs", "--json").json()
    assert [(row["epoch"], row["val_accuracy"]) for row in epochs] == [(1, 0.85), (2, 0.91)]
    updates = itop("metrics", str(run.id), "--mask-updates", "--json").json()
    assert [(row["update"], row["step"], row["grown"]) for row in updates] == [
        (0, 0, 0), (1, 10, 100), (2, 20, 100), (3, 30, 100), (4, 40, 100)
    ]  # fmt: skip
    later = itop("metrics", str(run.id), "--mask-updates", "--after", "0", "--last", "0", "--json").json()
    assert [row["update"] for row in later] == [1, 2, 3, 4]
    assert itop("metrics", str(run.id), "--epochs", "--mask-updates").code == 2


def test_metrics_of_the_machine_have_a_row_a_reading(itop: Itop, database: Database) -> None:
    run = queued(database)
    with MetricWriter(database, run.id, running(database, run)) as writer:
        for number in range(1, 31):
            own = {"gpu_load": 0.5, "device_power": 200.0} if number % 10 == 1 else {}
            writer.step(StepMetric(number, 1, 0.5, at=float(number), metrics=own))
        writer.progress(energy_wh=12.5)
    rows = itop("metrics", str(run.id), "--machine", "--json").json()
    assert [(row["step"], row["gpu_load"], row["device_power"]) for row in rows] == [
        (1, 0.5, 200.0), (11, 0.5, 200.0), (21, 0.5, 200.0)
    ]  # fmt: skip
    outcome = itop("metrics", str(run.id), "--machine", "--last", "2")
    assert "DEVICE POWER, W" in outcome.out
    assert [line.split()[0] for line in outcome.out.splitlines()[1:]] == ["11", "21"]
    assert "the latest 2 of 3" in outcome.err
    # Among all steps, a column stands where one of the rows has a value.
    assert "GPU LOAD" in itop("metrics", str(run.id)).out
    assert "GPU LOAD" not in itop("metrics", str(run.id), "--last", "5").out
    assert itop("metrics", str(run.id), "--machine", "--epochs").code == 2

    shown = itop("show", str(run.id), "--json").json()
    assert (shown["energy_wh"], shown["attempts"][0]["energy_wh"]) == (12.5, 12.5)
    assert "12.5 Wh by its devices" in itop("show", str(run.id)).out
    other = itop("show", str(trained(database).id))
    assert "Wh" not in other.out


def test_energy_that_only_a_part_of_the_attempts_knows_says_so(itop: Itop, database: Database) -> None:
    run = queued(database)
    for energy in (None, 2.0):
        attempt = running(database, run)
        with MetricWriter(database, run.id, attempt) as writer:
            writer.progress(**({} if energy is None else {"energy_wh": energy}))
        attempts.finish(database, attempt, status=RunStatus.FAILED, reason="no luck", exit_code=1)
        if energy is None:
            runs.requeue_resume(database, run.id, None)
    assert "2 Wh by its devices while it trained, known of 1 of 2 attempts" in itop("show", str(run.id)).out


def test_metrics_for_people_are_the_latest(itop: Itop, database: Database) -> None:
    run = trained(database)
    outcome = itop("metrics", str(run.id))
    assert outcome.out.splitlines()[1].split()[0] == "21"
    assert "the latest 20 of 40" in outcome.err
    assert len(itop("metrics", str(run.id), "--last", "0").out.splitlines()) == STEPS + 1


def test_layers_as_of_the_latest_update_and_of_an_earlier_one(itop: Itop, database: Database) -> None:
    run = trained(database)
    latest = itop("layers", str(run.id), "--json").json()
    assert [(layer["name"], layer["shape"], layer["density"]) for layer in latest] == [
        (name, list(shape), 0.1) for name, shape, _ in LAYERS
    ]
    assert latest[0]["itop_rate"] == pytest.approx((1_920 + 200) / 19_200)
    assert itop("layers", str(run.id), "--update", "1", "--json").json()[0]["explored"] == 1_970
    text = itop("layers", str(run.id)).out
    assert "300×64" in text
    assert text.splitlines()[-1].startswith("all layers")


def test_a_dense_run_has_no_masks(itop: Itop, database: Database) -> None:
    run = queued(database, sparse=False)
    assert "is dense" in itop("layers", str(run.id)).err


def test_checkpoints(itop: Itop, database: Database) -> None:
    run = trained(database)
    listed = itop("checkpoints", str(run.id), "--json").json()
    assert [(one["kind"], one["step"], one["bytes"]) for one in listed] == [("best", 20, 1_000), ("last", 40, 1_000)]
    assert listed[0]["path"] in itop("checkpoints", str(run.id)).out


def test_compare_shows_only_the_settings_that_differ(itop: Itop, database: Database) -> None:
    first = trained(database, "a", lr=0.1)
    second = trained(database, "b", lr=0.2, growth="gradient")
    line = ("compare", str(first.id), str(second.id))
    compared = itop(*line, "--json").json()
    assert compared["settings"] == {"growth": ["random", "gradient"], "lr": [0.1, 0.2]}
    assert compared["results"]["test_accuracy"] == [0.9021, 0.9021]
    assert [run["id"] for run in compared["runs"]] == [first.id, second.id]
    text = itop(*line).out
    assert "gradient" in text
    assert "batch_size" not in text
    assert text.count("★ 90.21%") == 2


def test_compare_marks_the_best_and_never_a_diverged_loss(itop: Itop, database: Database) -> None:
    good, bad = trained(database, "good"), trained(database, "bad")
    with database.write() as session:
        from db.models import RunRow

        row = session.get(RunRow, good.id)
        assert row is not None
        row.test_accuracy = 0.95
    rows = {line.split("  ")[0]: line for line in itop("compare", str(good.id), str(bad.id)).out.splitlines()}
    assert "★ 95.00%" in rows["test accuracy"]
    assert "★ 90.21%" not in rows["test accuracy"]
    assert "★" not in rows["last loss"]


def test_compare_needs_two_runs(itop: Itop, database: Database) -> None:
    run = queued(database)
    assert itop("compare", str(run.id)).code == 2
    assert itop("compare", str(run.id), str(run.id)).code == 2
    assert runs.count(database) == 1


def test_alarms_are_kinds_in_every_document_and_events_in_that_of_one_run(itop: Itop, database: Database) -> None:
    run = queued(database)
    with MetricWriter(database, run.id, running(database, run)) as writer:
        writer.alarm(Alarm("collapse", "fc1\x1b[2J", 40, "0 of 1,000 weights are active"))
    (listed,) = itop("runs", "alarm:any", "--json").json()
    shown = itop("show", str(run.id), "--json").json()
    assert listed["alarms"] == shown["alarms"] == ["collapse"]
    (event,) = shown["alarm_events"]
    assert (event["kind"], event["layer"], event["step"]) == ("collapse", "fc1\x1b[2J", 40)
    said = itop("show", str(run.id)).out
    assert "at step 40: 0 of 1,000 weights are active" in said
    assert "\x1b" not in said
