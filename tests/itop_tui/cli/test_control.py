"""The commands that change something: stop, pause, kill, delete, resume, fork, devices."""

from __future__ import annotations

import builtins
import threading
import time

import pytest

from db import key_values, paths
from db.records import RunQuery, RunStatus
from db.runs import attempts, checkpoints, commands, runs
from db.session import Database
from db.sqlite.health import examine
from engine.config.run_config import RunConfig
from engine.launch import submit
from itop_tui.cli.commands import delete as delete_module
from itop_tui.service.shelving import footprint
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import queued, running, trained


def test_a_queued_run_is_stopped_at_once(itop: Itop, database: Database) -> None:
    run = queued(database)
    (stopped,) = itop("stop", str(run.id), "--json").json()
    assert stopped["status"] == "stopped"
    again = itop("stop", str(run.id))
    assert again.code == 1
    assert "only a run that is queued or active can be stopped" in again.err


def test_what_a_run_has_not_answered_is_said_to_be_pending(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itop_tui.cli.commands.control._ANSWER_SECONDS", 0.1)
    run = queued(database)
    running(database, run)
    outcome = itop("pause", str(run.id))
    assert outcome.code == 0
    assert "pause is pending" in outcome.out
    assert [command.kind for command in commands.pending(database, run.id)] == ["pause"]


def test_an_answer_is_waited_for(itop: Itop, database: Database) -> None:
    run = queued(database)
    attempt = running(database, run)

    def answer() -> None:
        while not commands.pending(database, run.id):
            time.sleep(0.01)
        attempts.set_status(database, attempt, RunStatus.PAUSED)

    worker = threading.Thread(target=answer)
    worker.start()
    outcome = itop("pause", str(run.id))
    worker.join()
    assert "‖ paused" in outcome.out
    assert "paused (memory still allocated)" in outcome.out
    assert "pending" not in outcome.out


def test_one_refusal_does_not_keep_the_others_from_being_asked(itop: Itop, database: Database) -> None:
    ended, waiting = trained(database), queued(database)
    outcome = itop("stop", str(ended.id), str(waiting.id))
    assert outcome.code == 1
    assert runs.get(database, waiting.id).status is RunStatus.STOPPED
    assert f"run {waiting.id}" in outcome.out


@pytest.mark.parametrize("command", ["kill", "pause", "unpause"])
def test_what_the_state_does_not_allow_is_refused_with_the_reason(itop: Itop, database: Database, command: str) -> None:
    run = trained(database)
    outcome = itop(command, str(run.id))
    assert outcome.code == 1
    assert "completed" in outcome.err


def test_delete_asks_and_gives_the_space_back(itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(database)
    folder = paths.run_folder(run.uid)
    assert footprint([run.uid]).bytes == 2_000
    asked = itop("delete", str(run.id))
    assert asked.code == 2
    assert "--yes deletes without asking" in asked.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(builtins, "input", lambda: "n")
    assert itop("delete", str(run.id)).code == 1
    assert folder.is_dir()
    monkeypatch.setattr(builtins, "input", lambda: "y")
    answered = itop("delete", str(run.id))
    assert answered.code == 0
    assert "Delete 1 run and free 2.0 kB?" in answered.err
    assert not folder.exists()
    assert runs.count(database) == 0


def test_delete_as_json(itop: Itop, database: Database) -> None:
    ids = [trained(database).id, queued(database).id]
    said = itop("delete", *map(str, ids), "--yes", "--json").json()
    assert said.pop("database_bytes") >= 0
    assert said == {"deleted": ids, "bytes": 2_000}


def test_delete_makes_the_database_shorter_and_says_so(itop: Itop, database: Database) -> None:
    run = trained(database)
    large = RunConfig.create({"data": "digits"}).as_dict()
    other = runs.create(database, config={**large, "note": "x" * 3_000_000})
    itop("stop", str(other.id))
    before = examine(database).bytes
    outcome = itop("delete", str(run.id), str(other.id), "--yes")
    after = examine(database).bytes
    assert before is not None
    assert after is not None
    assert before - after > 2_500_000
    assert "Deleted 2 runs; 2.0 kB freed, and " in outcome.out
    assert "MB in the database" in outcome.out


def test_files_that_stay_after_a_deletion_are_told(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(database)
    monkeypatch.setattr(delete_module, "remove", lambda gone: [f"{paths.run_folder(gone.uid)} could not be removed"])
    outcome = itop("delete", str(run.id), "--yes")
    assert outcome.code == 1
    assert f"{paths.run_folder(run.uid)} could not be removed" in outcome.err
    assert "0 B freed" in outcome.out
    assert runs.count(database) == 0


def test_a_run_that_is_going_is_not_deleted(itop: Itop, database: Database) -> None:
    run = queued(database)
    running(database, run)
    outcome = itop("delete", str(run.id), "--yes")
    assert outcome.code == 1
    assert f"itop stop {run.id}" in outcome.err


def test_a_parent_is_not_taken_away_silently(itop: Itop, database: Database) -> None:
    parent = trained(database)
    child = itop("fork", str(parent.id), "--lr", "0.01", "--epochs", "9", "--json").json()
    itop("stop", str(child["id"]))
    outcome = itop("delete", str(parent.id), "--yes")
    assert outcome.code == 1
    assert f"run {child['id']}" in outcome.err
    assert itop("delete", str(parent.id), str(child["id"]), "--yes").code == 0


def test_resume_goes_on_from_the_last_checkpoint_or_the_one_named(
    itop: Itop, database: Database, scheduler_calls: list[int]
) -> None:
    run = trained(database, status=RunStatus.STOPPED)
    runs.update_fields(database, run.id, total_steps=100)
    outcome = itop("resume", str(run.id))
    assert outcome.code == 0
    assert "the last checkpoint" in outcome.err
    resumed = runs.get(database, run.id)
    assert resumed.status is RunStatus.QUEUED
    assert scheduler_calls
    again = itop("resume", str(run.id))
    assert again.code == 1
    assert "only a run that has ended can be resumed" in again.err
    itop("stop", str(run.id))
    assert itop("resume", str(run.id), "--checkpoint", "best").code == 0
    assert runs.get(database, run.id).start_checkpoint_id != resumed.start_checkpoint_id
    itop("stop", str(run.id))
    wrong = itop("resume", str(run.id), "--checkpoint", "bset")
    assert wrong.code == 1
    assert "Did you mean 'best'?" in wrong.err


def test_a_completed_run_has_nothing_to_resume(itop: Itop, database: Database) -> None:
    run = trained(database)
    outcome = itop("resume", str(run.id))
    assert outcome.code == 1
    assert "no step left" in outcome.err
    assert runs.get(database, run.id).status is RunStatus.COMPLETED


def test_a_completed_run_is_extended_and_says_what_that_moves(itop: Itop, database: Database) -> None:
    """1,347 training images make 14 steps an epoch: of 4 epochs the drops are at 28 and 42, of 8 at 56 and 84."""
    run = trained(database, epochs=4)
    outcome = itop("resume", str(run.id), "--epochs", "8", "--keep-last", "3")
    assert outcome.code == 0
    assert "epochs: 4 → 8" in outcome.err
    assert "keep_last: 2 → 3" in outcome.err
    assert "recomputed: the learning rate drops after step 56 and step 84 (it was step 28 and step 42)" in outcome.err
    assert "the death rate falls until step 112, by its cosine (it was step 56)" in outcome.err
    again = runs.get(database, run.id)
    assert (again.status, again.config["epochs"], again.config["keep_last"]) == (RunStatus.QUEUED, 8, 3)
    assert (again.total_epochs, again.total_steps) == (8, 112)
    shown = itop("show", str(run.id))
    assert "epochs" in shown.out
    assert "4 → 8" in shown.out
    assert "the learning rate drops after step 56" in shown.out
    (change,) = itop("show", str(run.id), "--json").json()["changes"]
    assert change == {"attempt": 2, "settings": {"epochs": [4, 8], "keep_last": [2, 3]}}


def test_what_a_resumed_run_cannot_change_is_named_with_the_way_out(itop: Itop, database: Database) -> None:
    run = trained(database, status=RunStatus.STOPPED)
    outcome = itop("resume", str(run.id), "--lr", "0.01", "--density", "0.2", "--epochs", "9")
    assert outcome.code == 1
    assert "density, lr: cannot be changed where a run is resumed" in outcome.err
    assert f"itop fork {run.id}" in outcome.err
    assert runs.get(database, run.id).status is RunStatus.STOPPED
    short = itop("resume", str(run.id), "--epochs", "1")
    assert short.code == 1
    assert "before checkpoint" in short.err
    wrong = itop("resume", str(run.id), "--keep-last", "0")
    assert wrong.code == 2
    assert "keep_last = '0': must be a whole number at least 1" in wrong.err


def test_a_run_that_was_cut_after_its_last_step_can_be_resumed(itop: Itop, database: Database) -> None:
    run = trained(database, status=RunStatus.KILLED)
    last = checkpoints.pick(database, run.id, "last")
    assert last.step == run.total_steps
    assert itop("resume", str(run.id)).code == 0
    assert runs.get(database, run.id).start_checkpoint_id == last.id


def test_a_run_without_a_checkpoint_starts_again(itop: Itop, database: Database) -> None:
    run = queued(database)
    itop("stop", str(run.id))
    outcome = itop("resume", str(run.id))
    assert "starts again from the beginning" in outcome.err
    assert runs.get(database, run.id).status is RunStatus.QUEUED


def test_fork_keeps_parent_step_and_settings_and_says_what_changed(itop: Itop, database: Database) -> None:
    parent = trained(database)
    outcome = itop("fork", str(parent.id), "--checkpoint", "best", "--lr", "0.02", "--epochs", "9", "--json")
    child = outcome.json()
    assert (child["parent_id"], child["fork_step"]) == (parent.id, 20)
    assert child["config"] == {**parent.config, "lr": 0.02, "epochs": 9}
    assert "lr: 0.1 → 0.02" in outcome.err
    assert "epochs: 2 → 9" in outcome.err


def test_a_fork_of_a_fork_that_never_ran_resumes_from_its_parents_checkpoint(itop: Itop, database: Database) -> None:
    parent = trained(database)
    child = itop("fork", str(parent.id), "--epochs", "9", "--json").json()
    itop("stop", str(child["id"]))
    assert itop("resume", str(child["id"])).code == 0
    assert runs.get(database, child["id"]).start_checkpoint_id == child["start_checkpoint_id"]


def test_a_fork_with_nothing_left_to_train_is_refused(itop: Itop, database: Database) -> None:
    parent = trained(database)
    outcome = itop("fork", str(parent.id), "--lr", "0.01")
    assert outcome.code == 1
    assert "no step left to train" in outcome.err
    assert "--epochs N" in outcome.err
    assert runs.count(database, RunQuery()) == 1


def test_a_fork_with_another_model_is_refused(itop: Itop, database: Database) -> None:
    parent = trained(database)
    outcome = itop("fork", str(parent.id), "--model", "lenet5", "--data", "mnist")
    assert outcome.code == 1
    assert "model = 'lenet5'" in outcome.err
    assert itop("fork", str(queued(database).id)).code == 1


def test_a_fork_with_masks_of_another_density_or_distribution_is_refused(itop: Itop, database: Database) -> None:
    parent = trained(database)
    assert parent.config["sparse"]
    for flags, field in (("--density 0.02", "density = 0.02"), ("--sparse_init uniform", "sparse_init = 'uniform'")):
        outcome = itop("fork", str(parent.id), *flags.split())
        assert outcome.code == 1
        assert f"{field}: cannot be changed where a run resumes from a checkpoint" in outcome.err
        assert "Traceback" not in outcome.err
    assert runs.count(database, RunQuery()) == 1


def test_devices_and_their_slots(itop: Itop, database: Database) -> None:
    assert itop("devices", "--json").json()[0]["slots"] == 1
    assert itop("devices", "--slots", "cpu=3", "--json").json()[0]["slots"] == 3
    assert key_values.get(database, "slots", None) == {"cpu": 3}
    running(database, queued(database))
    (cpu, *_) = itop("devices", "--json").json()
    assert (cpu["name"], cpu["runs"], cpu["slots"]) == ("cpu", 1, 3)
    wrong = itop("devices", "--slots", "cpu", "--slots", "cpu=-1")
    assert wrong.code == 2
    assert len(wrong.err.splitlines()) == 2
    assert "must name one of this machine's devices" in itop("devices", "--slots", "tpu=1").err
    assert key_values.get(database, "slots", None) == {"cpu": 3}


def test_a_scheduler_that_does_not_start_loses_no_run(
    itop: Itop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Database) -> None:
        raise submit.SchedulerError("The background scheduler did not start: no memory")

    monkeypatch.setattr(submit, "ensure_scheduler", refuse)
    outcome = itop("train", "--data", "digits")
    assert outcome.code == 1
    assert "did not start: no memory" in outcome.err
    assert "queued for now: 1" in outcome.err
    assert runs.get(database, 1).status is RunStatus.QUEUED
    # Looking is possible all the same.
    looked = itop("runs")
    assert looked.code == 0
    assert "did not start: no memory" in looked.err
