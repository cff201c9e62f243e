"""`itop keys`: the actions with their keys, and each key with its meaning."""

from __future__ import annotations

from pathlib import Path

from itop_tui.keys import keymap
from itop_tui.keys.meanings import MEANINGS
from tests.itop_tui.cli.conftest import Itop


def test_actions_and_the_meaning_of_each_key_are_listed(itop: Itop) -> None:
    actions, _, meanings = itop("keys").out.partition("\n\n")
    assert "runs.fork_run  f  list" in actions
    assert f"f  {MEANINGS['f']}  list, run" in meanings.splitlines()
    found = {one["id"]: one for one in itop("keys", "--json").json()}
    assert found["run.fork_here"]["keys"] == ["f"]
    assert (found["run.fork_here"]["screen"], found["run.fork_here"]["meaning"]) == ("run", MEANINGS["f"])


def test_a_key_of_your_own_keeps_the_meaning_of_its_action_and_a_second_meaning_is_reported(
    itop: Itop, home: Path
) -> None:
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[keys]\n"runs.fork_run" = "K"\n"runs.kill_run" = "f9"\n')
    try:
        outcome = itop("keys")
    finally:
        keymap.install({})
    assert f"K  {MEANINGS['f']}; kill  list, run" in outcome.out.splitlines()
    assert "runs.fork_run = 'K': on another screen that key is run.kill_run (kill)" in outcome.err
