from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.training.checkpoint import write
from engine.training.tensors import flattened, main

safetensors = pytest.importorskip("safetensors.torch")


def state() -> dict[str, object]:
    weight = torch.arange(6.0).reshape(2, 3).t()  # not contiguous
    return {
        "step": 7,
        "epoch": 2,
        "model": {"fc.weight": weight, "tied.weight": weight, "bn.count": torch.tensor(3)},
        "masking": {"masks": {"fc.weight": weight > 2}, "explored": {"fc.weight": weight > 1}},
    }


def test_weights_and_masks_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = write(tmp_path / "step.pt", state())
    out = tmp_path / "out.safetensors"
    assert main([str(kept.path), str(out), "--sha256", kept.sha256, "--metadata", '{"name": "é\\u001b"}']) == 0
    read = safetensors.load_file(out)
    assert set(read) == {"weights.fc.weight", "weights.tied.weight", "weights.bn.count", "masks.fc.weight",
                         "explored.fc.weight"}  # fmt: skip
    assert torch.equal(read["weights.fc.weight"], torch.arange(6.0).reshape(2, 3).t())
    assert read["masks.fc.weight"].dtype == torch.bool
    assert int(read["masks.fc.weight"].sum()) == 3
    assert int(read["explored.fc.weight"].sum()) == 4
    from safetensors import safe_open

    with safe_open(str(out), framework="pt") as file:
        assert file.metadata() == {"step": "7", "epoch": "2", "name": "é\x1b"}


def test_a_dense_run_has_weights_alone() -> None:
    assert set(flattened({**state(), "masking": None})) == {
        "weights.fc.weight", "weights.tied.weight", "weights.bn.count",
    }  # fmt: skip


def test_a_damaged_checkpoint_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = write(tmp_path / "step.pt", state())
    kept.path.write_bytes(kept.path.read_bytes()[:-9])
    assert main([str(kept.path), str(tmp_path / "out"), "--sha256", kept.sha256]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
