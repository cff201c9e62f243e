"""Which charts are shown: empty ones leave their room to others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from itop_tui.chart.chart_places import ChartPlaces


def test_empty_charts_give_their_room_to_others() -> None:
    places = ChartPlaces.of("tttttttt", [False, False, True, True, False, False, False, False], 0, 6)
    assert places.page == (0, 1, 4, 5, 6, 7)
    assert places.note == "1–6 of 8, 2 empty"
    assert ChartPlaces.of("ttt", [True] * 3, 1, 2).page == (0, 1), "all of them empty: each says why"
    assert ChartPlaces.of("ttt", [False, True, False], 1, 6).page == (0, 1, 2), "the chosen one is shown"
    assert ChartPlaces.of("ttt", [False] * 3, 1, 6).note == ""
    assert ChartPlaces.of("ttt", [False] * 3, 2, 2).note == "3 of 3"
    assert ChartPlaces.of("ttmm", [False, False, True, False], 1, 6).group == (0, 1), "each kind has its pages"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12), st.data())
def test_the_chosen_chart_is_on_its_page_and_all_others_of_its_kind_on_some(
    charts: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    kinds, empty = [kind for kind, _ in charts], [none for _, none in charts]
    chosen, room = data.draw(st.integers(0, len(charts) - 1)), data.draw(st.integers(1, 9))
    places = ChartPlaces.of(kinds, empty, chosen, room)
    assert chosen in places.page
    assert 1 <= len(places.page) <= room
    assert {kinds[at] for at in places.page} == {kinds[chosen]}
    seen = {at for each in places.shown for at in ChartPlaces.of(kinds, empty, each, room).page}
    assert {at for at in places.group if not empty[at]} <= seen
