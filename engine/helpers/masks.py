"""The masks in checkpoint files: one layer's pattern downsampled to a screen, and how far the masks of several agree.

    python -m engine.helpers.masks --serve      one JSON question a line in, one answer (or {"error": …}) a line out

Files are read as the trainer reads them: the checksum is verified where one is given, and nothing in them is executed.
Of each, only the masks are kept, a bit a weight, so that a screen can zoom and twenty runs can be compared without
reading a file twice. The torch-free client is :mod:`engine.helpers.masks_client`.
"""

from __future__ import annotations

import argparse
import base64
import bisect
import json
import math
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from engine.helpers.mask_replays import ReplayStore
from engine.training.checkpoint import CheckpointDamagedError, read

__all__ = ["LayerMasks", "MaskStore", "Masks", "main", "overlaps", "pattern"]

Bits = NDArray[np.uint8]
_KEPT_BYTES = 256 * 2**20
"""How much of what was read is kept; the oldest goes first."""


class _NoMasksError(Exception):
    """There are no masks to answer with; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerMasks:
    """The mask of one layer, a bit a weight, as `numpy.packbits` packs them.

    Attributes:
        shape: The weight's.
        active: The mask.
        explored: The weights ever active.
        grown: Flat positions of the active weights that the latest mask update has grown.
        returned: Flat positions of those of them that had been active before; a checkpoint does not say.
        died: Flat positions of the weights that it took; a checkpoint does not say.
    """

    shape: tuple[int, ...]
    active: Bits
    explored: Bits
    grown: NDArray[np.int64]
    returned: NDArray[np.int64] | None = None
    died: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Weights of the layer."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The masks of one checkpoint, by layer."""

    step: int
    updates: int
    layers: dict[str, LayerMasks]

    @property
    def bytes(self) -> int:
        """Memory held."""
        return sum(one.active.nbytes + one.explored.nbytes + one.grown.nbytes for one in self.layers.values())


