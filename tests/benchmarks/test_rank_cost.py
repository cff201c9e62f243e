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
    for model, pairs in json.loads(out.read_text()).items():
        plain, ours = (statistics.median(part) for part in zip(*pairs, strict=True))
        ratios[model] = statistics.median(mine / theirs for theirs, mine in pairs)
        print(f"\n{model}: plain DDP {1e3 * plain:.2f} ms, itop {1e3 * ours:.2f} ms, ratio {ratios[model]:.3f}")
    assert max(ratios.values()) <= GOAL, ratios
