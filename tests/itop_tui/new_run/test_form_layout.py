"""Where the lines of the form stand, worked out by hand."""

from __future__ import annotations

import pytest

from itop_tui.new_run import form_layout
from itop_tui.new_run.form_layout import Arrangement, Line, Message, Place, Title, beside, next_in_column, next_read
from itop_tui.new_run.run_form import ALL_FIELDS, FieldSpec

NAMES = ("name", "tags", "model", "data", "sparse", "fix", "density", "lr", "epochs", "seed")


@pytest.fixture(autouse=True)
def few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of the run's own, two of the model, three of sparsity, two of optimisation, one of the run."""
    monkeypatch.setattr(form_layout, "FIELD_ORDER", tuple(ALL_FIELDS[name] for name in NAMES))


def drawn(arrangement: Arrangement) -> list[list[str]]:
    def word(line: Line) -> str:
        if isinstance(line, Title):
            return line.section.upper() + ("…" if line.folded else "")
        if isinstance(line, Message):
            return f"! {line.text}"
        return "" if line is None else line.name

    return [[word(line) for line in lines] for lines in arrangement.columns]


def everything(name: str) -> bool:
    return True


def field(name: str) -> FieldSpec:
    return ALL_FIELDS[name]


ONE = ["name", "tags", "", "MODEL AND DATA", "model", "data", "", "SPARSITY", "sparse", "fix", "density", "",
       "OPTIMISATION", "lr", "epochs", "", "RUN", "seed"]  # fmt: skip


def test_one_column_has_all_sections() -> None:
    assert drawn(Arrangement()) == [ONE]
    assert Arrangement().height == 18


def test_sections_are_divided_so_that_the_longest_column_is_short() -> None:
    assert drawn(Arrangement(2)) == [ONE[:11], ONE[12:]]
    assert [len(lines) for lines in Arrangement(3).columns] == [6, 4, 6]


def test_there_are_no_more_columns_than_sections() -> None:
    assert len(Arrangement(9).columns) == 5


def test_a_folded_section_is_its_title_and_moves_nothing_to_another_column() -> None:
    arrangement = Arrangement(2, folded={"Sparsity"})
    columns = drawn(arrangement)
    assert [lines[0] for lines in columns] == [lines[0] for lines in drawn(Arrangement(2))]
    assert "SPARSITY…" in columns[0]
    assert "density" not in columns[0]
    assert arrangement.place(field("fix")) == arrangement.title("Sparsity")


def test_messages_stand_below_their_field() -> None:
    arrangement = Arrangement(messages={"model": ["no such", "model"]})
    assert drawn(arrangement)[0][4:8] == ["model", "! no such", "! model", "data"]
    assert arrangement.last_row(Place(0, 4)) == 6
    assert arrangement.last_row(Place(0, 7)) == 7


def test_only_some_fields_are_shown_and_sections_without_one_are_left_out() -> None:
    assert drawn(Arrangement(visible={"tags", "lr"})) == [["tags", "", "OPTIMISATION", "lr"]]
    assert Arrangement(visible={"tags"}).place(field("lr")) is None


def test_the_cursor_goes_down_in_its_column_and_on_in_the_order_of_reading() -> None:
    arrangement = Arrangement(3)
    stops = arrangement.stops(everything)
    assert [stop.field.name for stop in stops] == list(NAMES)
    data, lr = arrangement.place(field("data")), arrangement.place(field("lr"))
    assert data is not None
    assert lr is not None
    assert next_in_column(stops, data, 1) is None, "down stays in the column"
    following, before = next_read(stops, data, 1), next_in_column(stops, data, -1)
    assert following is not None
    assert following.field.name == "sparse"
    assert before is not None
    assert before.field.name == "model"
    right, left = beside(stops, data, 1), beside(stops, lr, -1)
    assert right is not None
    assert left is not None
    assert (right.field.name, left.field.name) == ("density", "sparse")
    assert beside(stops, data, -1) is None


def test_fields_that_are_not_open_are_passed_over_and_a_folded_title_is_a_stop() -> None:
    arrangement = Arrangement(folded={"Sparsity"})
    stops = arrangement.stops(lambda name: name not in ("data", "sparse"))
    assert [stop.field.name for stop in stops] == ["name", "tags", "model", "fix", "lr", "epochs", "seed"]
    assert stops[3].place == arrangement.title("Sparsity")
