"""A new user in a real terminal with keys only: launch a run, wait for its end, resume it, fork it."""

from __future__ import annotations

from pathlib import Path

from db.history import metrics
from db.records import RunQuery, RunStatus
from db.runs import attempts, checkpoints, runs
from db.session import Database
from tests.end_to_end.terminal import Terminal, needs_tmux

pytestmark = needs_tmux


def test_launch_from_the_form_see_it_finish_resume_it_and_fork_it(terminal: Terminal, home: Path) -> None:
    terminal.wait_for("new run")
    terminal.press("n")
    terminal.wait_for("from RigL-ITOP, quick (digits)", "ready")
    terminal.move_to("name")
    terminal.press("-l", "first light")
    terminal.move_to("epochs")
    terminal.press("BSpace", "BSpace", "2")
    terminal.wait_for("86 steps")
    terminal.press("C-s")

    terminal.wait_for("first light", "✓ completed")
    database = Database.open(f"sqlite:///{home / 'itop.db'}")
    try:
        run = runs.find(database, "first light")
        assert (run.status, run.step, run.total_steps) == (RunStatus.COMPLETED, 86, 86)
        assert run.config["epochs"] == 2
        assert [step.step for step in metrics.steps(database, run.id)] == list(range(1, 87))
        best = checkpoints.pick(database, run.id, "best")

        terminal.press("Enter")
        terminal.wait_for("1 Charts", "✓ completed")
        terminal.press("4")
        terminal.wait_for("best", "last")
        screen = terminal.screen().splitlines()
        cursor_moves = [line for line in screen if line.split()[:1] in (["last"], ["best"])]
        if cursor_moves[0].split()[0] != "best":
            terminal.press("Down")
        terminal.press("r")
        terminal.until(lambda _: len(attempts.for_run(database, run.id)) == 2, "a second attempt")
        again = attempts.latest(database, run.id)
        assert again is not None
        assert again.start_step == best.step

        terminal.until(lambda _: runs.get(database, run.id).status is RunStatus.COMPLETED, "the resumed run's end")
        terminal.wait_for("✓ completed")
        assert [step.step for step in metrics.steps(database, run.id)] == list(range(1, 87))

        terminal.press("f")
        terminal.wait_for("fork of run 1 at step 43", "ready")
        terminal.move_to("name")
        terminal.press("C-u")
        terminal.press("-l", "second light")
        terminal.wait_for("second light", "ready")
        terminal.press("C-s")
        terminal.until(lambda _: runs.count(database, RunQuery()) == 2, "the fork")
        fork = runs.find(database, "second light")
        assert (fork.parent_id, fork.fork_step, fork.config) == (run.id, best.step, run.config)
        terminal.until(lambda _: runs.get(database, fork.id).status is RunStatus.COMPLETED, "the fork's end")
        assert [step.step for step in metrics.steps(database, fork.id)] == list(range(best.step + 1, 87))

        # No other key with it: a key right after Escape would be read as Alt and that key.
        terminal.press("Escape")
        terminal.wait_for("itop › runs", "second light")
        terminal.press("q")
        terminal.until(lambda screen: "first light" not in screen, "the end of the app")
    finally:
        database.close()
