from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from db.records import RunStatus
from itop_tui.figures import run_view
from itop_tui.runs.run_columns import COLUMNS, FIELDS, CellContext, column, settings_columns, spread
from itop_tui.runs.run_layout import (
    LEAD,
    NARROWEST,
    WIDEST,
    ChosenColumn,
    at,
    default_columns,
    edge_at,
    from_json,
    moved,
    order,
    place,
    resized,
    to_json,
)
from tests.itop_tui.support import NOW, make_run, sample_runs

SCENE = CellContext(NOW)


@pytest.mark.parametrize("width", range(20, 240))
def test_columns_never_pass_the_edge_nor_overlap(width: int) -> None:
    placed = place(width).placed
    end = LEAD
    for each in placed:
        assert each.x >= end
        assert each.width >= each.column.width
        end = each.x + each.width
    assert end <= width


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (79, {"state", "id", "name", "progress", "best", "test_accuracy", "age", "method", "itop"}),
        (
            100,
            {"state", "id", "name", "model", "method", "density", "progress", "best", "test_accuracy", "itop", "age"},
        ),
        (175, {"state", "id", "name", "model", "data", "method", "density", "progress", "best", "itop", "age", "loss"}),
    ],
)
def test_what_is_shown_at_which_width(width: int, expected: set[str]) -> None:
    assert expected <= {each.column.key for each in place(width).placed}


def test_more_room_never_hides_a_column() -> None:
    shown: set[str] = set()
    for width in [w for w in range(20, 240) if w not in range(125, 160)]:
        now = {each.column.key for each in place(width).placed}
        assert shown <= now
        shown = now
    assert shown == {each.key for each in COLUMNS}


@pytest.mark.parametrize("run", sample_runs(), ids=lambda run: str(run.status) + str(run.id))
def test_every_cell_fills_its_width(run: object) -> None:
    hostile = replace(run, name="[b]\x1b[1m数据\u202e" * 50, loss=math.inf, itop_rate=math.nan)  # type: ignore[type-var]
    scene = CellContext(NOW, {run.id: (2.3, math.nan, 0.1)})  # type: ignore[attr-defined]
    for each in (*COLUMNS, *FIELDS, *settings_columns()):
        for width in {each.width, each.width + 3, 44}:
            for shown in (run, hostile):
                parts = each.cell(shown, scene, width)  # type: ignore[arg-type]
                assert sum(cell_len(text) for text, _ in parts) == width, each.key


def test_every_column_has_room_where_the_list_has_the_screen_to_itself() -> None:
    widths = {each.column.key: each.width for each in place(119).placed}
    assert widths["name"] >= 20
    assert widths["model"] >= len("lenet300-100")
    assert widths["data"] >= len("fashion-mnist")
    assert widths["method"] >= len("RigL")  # what all methods of itop share is left out where there is less room
    assert widths["test_accuracy"] >= len("97.12%")


def test_where_there_is_little_room_words_get_shorter_but_still_differ() -> None:
    known = {each.key: each for each in COLUMNS}
    presets = ("rigl-itop", "set-itop", "digits-dense")
    methods = [known["method"].cell(make_run(1, preset=preset), SCENE, 6)[0][0].strip() for preset in presets]
    assert methods == ["RigL", "SET", "dense"]
    assert known["density"].head(5) == "dens."
    assert known["density"].head(7) == "density"
    for status in RunStatus:
        assert "…" not in known["state"].cell(make_run(1, status), SCENE, known["state"].width)[0][0]


def test_a_dense_run_explores_nothing() -> None:
    itop = next(each for each in COLUMNS if each.key == "itop")
    assert itop.cell(make_run(1, preset="digits-dense", itop_rate=1.0), SCENE, 4) == [("   –", "faint")]


def test_the_column_under_the_mouse() -> None:
    placed = place(120).placed
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
    assert run_view.reason_parts(silent, NOW) == [("no sign of life for 3 min", "warn")]
    assert run_view.state(make_run(1, "running"), NOW) == [("● running", "live")]


