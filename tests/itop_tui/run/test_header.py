"""The head of the screen: everything it says, and that it says nothing that is not so."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from db.records import Alarm, RunStatus
from itop_tui.look.toned import Part
from itop_tui.run.header import header_lines
from tests.itop_tui.run import made
from tests.itop_tui.run.hosting import NOW


def text(lines: list[list[Part]]) -> str:
    return "\n".join("".join(part for part, _ in line) for line in lines)


def test_a_running_run_says_everything() -> None:
    said = text(header_lines(made.view(), NOW, 160))
    for part in (
        "● running for 12m 34s", "vgg-c rigl 5%", "vgg-c on cifar10 · RigL-ITOP", "cuda:0 pid 4242 atlas", "45%",
        "step 9,000 / 20,000", "epoch 18 / 40", "12.0k/s", "loss 0.210", "acc 96.66%", "val 95.54%", "best 96.71%",
        "test –", "density 5%", "R_s 0.406", "ζ 0.291", "lr 0.1",
    ):  # fmt: skip
        assert part in said
    # 11,000 steps of 128 samples at 12,000 a second.
    assert "ETA 1m 57s" in said


@pytest.mark.parametrize("width", [40, 60, 78, 118, 198])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    view = made.view(run=made.run(name="name " * 50))
    for line in header_lines(view, NOW, width)[:2]:
        assert sum(cell_len(part) for part, _ in line) <= width
    assert "4242" in text(header_lines(view, NOW, width))


def test_the_reason_is_told_in_full() -> None:
    ended = made.run(status=RunStatus.KILLED, reason="killed by SIGKILL (signal 9)", ended_at=NOW - 10)
    said = text(header_lines(made.view(run=ended), NOW, 78))
    assert "† killed after 12m 24s" in said
    assert "reason killed by SIGKILL (signal 9)" in said
    assert "ETA" not in said


def test_a_silent_run_is_not_said_to_progress() -> None:
    said = text(header_lines(made.view(run=made.run(heartbeat_at=NOW - 100)), NOW, 118))
    assert "silent" in said
    assert "no sign of life for 1 min" in said
    assert "ETA" not in said


def test_a_fork_names_its_parent() -> None:
    child = made.run(id=13, parent_id=12, fork_step=4_000)
    assert "fork of run 12 vgg-c rigl 5% at step 4,000" in text(
        header_lines(made.view(run=child, parent=made.run()), NOW, 118)
    )
    assert "fork of run 12 at step 4,000" in text(header_lines(made.view(run=child), NOW, 118))


def test_a_fork_says_what_was_changed_as_far_as_there_is_room() -> None:
    base = made.run().config
    parent = made.run(id=11, name="base", config={**base, "lr": 0.2, "growth": "random", "epochs": 20, "seed": 1})
    child = made.run(parent_id=11, fork_step=4_000)
    wide = text(header_lines(made.view(run=child, parent=parent), NOW, 200))
    assert "fork of run 11 base at step 4,000: growth random → gradient" in wide
    assert "lr 0.2 → 0.1" in wide
    assert "more (3)" not in wide
    narrow = text(header_lines(made.view(run=child, parent=parent), NOW, 80))
    line = next(line for line in narrow.splitlines() if line.startswith("fork of"))
    assert line.endswith(" more (3)")
    assert len(line) <= 80
    same = text(header_lines(made.view(run=child, parent=made.run(id=11)), NOW, 80))
    assert "nothing was changed" in same


def test_figures_that_diverged_are_named() -> None:
    lines = header_lines(made.view(run=made.run(loss=math.nan, val_loss=math.inf)), NOW, 118)
    assert ("NaN", "bad") in [part for line in lines for part in line]


def test_a_queued_run_has_no_figures_yet() -> None:
    queued = made.run(
        status=RunStatus.QUEUED, started_at=None, heartbeat_at=None, step=0, total_steps=0, epoch=0, loss=None,
        host=None, device=None, pid=None, samples_per_second=None,
    )  # fmt: skip
    said = text(header_lines(made.view(run=queued), NOW, 118))
    assert "○ queued for 15m 00s" in said
    assert "loss –" in said
    assert "%" not in said.splitlines()[1]
    assert "pid" not in said


def test_progress_is_rounded_down() -> None:
    said = text(header_lines(made.view(run=made.run(step=19_999)), NOW, 118))
    assert " 99%" in said
    assert "100%" not in said


def test_a_dense_run_has_no_mask_figures() -> None:
    dense = made.run(config={**made.run().config, "sparse": False}, itop_rate=None, death_rate=None, density=1.0)
    said = text(header_lines(made.view(run=dense), NOW, 118))
    assert "density 100%" in said
    assert "R_s" not in said


def test_hostile_names_are_shown_as_text() -> None:
    hostile = made.run(name="[red]x[/]\x1b[31m\u202eRTL\n🎉", host="a\x07b", reason="[bold]why\x1b]0;t\x07")
    said = text(header_lines(made.view(run=hostile), NOW, 118))
    assert "[red]x[/]␛[31mRTL 🎉" in said
    assert "[bold]why␛]0;t␇" in said
    assert not any(character in said for character in "\x1b\x07\u202e")


def test_energy_is_there_where_it_is_known() -> None:
    assert "energy" not in text(header_lines(made.view(), NOW, 160))
    for watt_hours, written in ((0.0421, "0.0421 Wh"), (12.34, "12.3 Wh"), (2345.6, "2.35 kWh")):
        assert f"energy {written}" in text(header_lines(made.view(run=made.run(energy_wh=watt_hours)), NOW, 160))


def test_it_says_what_code_changed_before_the_run_started() -> None:
    assert "code" not in text(header_lines(made.view(), NOW, 118))
    said = text(header_lines(replace(made.view(), changed_code="size.py\x1b[2J"), NOW, 118))
    assert "code changed before it started: size.py␛[2J (W)" in said


def test_the_first_alarms_have_a_line_each_that_is_no_wider_than_the_screen() -> None:
    raised = tuple(
        Alarm("collapse", f"fc{number}\x1b[2J", 1_200, "0 of 1,000 weights are active") for number in range(4)
    )
    view = made.view(run=made.run(alarms=("collapse",)), alarms=raised)
    lines = header_lines(view, NOW, 78)
    said = text(lines)
    assert "▲ running for" in said
    assert "▲ a layer has collapsed (fc0" in said
    assert "at step 1,200: 0 of 1,000" in said
    assert "and 2 more alarms" in said
    assert "fc2" not in said
    assert "\x1b" not in said
    assert all(sum(cell_len(part) for part, _ in line) <= 78 for line in lines)
    assert "▲" not in text(header_lines(made.view(), NOW, 78))
