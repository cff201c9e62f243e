"""How long a frame of the layers' heat map takes, and what a new mask update costs.

Run with `-m benchmark --benchmark-enable -s`; the fastest of several turns is held to, in processor time, which the
machine's other work does not change.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from itop_tui.chart.heat_map import HeatMap
from tests.benchmarks.measuring import spread
from tests.itop_tui.run.hosting import Host

pytestmark = pytest.mark.benchmark
LAYERS, UPDATES = 50, 1_000


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
async def test_a_frame_of_50_layers_and_1_000_updates(size: tuple[int, int]) -> None:
    heat = HeatMap()
    values = np.random.default_rng(7).random((LAYERS, UPDATES))
    names = [f"features.{number}" for number in range(LAYERS)]
    async with Host(heat).run_test(size=size) as pilot:
        heat.show(names, range(UPDATES), values)
        await pilot.pause()
        taken: list[float] = []
        for _ in range(20):
            began = time.thread_time()
            heat.show(names, range(UPDATES), values)
            for row in range(size[1]):
                heat.render_line(row)
            taken.append(time.thread_time() - began)
    print(f"\na frame of {LAYERS} layers × {UPDATES:,} updates at {size[0]}×{size[1]}: {spread(taken)}")
    assert min(taken) < 0.016
