"""What a heat map begins with is a measure that changes in the run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.records import LayerMaskStat
from itop_tui.figures.layer_measures import first_measure

FIRST = LayerMaskStat(
    layer="fc", position=0, shape=(10, 100), size=1_000, nonzeros=50, pruned=0, grown=0, explored=50
)  # fmt: skip


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (replace(FIRST, pruned=5, grown=5, explored=80), "R_s"),  # weights are exchanged, their number stays
        (replace(FIRST, nonzeros=40, pruned=10), "density"),  # gradual pruning
        (replace(FIRST, nonzeros=60, grown=10, explored=60), "density"),  # weights moved here from other layers
        (FIRST, "density"),  # a static mask: nothing changes
    ],
)
def test_it_begins_with_what_changes(last: LayerMaskStat, shown: str) -> None:
    still = replace(FIRST, layer="other", position=1)
    assert first_measure([(still, still), (FIRST, last)]).name == shown


def test_it_begins_with_the_density_before_the_first_update() -> None:
    assert first_measure([]).name == "density"
    assert first_measure([(FIRST,)]).name == "density"