def count(bits: Bits) -> int:
    """How many of packed bits are set."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))


class MaskStore:
    """Reads the masks of checkpoints, and remembers those read last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str | None, int, int], Masks] = OrderedDict()

    def load(self, path: str, sha256: str | None) -> Masks:
        """The masks in a file.

        Raises:
            CheckpointDamagedError: It is missing, differs from what was written, or is no checkpoint of ours.
            _NoMasksError: It is that of a dense run.
        """
        try:
            seen = Path(path).stat()
        except OSError as error:
            raise CheckpointDamagedError(f"{Path(path).name} is missing from {Path(path).parent}") from error
        key = (path, sha256, seen.st_mtime_ns, seen.st_size)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        masks = _masks(read(Path(path), sha256=sha256))
        self._kept[key] = masks
        while len(self._kept) > 1 and sum(one.bytes for one in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return masks


def _masks(state: Mapping[str, Any]) -> Masks:
    masking = state.get("masking")
    if masking is None:
        raise _NoMasksError("it is a checkpoint of a dense run, which has no masks")

    def packed(mask: torch.Tensor) -> Bits:
        return np.packbits(mask.reshape(-1).numpy())

    layers = {
        name: LayerMasks(
            tuple(mask.shape),
            packed(mask),
            packed(masking["explored"][name]),
            masking["fresh"][name].to(torch.int64).numpy(),
        )
        for name, mask in masking["masks"].items()
    }
    if not layers:
        raise _NoMasksError("it holds no masked layer")
    return Masks(int(state["step"]), int(masking["updates"]), layers)


def pattern(layer: LayerMasks, rows: int, cols: int, window: Sequence[int] | None = None) -> dict[str, Any]:
    """A window of a layer's matrix (first dimension by all others) as shares in at most `rows` by `cols` cells.

    Args:
        layer: The layer.
        rows: Rows of cells; a cell is never smaller than a weight.
        cols: Columns of cells.
        window: First row, row after the last, first column, column after the last; cut to the matrix. None for all.

    Returns:
        By the names of `engine.helpers.masks_client.MaskGrid`: the window, and float32 arrays.
    """
    height, width = layer.shape[0], math.prod(layer.shape[1:])
    top, bottom, left, right = window if window is not None else (0, height, 0, width)
    top, left = min(max(int(top), 0), height - 1), min(max(int(left), 0), width - 1)
    bottom, right = min(max(int(bottom), top + 1), height), min(max(int(right), left + 1), width)
    row_edges = _edges(bottom - top, rows)
    column_edges = _edges(right - left, cols)
    cells = np.outer(np.diff(row_edges, append=bottom - top), np.diff(column_edges, append=right - left))

    def shares(flat: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen = flat.reshape(height, width)[top:bottom, left:right]
        sums = np.add.reduceat(np.add.reduceat(seen, column_edges, axis=1, dtype=np.int64), row_edges, axis=0)
        result: NDArray[np.float32] = (sums / cells).astype(np.float32)
        return result

    def marked(places: NDArray[np.int64]) -> NDArray[np.uint8]:
        marks = np.zeros(layer.size, dtype=np.uint8)
        marks[places] = 1
        return marks

    known = {"returned": layer.returned, "died": layer.died}
    moved = {name: shares(marked(places)) for name, places in known.items() if places is not None}
    active = np.unpackbits(layer.active, count=layer.size)
    matrix = active.reshape(height, width)[top:bottom, left:right]
    row_sums = np.add.reduceat(matrix.sum(axis=1, dtype=np.int64), row_edges)
    column_sums = np.add.reduceat(matrix.sum(axis=0, dtype=np.int64), column_edges)
    return {
        "window": [top, bottom, left, right],
        "active": shares(active),
        "grown": shares(marked(layer.grown)),
        **moved,
        "explored": shares(np.unpackbits(layer.explored, count=layer.size)),
        "row_density": (row_sums / cells.sum(axis=1)).astype(np.float32),
        "column_density": (column_sums / cells.sum(axis=0)).astype(np.float32),
    }


def _edges(length: int, cells: int) -> NDArray[np.intp]:
    """Where each of `cells` nearly equal parts begins; no more parts than there are things."""
    number = max(1, min(length, cells))
    return (np.arange(number) * length // number).astype(np.intp)


def overlaps(read_masks: Sequence[Masks | None]) -> dict[str, Any]:
    """By the names of `masks_client.Overlaps`: what pairs of checkpoints share, None for unreadable ones."""
    readable = [masks for masks in read_masks if masks is not None]
    names = list(dict.fromkeys(name for masks in readable for name in masks.layers))
    common = [
        name for name in names
        if all(name in masks.layers and masks.layers[name].shape == readable[0].layers[name].shape
               for masks in readable if name in readable[0].layers)
        and name in readable[0].layers
    ]  # fmt: skip
    shared = np.zeros((len(common), len(read_masks), len(read_masks)), dtype=np.int64)
    for number, name in enumerate(common):
        for i, one in enumerate(read_masks):
            for j, other in enumerate(read_masks[: i + 1]):
                if one is not None and other is not None:
                    both = count(one.layers[name].active & other.layers[name].active)
                    shared[number, i, j] = shared[number, j, i] = both
    return {
        "layers": common,
        "left_out": [name for name in names if name not in common],
        "sizes": np.array([readable[0].layers[name].size for name in common], dtype=np.int64),
        "shared": shared,
    }


# --------------------------------------------------------------------------------------------------------- answering


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": value.shape, "data": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")}
    return value


def _grid(store: MaskStore, question: Mapping[str, Any]) -> dict[str, Any]:
    masks = store.load(question["path"], question["sha256"])
    name = question["layer"] if question["layer"] is not None else next(iter(masks.layers))
    if name not in masks.layers:
        raise _NoMasksError(f"it has no masked layer {name!r}; it has {', '.join(masks.layers)}")
    return {
        "step": masks.step,
        "updates": masks.updates,
        "layer": name,
        "layers": [
            {
                "name": each,
                "shape": one.shape,
                "nonzeros": count(one.active),
                "explored": count(one.explored),
                "grown": len(one.grown),
            }
            for each, one in masks.layers.items()
        ],
        **pattern(masks.layers[name], question["rows"], question["cols"], question["window"]),
    }


def _after(replays: ReplayStore, question: Mapping[str, Any]) -> dict[str, Any]:
    """One layer after a mask update, by the names of `masks_client.MaskGrid`, and which updates there are."""
    path, name = question["path"], question["layer"]
    blocks = replays.blocks(path)
    if not blocks:
        raise _NoMasksError("there is no history of the run's masks, or it cannot be read")
    numbers = [block.update for block in blocks]
    wanted = question["update"]
    last = len(blocks) - 1
    place = last if wanted is None else min(max(0, bisect.bisect_right(numbers, wanted) - 1 + question["by"]), last)
    made = replays.at(path, place)
    if name not in made.shapes:
        raise _NoMasksError(f"it has no masked layer {name!r}; it has {', '.join(made.shapes)}")
    layer = LayerMasks(
        made.shapes[name],
        np.packbits(made.active[name]),
        np.packbits(made.explored[name]),
        np.flatnonzero(made.grown[name]),
        np.flatnonzero(made.returned[name]),
        np.flatnonzero(made.died[name]),
    )
    return {
        "step": made.step,
        "updates": made.update,
        "first": numbers[0],
        "last": numbers[-1],
        "layer": name,
        "layers": [
            {
                "name": each,
                "shape": shape,
                "nonzeros": int(made.active[each].sum()),
                "explored": int(made.explored[each].sum()),
                "grown": int(made.grown[each].sum()),
                "returned": int(made.returned[each].sum()),
                "died": int(made.died[each].sum()),
            }
            for each, shape in made.shapes.items()
        ],
        **pattern(layer, question["rows"], question["cols"], question["window"]),
    }


def _overlaps(store: MaskStore, question: Mapping[str, Any]) -> dict[str, Any]:
    found: list[Masks | None] = []
    problems: list[str | None] = []
    for path, sha256 in zip(question["paths"], question["sha256s"], strict=True):
        try:
            found.append(store.load(path, sha256))
            problems.append(None)
        except (CheckpointDamagedError, _NoMasksError) as error:
            found.append(None)
            problems.append(str(error))
    steps = [None if masks is None else masks.step for masks in found]
    return {"steps": steps, "problems": problems, **overlaps(found)}


def answer(store: MaskStore, line: str, replays: ReplayStore | None = None) -> dict[str, Any]:
    """The answer to one question, or ``{"error": message}``."""
    try:
        question = json.loads(line)
        if question["ask"] == "after":
            made = _after(replays or ReplayStore(), question)
        else:
            made = _grid(store, question) if question["ask"] == "grid" else _overlaps(store, question)
    except (CheckpointDamagedError, _NoMasksError) as error:
        return {"error": str(error)}
    except Exception as error:  # a file made by hand can hold anything; the process stays for the next question
        return {"error": f"{type(error).__name__}: {error}".rstrip(": ")}
    return {name: _packed(value) for name, value in made.items()}


def _serve(questions: TextIO, answers: TextIO) -> None:
    store, replays = MaskStore(), ReplayStore()
    for line in questions:
        if line.strip():
            answers.write(json.dumps(answer(store, line, replays)) + "\n")
            answers.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer questions until the end of input; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.helpers.masks", description="Read the masks in checkpoints."
    )
    parser.add_argument("--serve", action="store_true", required=True, help="answer one question a line")
    parser.parse_args(arguments)
    torch.set_num_threads(1)  # it reads files beside a run that trains
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        _serve(sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
