from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from db.records import RunStatus
from itop_tui import run_view
from itop_tui.widgets.run_columns import COLUMNS, LEAD, at, place
from tests.itop_tui.support import NOW, make_run, sample_runs


@pytest.mark.parametrize("width", range(20, 240))
def test_columns_never_pass_the_edge_nor_overlap(width: int) -> None:
    placed = place(width)
    end = LEAD
    for each in placed:
        assert each.x >= end
        assert each.width >= each.column.width
        end = each.x + each.width
    assert end <= width


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (79, {"state", "id", "name", "progress", "best", "age", "method", "density", "itop"}),
        (100, {"state", "id", "name", "model", "data", "method", "density", "progress", "best", "itop", "age"}),
        (155, {"state", "id", "name", "model", "data", "method", "density", "progress", "best", "itop", "age", "loss"}),
    ],
)
def test_what_is_shown_at_which_width(width: int, expected: set[str]) -> None:
    assert expected <= {each.column.key for each in place(width)}


def test_more_room_never_hides_a_column() -> None:
    shown: set[str] = set()
    for width in [w for w in range(20, 240) if w not in range(125, 160)]:
        now = {each.column.key for each in place(width)}
        assert shown <= now
        shown = now
    assert shown == {column.key for column in COLUMNS}


@pytest.mark.parametrize("run", sample_runs(), ids=lambda run: str(run.status) + str(run.id))
def test_every_cell_fills_its_width(run: object) -> None:
    hostile = replace(run, name="[b]\x1b[1m数据\u202e" * 50, loss=math.inf, itop_rate=math.nan)  # type: ignore[type-var]
    for column in COLUMNS:
        for width in {column.width, column.width + 3, 44}:
            for shown in (run, hostile):
                parts = column.cell(shown, NOW, width)  # type: ignore[arg-type]
                assert sum(cell_len(text) for text, _ in parts) == width, column.key


def test_every_column_has_room_where_the_list_has_the_screen_to_itself() -> None:
    widths = {each.column.key: each.width for each in place(119)}
    assert widths["name"] >= 20
    assert widths["model"] >= len("lenet300-100")
    assert widths["data"] >= len("fashion-mnist")
    assert widths["method"] >= len("RigL-ITOP")


def test_where_there_is_little_room_words_get_shorter_but_still_differ() -> None:
    column = {column.key: column for column in COLUMNS}
    presets = ("rigl-itop", "set-itop", "digits-dense")
    methods = [column["method"].cell(make_run(1, preset=preset), NOW, 6)[0][0].strip() for preset in presets]
    assert methods == ["RigL", "SET", "dense"]
    assert column["density"].head(5) == "dens."
    assert column["density"].head(7) == "density"
    for status in RunStatus:
        assert "…" not in column["state"].cell(make_run(1, status), NOW, column["state"].width)[0][0]


def test_a_dense_run_explores_nothing() -> None:
    itop = next(column for column in COLUMNS if column.key == "itop")
    assert itop.cell(make_run(1, preset="digits-dense", itop_rate=1.0), NOW, 4) == [("   –", "faint")]


def test_the_column_under_the_mouse() -> None:
    placed = place(120)
    for each in placed:
        assert at(placed, each.x) is each.column
        assert at(placed, each.x + each.width - 1) is each.column
    assert at(placed, 0) is None
    assert at(placed, 5000) is None


def test_time_left_is_told_only_where_it_is_known() -> None:
    running = make_run(1, "running", step=860, samples_per_second=3200.0)
    assert run_view.seconds_left(running, NOW) == pytest.approx(860 * 32 / 3200)
    assert run_view.seconds_left(replace(running, samples_per_second=None), NOW) is None
    assert run_view.seconds_left(replace(running, samples_per_second=math.nan), NOW) is None
    assert run_view.seconds_left(replace(running, heartbeat_at=NOW - 60), NOW) is None
    assert run_view.seconds_left(make_run(1, "completed"), NOW) is None
    assert run_view.seconds_left(replace(running, config={"batch_size": "x"}), NOW) is None


def test_a_running_run_that_went_silent_does_not_look_like_one_that_runs() -> None:
    silent = make_run(1, "running", heartbeat_at=NOW - 190)
    assert run_view.state(silent, NOW) == [("● silent", "warn")]
    assert run_view.reason_parts(silent, NOW) == [("nothing heard for 3m 10s", "warn")]
    assert run_view.state(make_run(1, "running"), NOW) == [("● running", "live")]


def test_nothing_short_of_the_end_reads_100_percent() -> None:
    almost = make_run(1, "running", step=1719, samples_per_second=None)
    assert "99%" in "".join(text for text, _ in run_view.progress_parts(almost, NOW, 20))


def test_a_held_run_and_an_extended_one_say_so() -> None:
    assert run_view.state(make_run(1, "queued", held=True), NOW)[0][0] == "◌ held"
    assert run_view.method(make_run(1, preset="rigl-itop-5x")) == "RigL-ITOP 5×"
    assert run_view.density(make_run(1, preset="digits-dense")) == "dense"


def test_endings_are_told_once_with_what_matters() -> None:
    before = [make_run(1, "running"), make_run(2, "running"), make_run(3, "queued"), make_run(4, "failed")]
    after = [
        make_run(1, "completed", best_val_accuracy=0.9712),
        make_run(2, "killed", reason="killed by SIGKILL"),
        make_run(3, "running"),
        make_run(4, "failed"),
    ]
    assert [run.id for run in run_view.ended(before, after)] == [1, 2]
    assert run_view.ended(after, after) == []
    assert run_view.ending(after[0]) == ("Run 1 (rigl-itop 1) completed: best validation accuracy 97.12%.", True)
    assert run_view.ending(after[1]) == ("Run 2 (rigl-itop 2) killed: killed by SIGKILL", False)
