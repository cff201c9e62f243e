"""`itop plan`: what a run would be, asked of a helper process that has torch."""

from __future__ import annotations

import pytest

from db.errors import StoreError
from db.history.writer import MetricWriter
from db.records import RunStatus
from db.runs import attempts, runs
from db.session import Database
from engine.config.experiments import as_stored
from engine.config.presets import PRESETS
from engine.helpers.plan_client import PlanError
from tests.itop_tui.cli.conftest import Itop
from tests.itop_tui.cli.recorded import running
from tests.itop_tui.cli.test_flags import PUBLISHED


def test_the_plan_of_the_published_run(itop: Itop, database: Database) -> None:
    line = PUBLISHED.format(multiplier=1).split()
    planned = itop("plan", *line, "--json").json()
    assert set(planned["layers"][0]) >= {"name", "shape", "density", "nonzeros"}
    assert (planned["parameters"], planned["maskable"]) == (11_323_466, 11_307_712)
    assert planned["nonzeros"] == sum(layer["nonzeros"] for layer in planned["layers"]) == round(0.05 * 11_307_712)
    assert planned["steps"] == 250 * 352
    assert planned["mask_updates"] == 250 * 352 // 1500
    assert planned["forward_flops"] < planned["dense_forward_flops"]
    assert planned["training_flops"] < planned["dense_training_flops"]
    assert 0.05 < planned["expected_itop_rate"] < 1
    assert planned["estimated_seconds"] is None
    assert planned["estimated_bytes"] > 3 * 3 * 4 * 11_323_466
    assert runs.count(database) == 0


def test_the_plan_for_people(itop: Itop) -> None:
    text = itop("plan", "--preset", "digits-rigl").out
    assert text.startswith("RigL-ITOP: lenet300-100 on digits")
    assert "300×64" in text
    assert "all layers" in text
    assert "time, about     unknown: no past run like it" in text
    assert "at most 3 checkpoints, sized by its parameters" in text
    assert "R_s" not in text  # gradients return to the same weights: only training tells
    assert "expected R_s    about" in itop("plan", "--preset", "digits-set").out


def test_where_gradients_choose_past_runs_of_the_recipe_tell_the_r_s(itop: Itop, database: Database) -> None:
    config = PRESETS["digits-rigl"].config()
    for seed, rate in ((1, 0.3), (2, 0.5), (3, None)):
        run = runs.create(database, **as_stored(config.with_changes(seed=seed)))
        attempt = running(database, run)
        with MetricWriter(database, run.id, attempt) as writer:
            writer.progress(**({} if rate is None else {"itop_rate": rate}))
        attempts.finish(database, attempt, status=RunStatus.COMPLETED, reason=None)
    text = itop("plan", "--preset", "digits-rigl").out
    assert "R_s so far      0.400 in 2 past runs of this recipe" in text
    assert "expected R_s" not in text
    planned = itop("plan", "--preset", "digits-rigl", "--json").json()
    assert (planned["past_itop_rate"], planned["past_runs"]) == (0.4, 2)
    assert planned["expected_itop_rate_is"] == "an upper limit"
    assert "R_s so far" not in itop("plan", "--preset", "digits-rigl", "--density", "0.2").out


def test_a_dense_run_has_no_r_s(itop: Itop) -> None:
    assert itop("plan", "--preset", "digits-dense", "--json").json()["expected_itop_rate"] is None


def test_a_plan_of_attention_says_what_no_mask_reduces(itop: Itop) -> None:
    model = "tests.engine.sparsity.flops_table:attentive"
    text = itop("plan", "--model", model, "--data", "digits", "--sparse", "--density", "0.1").out
    assert "of dense; 16.4k of them without a weight, which no mask reduces" in " ".join(text.split())


def test_a_plan_is_told_where_the_database_cannot_be_read(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*, tend: bool) -> None:
        raise StoreError("The database is locked.")

    monkeypatch.setattr("itop_tui.cli.commands.plan.opened", refuse)
    outcome = itop("plan", "--preset", "digits-set")
    assert outcome.code == 0
    assert "time, about     unknown: The database is locked." in outcome.out


def test_a_plan_that_cannot_be_made(itop: Itop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PlanError("the model does not build\nfor this reason")

    monkeypatch.setattr("engine.helpers.plan_client.request_plan", refuse)
    outcome = itop("plan")
    assert outcome.code == 1
    assert outcome.err == "itop: the model does not build\n      for this reason\n"


def test_wrong_settings_are_told_before_anything_is_asked(itop: Itop) -> None:
    outcome = itop("plan", "--lr", "0", "--iters", "none")
    assert outcome.code == 2
    assert "lr" in outcome.err