@pytest.mark.parametrize("status", [*RunStatus])
def test_a_run_that_raised_an_alarm_has_its_sign_and_still_its_state(status: RunStatus) -> None:
    shown = run_view.state_cell(make_run(1, status.value, alarms=("collapse",)), NOW, 11)
    assert shown[0] == ("▲", "bad")
    assert "".join(part for part, _ in shown) == f"▲ {status.value}".ljust(11)
    assert "".join(part for part, _ in run_view.state_cell(make_run(1, status.value), NOW, 11)) != f"▲ {status.value}"


def test_a_name_too_long_keeps_what_tells_the_runs_of_a_sweep_apart() -> None:
    names = [f"rigl-itop-d0.05-s{seed}-lenet300-100-digits" for seed in (1, 2)]
    shown = [run_view.name(make_run(1, name=name), 14) for name in names]
    assert shown == ["…d0.05-s1-len…", "…d0.05-s2-len…"]
    assert run_view.name(make_run(1, name="rigl-itop-d0.05"), 20) == "rigl-itop-d0.05     "
    assert run_view.name(make_run(1, name="my own long name"), 10) == "my own lo…"


def test_nothing_short_of_the_end_reads_100_percent() -> None:
    almost = make_run(1, "running", step=1719, samples_per_second=None)
    assert "99%" in "".join(text for text, _ in run_view.progress_parts(almost, NOW, 20))


def test_a_held_run_and_an_extended_one_say_so() -> None:
    assert run_view.state(make_run(1, "queued", held=True), NOW)[0][0] == "◌ held"
    assert run_view.method(make_run(1, preset="rigl-itop-5x")) == "RigL-ITOP 5×"
    assert run_view.density(make_run(1, preset="digits-dense")) == "dense"


def test_an_ending_is_told_with_what_matters() -> None:
    completed = make_run(1, "completed", best_val_accuracy=0.9712)
    killed = make_run(2, "killed", reason="killed by SIGKILL")
    assert run_view.ending(completed) == ("Run 1 (rigl-itop 1) completed: best validation accuracy 97.12%.", True)
    assert run_view.ending(killed) == ("Run 2 (rigl-itop 2) killed: killed by SIGKILL", False)


@pytest.mark.parametrize("width", [79, 119, 199])
@pytest.mark.parametrize(
    "chosen", [(), (ChosenColumn("name", 30), ChosenColumn("test_accuracy"), ChosenColumn("config.lr", 9))]
)
def test_every_column_is_on_some_page_and_no_page_passes_the_edge(width: int, chosen: tuple[ChosenColumn, ...]) -> None:
    pages = [place(width, chosen, page=number) for number in range(place(width, chosen).pages)]
    seen = {placed.column.key for page in pages for placed in page.placed}
    assert seen == {each.key for each in chosen or default_columns()}
    for page in pages:
        assert page.placed[-1].x + page.placed[-1].width <= width
        assert "name" in {placed.column.key for placed in page.placed}, "one sees which run a line is about"
    assert place(width, chosen, page=99).number == len(pages) - 1


def test_a_choice_is_kept_in_its_order_and_with_its_widths() -> None:
    chosen = (
        ChosenColumn("best"),
        ChosenColumn("name", 33),
        ChosenColumn("config.update_frequency"),
        ChosenColumn("state", 7),
    )
    placed = place(200, chosen).placed
    assert [each.column.key for each in placed] == [each.key for each in chosen]
    assert [each.width for each in placed][1::2] == [33, 7]


def test_other_widths_alone_keep_what_matters_most_in_sight() -> None:
    narrow = place(80, resized((), "name", 14))
    assert [each.column.key for each in narrow.placed] == [each.column.key for each in place(80).placed]
    assert next(each.width for each in narrow.placed if each.column.key == "name") == 14
    assert edge_at(narrow.placed, narrow.placed[0].x + narrow.placed[0].width) == narrow.placed[0]
    assert edge_at(narrow.placed, narrow.placed[0].x) is None


