"""The masks of runs after any of their updates, for the process that reads masks; see `training.mask_history`."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from engine.training.mask_history import MaskBlock, Replay, read_blocks

__all__ = ["ReplayStore"]

_KEPT_BYTES = 256 * 2**20
"""How much of what was made again is kept, so that a step back is as quick as one forward; the oldest goes first."""


class ReplayStore:
    """Makes the masks of one history at a time, and remembers those made last."""

    def __init__(self) -> None:
        self._of: tuple[str, int, int] | None = None
        self._blocks: list[MaskBlock] = []
        self._made: OrderedDict[int, Replay] = OrderedDict()

    def blocks(self, path: str) -> list[MaskBlock]:
        """The blocks of a file; none where there is none."""
        try:
            seen = Path(path).stat()
        except OSError:
            return []
        key = (path, seen.st_mtime_ns, seen.st_size)
        if key != self._of:
            self._of, self._blocks = key, list(read_blocks(Path(path)))
            self._made.clear()
        return self._blocks

    def at(self, path: str, place: int) -> Replay:
        """The masks after the block at a place of the file."""
        blocks = self.blocks(path)
        known = max((each for each in self._made if each <= place), default=-1)
        made = self._made[known] if known >= 0 else Replay.begin(blocks[0])
        for number in range(max(known, 0), place + 1):
            if number > max(known, 0):
                made = made.after(blocks[number])
            self._made[number] = made
            self._made.move_to_end(number)
            while len(self._made) > 1 and sum(one.bytes for one in self._made.values()) > _KEPT_BYTES:
                self._made.popitem(last=False)
        return made
