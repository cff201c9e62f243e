"""Which runs of a list are selected: one by one, a range, or all. No widget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Line = Sequence[int]
"""The ids of the runs that a line stands for: one, or those of a group."""


class MarkedRuns:
    """A set of selected runs, and the range that is being selected.

    While a range is selected, moving the cursor makes it longer or shorter; what was selected before stays.
    """

    def __init__(self) -> None:
        self.ids: frozenset[int] = frozenset()
        self._before: frozenset[int] = frozenset()
        self._anchor: int | None = None
        self._by_shift = False

    @property
    def marking(self) -> bool:
        """Whether moving the cursor selects."""
        return self._anchor is not None

    def covers(self, line: Line) -> bool | None:
        """Whether all runs of a line are selected; None if some are."""
        count = sum(run_id in self.ids for run_id in line)
        return None if 0 < count < len(line) else count > 0

    def toggle(self, line: Line) -> None:
        """Select all runs of a line, or deselect them if all are selected."""
        self.ids = self.ids - set(line) if self.covers(line) else self.ids | set(line)
        self.end_range()

    def add(self, ids: Iterable[int]) -> None:
        """Select these runs too."""
        self.ids |= set(ids)
        self.end_range()

    def clear(self) -> None:
        """Clear the selection."""
        self.ids = frozenset()
        self.end_range()

    def keep(self, known: Iterable[int]) -> None:
        """Deselect runs that are not among these."""
        self.ids &= frozenset(known)
        self._before &= self.ids

    # ------------------------------------------------------------------------------------------------------- ranges

    def begin_range(self, at: int, *, by_shift: bool = False) -> None:
        """Begin a range at a line; one that is being selected with shift continues."""
        if by_shift and self.marking:
            return
        self._anchor, self._before, self._by_shift = at, self.ids, by_shift

    def end_range(self) -> None:
        """End the range; it stays selected."""
        self._anchor = None

    def moved(self, to: int, lines: Sequence[Line], *, shift: bool = False) -> None:
        """Follow the cursor to one of the lines; a range begun with shift ends where shift is not held."""
        if self._by_shift and not shift:
            self.end_range()
        if self._anchor is None:
            return
        low, high = sorted((min(self._anchor, len(lines) - 1), to))
        self.ids = self._before | {run_id for line in lines[low : high + 1] for run_id in line}