def test_figures_of_groups_get_room_for_their_deviation() -> None:
    widths = {each.column.key: each.width for each in place(119, grouped=True).placed}
    assert widths["best"] >= len("95.56 ±1.43%")


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([["name", 20], ["best", None]], (ChosenColumn("name", 20), ChosenColumn("best"))),
        ([["name", 99999], ["name", 3], ["nothing", 4], "odd", ["best"]], (ChosenColumn("name", 80),)),
        (None, ()),
        ({"a": 1}, ()),
        ([["config.lr", None]], (ChosenColumn("config.lr"),)),
    ],
)
def test_a_choice_comes_back_as_it_was_kept_and_what_is_none_is_left_out(
    kept: object, expected: tuple[ChosenColumn, ...]
) -> None:
    assert from_json(kept) == expected
    assert from_json(to_json(expected)) == expected


_KEYS = [each.key for each in (*COLUMNS, *FIELDS)]
_CHOICES = st.lists(
    st.builds(ChosenColumn, st.sampled_from(_KEYS), st.none() | st.integers(NARROWEST, WIDEST)),
    min_size=1, max_size=12, unique_by=lambda each: each.key,
)  # fmt: skip


@given(chosen=_CHOICES, width=st.integers(79, 240), grouped=st.booleans())
def test_every_chosen_column_is_on_some_page_however_wide_it_was_made(
    chosen: list[ChosenColumn], width: int, grouped: bool
) -> None:
    seen = order(width, chosen, grouped=grouped)
    assert sorted(key for key, _ in seen) == sorted(each.key for each in chosen)
    for key, number in seen:
        page = place(width, chosen, page=number, grouped=grouped)
        assert page.number == number
        assert key in {each.column.key for each in page.placed}
        assert page.placed[-1].x + page.placed[-1].width <= width


@given(chosen=_CHOICES, width=st.integers(79, 240), data=st.data())
def test_a_moved_column_is_seen_at_its_new_place_and_the_others_stay_in_order(
    chosen: list[ChosenColumn], width: int, data: st.DataObject
) -> None:
    keys = [key for key, _ in order(width, chosen)]
    key, to = data.draw(st.sampled_from(keys)), data.draw(st.integers(-2, len(keys) + 2))
    after = moved(chosen, keys, key, to)
    assert sorted(after, key=lambda each: each.key) == sorted(chosen, key=lambda each: each.key)
    assert [each.key for each in after if each.key != key] == [each for each in keys if each != key]
    assert [each.key for each in after].index(key) == max(0, min(to, len(keys) - 1))


def test_another_order_of_the_lists_own_columns_leaves_the_name_its_room() -> None:
    for width in (119, 199):
        keys = [key for key, _ in order(width)]
        after = moved((), keys, "density", keys.index("density") + 1)
        widths = {each.column.key: each.width for each in place(width, after).placed}
        assert widths["name"] >= 20
        assert widths["method"] >= len("RigL-ITOP" if width > 119 else "RigL")


def test_a_column_that_was_resized_is_fitted_again() -> None:
    wide = resized((), "best", 30)
    assert place(160, wide).placed != place(160).placed
    assert place(160, resized(wide, "best", None)) == place(160)


def test_a_mean_is_written_with_its_deviation_as_far_as_there_is_room() -> None:
    from itop_tui.figures.format import percent, ratio

    assert spread(percent, 0.9556, 0.0143, 13) == " 95.56 ±1.43%"
    assert spread(percent, 0.9556, 0.0143, 11) == "95.56±1.43%"
    assert spread(percent, 0.9556, 0.0143, 8) == "  95.56%"
    assert spread(ratio, 0.45, None, 8) == "    0.45"
    # Of how many runs it is comes before the deviation.
    for width, shown in ((18, " 95.56 ±1.43% of 3"), (12, " 95.56% of 3"), (8, "95.56%/3"), (6, "95.56%")):
        assert spread(percent, 0.9556, 0.0143, width, 3) == shown
    assert spread(ratio, None, None, 4) == "   –"


def test_every_setting_has_a_column_that_shows_it() -> None:
    run = make_run(1)
    for each in settings_columns():
        text = "".join(part for part, _ in each.cell(run, SCENE, 30)).strip()
        value = run.config[each.key.removeprefix("config.")]
        assert (
            text == {None: "–", True: "yes", False: "no"}.get(value, text) if isinstance(value, bool | None) else text
        )
        assert column(each.key) is not None
        assert each.about
