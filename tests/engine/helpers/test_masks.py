"""The masks in checkpoints: patterns and overlaps by hand, and through the helper process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.helpers.masks import LayerMasks, Masks, count, overlaps, pattern
from engine.helpers.masks_client import MaskError, MaskServer
from engine.training import checkpoint

MASK = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]], dtype=torch.bool)
EXPLORED = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)


def packed(mask: torch.Tensor, explored: torch.Tensor, grown: list[int]) -> LayerMasks:
    return LayerMasks(
        tuple(mask.shape),
        np.packbits(mask.reshape(-1).numpy()),
        np.packbits(explored.reshape(-1).numpy()),
        np.array(grown, dtype=np.int64),
    )


def state(masks: dict[str, torch.Tensor], *, step: int = 7, grown: list[int] | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "masking": {
            "updates": 3,
            "masks": masks,
            "explored": {name: EXPLORED if name == "fc" else mask for name, mask in masks.items()},
            "fresh": {name: torch.tensor(grown or [], dtype=torch.int64) for name in masks},
        },
    }


def test_a_pattern_of_two_by_two_cells_by_hand() -> None:
    made = pattern(packed(MASK, EXPLORED, [5]), rows=2, cols=2)
    assert made["window"] == [0, 4, 0, 4]
    assert made["active"].tolist() == [[0.5, 0.0], [0.0, 0.5]]
    assert made["explored"].tolist() == [[0.75, 0.0], [0.5, 0.5]]
    assert made["grown"].tolist() == [[0.25, 0.0], [0.0, 0.0]]
    assert made["row_density"].tolist() == [0.25, 0.25]
    assert made["column_density"].tolist() == [0.25, 0.25]


def test_a_window_with_room_shows_each_weight() -> None:
    made = pattern(packed(MASK, EXPLORED, []), rows=50, cols=50, window=(2, 99, 1, 3))
    assert made["window"] == [2, 4, 1, 3]
    assert made["active"].tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_a_convolution_is_out_channels_by_all_the_rest() -> None:
    mask = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    mask[1, 2, 1, 0] = True
    made = pattern(packed(mask, mask, []), rows=9, cols=99)
    assert made["active"].shape == (2, 12)
    assert np.argwhere(made["active"]).tolist() == [[1, 2 * 4 + 2]]


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    rows=st.integers(1, 50),
    cols=st.integers(1, 50),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_no_weight_is_lost_and_none_is_counted_twice(shape: tuple[int, int], rows: int, cols: int, seed: int) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    made = pattern(packed(mask, mask, []), rows, cols)
    height, width = made["active"].shape
    assert height == min(rows, shape[0])
    assert width == min(cols, shape[1])
    edges = [np.arange(n + 1) * size // n for n, size in ((height, shape[0]), (width, shape[1]))]
    cells = np.outer(np.diff(edges[0]), np.diff(edges[1]))
    assert (made["active"] * cells).sum() == pytest.approx(int(mask.sum()))
    assert (made["active"] == made["explored"]).all()
    assert (made["row_density"] * np.diff(edges[0])).sum() * shape[1] == pytest.approx(int(mask.sum()), rel=1e-5)


def test_overlaps_by_hand() -> None:
    other = MASK.clone()
    other[0, 0], other[0, 1] = False, True
    made = overlaps(
        [
            Masks(1, 1, {"fc": packed(MASK, MASK, []), "odd": packed(MASK, MASK, [])}),
            None,
            Masks(2, 1, {"fc": packed(other, other, []), "odd": packed(MASK[:2], MASK[:2], [])}),
        ]
    )
    assert (made["layers"], made["left_out"]) == (["fc"], ["odd"])
    assert made["sizes"].tolist() == [16]
    assert made["shared"].tolist() == [[[4, 0, 3], [0, 0, 0], [3, 0, 4]]]


def test_bits_are_counted_past_a_whole_byte() -> None:
    assert count(np.packbits(np.ones(13, dtype=np.uint8))) == 13


@pytest.fixture(scope="module")
def server() -> Any:
    with MaskServer() as started:
        yield started


def test_the_helper_reads_a_checkpoint_and_compares_two(server: MaskServer, tmp_path: Path) -> None:
    conv = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    conv[0] = True
    one = checkpoint.write(tmp_path / "one.pt", state({"fc": MASK, "conv": conv}, grown=[5]))
    flipped = {"fc": MASK.flip(0), "conv": conv}
    other = checkpoint.write(tmp_path / "other.pt", state(flipped, step=9))
    dense = checkpoint.write(tmp_path / "dense.pt", {"step": 1, "masking": None})

    grid = server.grid(one.path, rows=2, cols=2, sha256=one.sha256)
    assert (grid.step, grid.updates, grid.layer.name) == (7, 3, "fc")
    assert [(each.name, each.shape, each.nonzeros, each.explored) for each in grid.layers] == [
        ("fc", (4, 4), 4, 7),
        ("conv", (2, 1, 2, 2), 4, 4),
    ]
    assert grid.layers[1].matrix == (2, 4)
    assert grid.active.tolist() == [[0.5, 0.0], [0.0, 0.5]]
    assert server.grid(one.path, "conv", 9, 9).active.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0]]

    found = server.overlaps([one.path, other.path, dense.path, tmp_path / "gone.pt"])
    assert found.steps == (7, 9, None, None)
    assert found.problems[:2] == (None, None)
    assert "dense" in str(found.problems[2])
    assert "missing" in str(found.problems[3])
    # (0,0) (1,1) (3,2) (3,3) and the same upside down have nothing in common but row 1 and 2, which swap.
    assert found.jaccard("fc")[0, 1] == 0.0
    assert found.jaccard("conv")[0, 1] == 1.0
    assert found.jaccard()[0, 1] == pytest.approx(4 / 12)
    assert found.shared_active()[0, 1] == pytest.approx(0.5)
    assert found.by_chance("fc")[0, 1] == pytest.approx(1 / 7)
    assert np.isnan(found.jaccard()[0, 2])


def test_of_no_checkpoints_there_are_no_layers(server: MaskServer) -> None:
    assert server.overlaps([]).layers == ()


def test_what_cannot_be_read_is_said(server: MaskServer, tmp_path: Path) -> None:
    good = checkpoint.write(tmp_path / "good.pt", state({"fc": MASK}))
    with pytest.raises(MaskError, match="no masked layer 'fc2'; it has fc"):
        server.grid(good.path, "fc2")
    with pytest.raises(MaskError, match="missing"):
        server.grid(tmp_path / "nothing.pt")
    with pytest.raises(MaskError, match="SHA-256 differs"):
        server.grid(good.path, sha256="0" * 64)
    (tmp_path / "junk.pt").write_bytes(b"junk")
    with pytest.raises(MaskError, match="cannot be read"):
        server.grid(tmp_path / "junk.pt")
    assert server.grid(good.path).step == 7
