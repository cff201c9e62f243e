"""The masks of a run at every update: a file of what changed, from which any of them is made again.

A run has one file. It begins with the first mask; each update adds the weights that changed sides, so that its size
depends on how much moves, not on the size of the network. Blocks are appended, each with a checksum: what a crash left
unfinished is cut off when the run resumes, as is what comes after the checkpoint it resumes from. Where the masks are
not those that the file leads to (it was full, or is damaged), the whole masks are written once more.

The file is no result: a run whose file cannot be written trains on, and says so. Without torch, for the process that
reads it.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["HISTORY_FILE", "MaskBlock", "MaskHistory", "Replay", "read_blocks", "replayed"]

HISTORY_FILE = "masks.history"
"""Its name in the folder of a run."""

Bits = NDArray[np.uint8]
_HEAD = struct.Struct("<4sqqQI")
"""Kind, update, step, length of the body, checksum of all of these and the body."""
_WHOLE, _MOVED = b"MASK", b"MOVE"


@dataclass(frozen=True, slots=True, eq=False)
class MaskBlock:
    """One mask of the history: whole, or by what changed.

    Attributes:
        update: The number of the update; 0 for the first mask.
        step: Its step.
        shapes: The layers of a whole mask; None where only changes are given.
        body: Positions, packed: of the active weights of each layer and then of the explored ones, or of those that
            changed sides.
        end: Where the block ends in the file.
    """

    update: int
    step: int
    shapes: Mapping[str, tuple[int, ...]] | None
    body: bytes
    end: int

    def positions(self, lists: int) -> list[NDArray[np.int64]]:
        """Its lists of flat positions, each ascending."""
        data = np.frombuffer(zlib.decompress(self.body), dtype=np.uint8)
        counts = data[: 8 * lists].view("<u8").astype(np.int64)
        planes = data[8 * lists :].reshape(4, -1)
        gaps = np.ascontiguousarray(planes.T).view("<u4").reshape(-1).astype(np.int64)
        return [np.cumsum(part) for part in np.split(gaps, np.cumsum(counts)[:-1])]


def _packed(positions: Sequence[NDArray[np.int64]]) -> bytes:
    """Ascending positions by their distances, byte by byte of all of them, since the high ones are nearly all 0."""
    counts = np.array([len(part) for part in positions], dtype="<u8")
    gaps = np.concatenate([np.diff(part, prepend=0) for part in positions] or [np.zeros(0)]).astype("<u4")
    planes = np.ascontiguousarray(gaps.view(np.uint8).reshape(-1, 4).T)
    return zlib.compress(counts.tobytes() + planes.tobytes(), 1)


def _block(update: int, step: int, shapes: Mapping[str, tuple[int, ...]] | None, body: bytes) -> bytes:
    if shapes is not None:
        names = json.dumps(shapes).encode()
        body = struct.pack("<I", len(names)) + names + body
    kind = _MOVED if shapes is None else _WHOLE
    check = zlib.crc32(body, zlib.crc32(_HEAD.pack(kind, update, step, len(body), 0)))
    return _HEAD.pack(kind, update, step, len(body), check) + body


def read_blocks(path: Path) -> Iterator[MaskBlock]:
    """The blocks of a file up to the first one that is damaged or unfinished; none where there is no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    begin = 0
    while begin + _HEAD.size <= len(data):
        kind, update, step, length, check = _HEAD.unpack_from(data, begin)
        body = data[begin + _HEAD.size : begin + _HEAD.size + length]
        begin += _HEAD.size + length
        if zlib.crc32(body, zlib.crc32(_HEAD.pack(kind, update, step, length, 0))) != check or len(body) < length:
            return
        shapes = None
        if kind == _WHOLE:
            (size,) = struct.unpack_from("<I", body)
            shapes = {name: tuple(shape) for name, shape in json.loads(body[4 : 4 + size]).items()}
            body = body[4 + size :]
        yield MaskBlock(update, step, shapes, body, begin)


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The masks after an update, made again from the history; flat bool arrays by layer.

    Attributes:
        update: The number of the update.
        step: Its step.
        shapes: The layers.
        active: The mask.
        explored: The weights that are or ever were active.
        grown: What the update put there, of `active`.
        returned: What of it had been active before, had died, and was grown again.
        died: What the update took.
    """

    update: int
    step: int
    shapes: Mapping[str, tuple[int, ...]]
    active: dict[str, NDArray[np.bool_]]
    explored: dict[str, NDArray[np.bool_]]
    grown: dict[str, NDArray[np.bool_]]
    returned: dict[str, NDArray[np.bool_]]
    died: dict[str, NDArray[np.bool_]]

    @classmethod
    def begin(cls, block: MaskBlock) -> Replay:
        """From a whole mask."""
        assert block.shapes is not None, "a history begins with a whole mask"
        layers = len(block.shapes)
        lists = block.positions(2 * layers)
        active = _marked(block.shapes, lists[:layers])
        explored = _marked(block.shapes, lists[layers:])
        nothing = _marked(block.shapes, [lists[0][:0]] * layers)
        return cls(block.update, block.step, block.shapes, active, explored, nothing, dict(nothing), dict(nothing))

    def after(self, block: MaskBlock) -> Replay:
        """The masks after the next update."""
        if block.shapes is not None:
            return Replay.begin(block)
        changed = _marked(self.shapes, block.positions(len(self.shapes)))
        died = {name: changed[name] & mask for name, mask in self.active.items()}
        grown = {name: changed[name] & ~mask for name, mask in self.active.items()}
        return Replay(
            block.update,
            block.step,
            self.shapes,
            active={name: mask ^ changed[name] for name, mask in self.active.items()},
            explored={name: mask | grown[name] for name, mask in self.explored.items()},
            grown=grown,
            returned={name: mask & self.explored[name] for name, mask in grown.items()},
            died=died,
        )

    @property
    def bytes(self) -> int:
        """Memory held."""
        kinds = (self.active, self.explored, self.grown, self.returned, self.died)
        return sum(mask.nbytes for kind in kinds for mask in kind.values())


def _marked(shapes: Mapping[str, tuple[int, ...]], lists: Sequence[NDArray[np.int64]]) -> dict[str, NDArray[np.bool_]]:
    marks = {name: np.zeros(math.prod(shape), dtype=bool) for name, shape in shapes.items()}
    for mask, places in zip(marks.values(), lists, strict=True):
        mask[places] = True
    return marks


def replayed(blocks: Sequence[MaskBlock], update: int) -> Replay | None:
    """The masks after the latest update up to `update`, or after the first one there is; None where there is none."""
    made: Replay | None = None
    for block in blocks:
        if made is not None and block.update > update:
            break
        if made is not None:
            made = made.after(block)
        elif block.shapes is not None:
            made = Replay.begin(block)
    return made


class MaskHistory:
    """Writes the history of a run.

    Args:
        path: The file.
        limit: The bytes it may have; an update that has no room is left out, and all after it.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._masks: dict[str, Bits] = {}
        self._size = 0
        self.full = False

    def begin(
        self,
        masks: Mapping[str, NDArray[np.bool_]],
        explored: Mapping[str, NDArray[np.bool_]],
        *,
        update: int,
        step: int,
    ) -> None:
        """Continue at a step: what was recorded after it is cut off.

        Args:
            masks: The masks as they are, in the shapes of their weights.
            explored: The weights that are or ever were active, likewise.
            update: The number of the latest update.
            step: The step.

        Raises:
            OSError: The file cannot be written.
        """
        kept = [block for block in read_blocks(self._path) if block.step <= step]
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        os.truncate(self._path, kept[-1].end if kept else 0)
        self._size = kept[-1].end if kept else 0
        self._masks = {name: np.packbits(mask.reshape(-1)) for name, mask in masks.items()}
        shapes = {name: tuple(mask.shape) for name, mask in masks.items()}
        last = replayed(kept, update)
        same = (
            last is not None
            and last.shapes == shapes
            and all(np.array_equal(last.active[name], mask.reshape(-1)) for name, mask in masks.items())
        )
        if not same:
            whole = [np.flatnonzero(mask) for mask in (*masks.values(), *(explored[name] for name in masks))]
            self._append(_block(update, step, shapes, _packed(whole)))

    def add(self, masks: Mapping[str, NDArray[np.bool_]], *, update: int, step: int) -> None:
        """Record an update; raises like `begin`."""
        if self.full:
            return
        moved = []
        for name, mask in masks.items():
            bits = np.packbits(mask.reshape(-1))
            moved.append(np.flatnonzero(np.unpackbits(bits ^ self._masks[name])))
            self._masks[name] = bits
        self._append(_block(update, step, None, _packed(moved)))

    def sync(self) -> None:
        """Wait until what was recorded is on the disk; raises like `begin`."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())

    def _append(self, block: bytes) -> None:
        if self._size + len(block) > self._limit:
            self.full = True
            return
        with self._path.open("ab") as file:
            file.write(block)
        self._size += len(block)
