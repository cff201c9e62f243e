"""What a step of a run on two devices costs beside one of plain DDP: the exchange of figures and wishes, the hash.

Run with ``pytest tests/benchmarks/test_rank_cost.py -m benchmark --benchmark-enable -s``.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

GOAL = 1.05


@pytest.mark.benchmark
def test_a_step_of_two_ranks_beside_plain_ddp(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    out = tmp_path / "measured.json"
    script = [sys.executable, "-P", "-m", "tests.benchmarks.rank_cost_script"]
    environment = {**os.environ, "TORCH_CPP_LOG_LEVEL": "ERROR", "PYTHONPATH": str(Path(__file__).parents[2])}
    ranks = [subprocess.Popen([*script, str(rank), port, str(out)], env=environment) for rank in (0, 1)]
    try:
        assert [rank.wait() for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    ratios = {}
    for model, blocks in json.loads(out.read_text()).items():
        plain, ours = ([block[which] for block in blocks] for which in (0, 1))
        wall, processor = (
            statistics.median(mine[unit] / theirs[unit] for theirs, mine in zip(plain, ours, strict=True))
            for unit in (0, 1)
        )
        ratios[model] = wall  # the exchange of figures happens while the gradient of the next step is computed
        seconds = [1e3 * statistics.median(one[0] for one in each) for each in (plain, ours)]
        print(
            f"\n{model}: plain DDP {seconds[0]:.2f} ms, itop {seconds[1]:.2f} ms on the wall (ratio {wall:.3f}); ",
            end="",
        )
        print(f"processor time {processor:.3f}")
    assert max(ratios.values()) <= GOAL, ratios
