"""How comparisons were left, as JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from itop_tui.compare.reading import MOST_KEPT, Left, left_before, view_before, with_left

LEFT = st.lists(st.integers(1, 50), min_size=1, max_size=6, unique=True).flatmap(
    lambda ids: st.builds(Left, st.just(tuple(ids)), st.frozensets(st.sampled_from(ids)), st.booleans())
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("view", "comparisons", "runs", "hidden", "grouped")), inner)
    ),
)


@given(st.lists(LEFT, max_size=8))
def test_the_last_word_on_each_set_of_runs_comes_back_whatever_their_order(left: list[Left]) -> None:
    kept: object = None
    for number, each in enumerate(left):
        kept = json.loads(json.dumps(with_left(kept, each, {"number": number})))
    last = {frozenset(each.ids): each for each in left}
    for ids, each in last.items():
        assert left_before(kept, sorted(ids, reverse=True)) == each
    assert view_before(kept) == ({"number": len(left) - 1} if left else {})
    assert left_before(kept, [51, 52]) is None


def test_the_comparison_left_longest_ago_is_forgotten_first() -> None:
    kept: object = None
    for number in range(MOST_KEPT + 1):
        kept = with_left(kept, Left((number, number + 1)), {})
    assert left_before(kept, [0, 1]) is None
    assert left_before(kept, [2, 1]) == Left((1, 2))
    kept = with_left(kept, Left((2, 1), frozenset({1})), {})
    kept = with_left(kept, Left((900, 901)), {})
    assert left_before(kept, [1, 2]) == Left((2, 1), frozenset({1})), "what was left again lately stays"


@given(JSON)
def test_what_makes_no_sense_is_ignored(kept: object) -> None:
    assert left_before(kept, [7, 8]) is None
    assert dict(view_before(kept)) is not None
    assert left_before(with_left(kept, Left((7, 8)), {}), [8, 7]) == Left((7, 8))
