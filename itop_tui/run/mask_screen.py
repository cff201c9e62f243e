"""The mask of one layer, in a checkpoint or after any update: its pattern, zoomed, moved about and played."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from textual import events, work
from textual.widget import Widget

from db.paths import run_folder
from db.records import CheckpointRecord, RunRecord
from db.runs import checkpoints
from engine.helpers.masks_client import MaskError, MaskGrid, MaskLayer, MaskMoment, StateShares, Window
from engine.training.mask_history import HISTORY_FILE
from itop_tui.dialogs.chooser import Item, Picker
from itop_tui.figures.format import count, figure, plain, share
from itop_tui.keys import bindings, in_scope
from itop_tui.look.toned import Part, TonedLines
from itop_tui.run.layer_table import shape_text
from itop_tui.run.mask_map import STATES, MaskMap
from itop_tui.screen import ItopScreen

_ZOOM = 2.0
_PAN = 0.25
_LEAST = 4
"""Rows and columns of weights that stay visible however far one zooms in."""


class MaskReader(Protocol):
    """Reads the masks of checkpoints; blocks while it does. `engine.helpers.masks_client.MaskServer` is one."""

    def grid(
        self, path: str, layer: str | None, rows: int, cols: int, window: Window | None, *, sha256: str | None
    ) -> MaskGrid:
        """The pattern of a layer."""

    def after(
        self, path: Path, layer: str, update: int | None, by: int, rows: int, cols: int, window: Window | None
    ) -> MaskMoment:
        """The pattern of a layer after an update."""


class MaskScreen(ItopScreen):
    """A layer's pattern.

    Args:
        run: The run.
        layer: The layer to begin with.
        reader: Who reads checkpoints.
        checkpoint_id: The checkpoint to begin with; None for the latest.
    """

    SCOPE = "mask"
    CSS_PATH = "mask.tcss"
    BINDINGS = bindings(in_scope("mask"))

    def __init__(self, run: RunRecord, layer: str, reader: MaskReader, checkpoint_id: int | None = None) -> None:
        super().__init__()
        self._run = run
        self._reader = reader
        self.layer_name = layer
        self.checkpoint_id = checkpoint_id
        self.window: Window | None = None
        self.grid: MaskGrid | None = None
        self.update_shown: int | None = None
        """The update after which the mask is shown; None where it is that of a checkpoint."""
        self._history = run_folder(run.uid) / HISTORY_FILE
        self._wanted: tuple[int | None, int] | None = None
        """An update and how many after it; None for a checkpoint."""
        self._checkpoints: tuple[CheckpointRecord, ...] = ()
        self._asking = False
        self._again = False

    @property
    def heading(self) -> str:
        """Which run's."""
        return f"run {self._run.id} · {plain(self._run.name, 200)} · masks"

    @property
    def current_run(self) -> RunRecord | None:
        """The run."""
        return self._run

    def compose_body(self) -> Iterable[Widget]:
        """Two lines of words and the picture."""
        yield TonedLines(id="mask-head")
        yield MaskMap(widget_id="mask-map")

    def on_mount(self) -> None:
        """Where there is no colour, states are glyphs."""
        self.picture.glyphs = self.app.no_color
        self.picture.note = "reading the checkpoint … (loading torch…, a second or two the first time)"

    @property
    def picture(self) -> MaskMap:
        """The picture."""
        return self.query_one(MaskMap)

    def on_mask_map_room_changed(self) -> None:
        """Another resolution."""
        self._ask()

    # ------------------------------------------------------------------------------ reading

    def _ask(self) -> None:
        """Read what is to be shown now; what is asked meanwhile is read after it."""
        if self._asking:
            self._again = True
            return
        self._asking = True
        rows, columns = self.picture.room
        if self._wanted is None:
            self._read(self.layer_name, self.checkpoint_id, rows, columns, self.window)
        else:
            self._play(self.layer_name, *self._wanted, rows, columns, self.window)

    @work(group="mask", exit_on_error=False)
    async def _play(
        self, layer: str, update: int | None, by: int, rows: int, columns: int, window: Window | None
    ) -> None:
        """Read the mask after an update in a thread, and show it; where that fails, what was shown stays."""
        try:
            moment = await asyncio.to_thread(
                self._reader.after, self._history, layer, update, by, rows, columns, window
            )
        except Exception as error:  # the file was removed meanwhile, the process ended
            self._wanted = None
            self.notify(f"The masks cannot be played: {plain(str(error), 300)}.", severity="warning", markup=False)
        else:
            self.update_shown = moment.grid.updates
            if self._wanted == (update, by):
                self._wanted = (self.update_shown, 0)
            self.grid = self.picture.grid = moment.grid
            self.query_one(TonedLines).lines = _head(moment.grid, _when(moment))
        self._finished()

    @work(group="mask", exit_on_error=False)
    async def _read(self, layer: str, wanted: int | None, rows: int, columns: int, window: Window | None) -> None:
        """Read in a thread, and show it; every way out shows something."""
        database, run_id, reader = self.itop.database, self._run.id, self._reader

        def read() -> tuple[MaskGrid, CheckpointRecord, tuple[CheckpointRecord, ...]]:
            known = tuple(row for row in checkpoints.for_run(database, run_id) if row.kind != "nan")
            chosen = _chosen(known, wanted)
            return reader.grid(chosen.path, layer, rows, columns, window, sha256=chosen.sha256), chosen, known

        try:
            found = await asyncio.to_thread(read)
        except Exception as error:  # a checkpoint removed meanwhile, a failing database: said in the picture's place
            self._failed(f"{error}".strip() or type(error).__name__)
        else:
            self._show(*found)

    def _finished(self) -> None:
        self._asking = False
        if self._again:
            self._again = False
            self._ask()

    def _failed(self, reason: str) -> None:
        self.grid = self.picture.grid = None
        self.picture.note = f"No mask can be shown: {plain(reason, 300)}."
        self.query_one(TonedLines).lines = [[("layer ", "muted"), (plain(self.layer_name, 200), "title")]]
        self._finished()

    def _show(self, grid: MaskGrid, shown: CheckpointRecord, known: tuple[CheckpointRecord, ...]) -> None:
        self.checkpoint_id, self._checkpoints, self.grid = shown.id, known, grid
        self.update_shown = None
        self.picture.grid = grid
        self.query_one(TonedLines).lines = head(grid, shown, known)
        self._finished()

    # ------------------------------------------------------------------------------ keys

    def action_zoom(self, steps: int) -> None:
        """Show half of the rows and columns, or twice as many where `steps` is negative."""
        grid = self.grid
        if grid is None:
            return
        factor, spans = _ZOOM**steps, []
        for low, high, size in self._sides(grid):
            span = min(max((high - low) / factor, min(_LEAST, size)), size)
            start = min(max((low + high) / 2 - span / 2, 0), size - span)
            spans.append((round(start), round(start + span)))
        self._look_at(grid, spans)

    def action_pan(self, down: int, right: int) -> None:
        """Show other rows and columns: so many quarters of the visible area further down and to the right."""
        grid = self.grid
        if grid is None:
            return
        spans = []
        for (low, high, size), by in zip(self._sides(grid), (down, right), strict=True):
            move = round(by * _PAN * (high - low)) or (1 if by > 0 else -1 if by < 0 else 0)
            start = min(max(low + move, 0), size - (high - low))
            spans.append((start, start + high - low))
        self._look_at(grid, spans)

    @staticmethod
    def _sides(grid: MaskGrid) -> list[tuple[int, int, int]]:
        height, width = grid.layer.matrix
        return [(grid.window[0], grid.window[1], height), (grid.window[2], grid.window[3], width)]

    def _look_at(self, grid: MaskGrid, spans: list[tuple[int, int]]) -> None:
        whole = spans == [(0, grid.layer.matrix[0]), (0, grid.layer.matrix[1])]
        self.window = None if whole else (*spans[0], *spans[1])
        self._ask()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel zooms."""
        self.action_zoom(1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel zooms."""
        self.action_zoom(-1)

    def action_zoom_reset(self) -> None:
        """Show the whole layer."""
        self.window = None
        self._ask()

    def action_step_layer(self, by: int) -> None:
        """Show another layer, `by` places further."""
        if self.grid is not None:
            names = [layer.name for layer in self.grid.layers]
            self._take_layer(names[(names.index(self.grid.layer.name) + by) % len(names)])

    def _take_layer(self, name: str | None) -> None:
        if name is not None:
            self.layer_name, self.window = name, None
            self._ask()

    def action_choose_layer(self) -> None:
        """Choose a layer from a list."""
        if self.grid is not None:
            items = [Item(layer.name, layer.name, _about(layer)) for layer in self.grid.layers]
            self.app.push_screen(Picker("Layer", items, current=self.layer_name), self._take_layer)

    def action_step_update(self, by: int) -> None:
        """Show the mask `by` updates later; of a run without a history of masks, `by` checkpoints later."""
        if self.grid is None:
            return
        if not self._history.exists():
            self._step_checkpoint(by)
            return
        update, further = self._wanted or (self.grid.updates, 0)
        self._wanted = (update, further + by)
        self._ask()

    def action_first_update(self) -> None:
        """Show the first mask."""
        self._jump(0)

    def action_last_update(self) -> None:
        """Show the mask after the latest update."""
        self._jump(None)

    def _jump(self, update: int | None) -> None:
        if self._history.exists():
            self._wanted = (update, 0)
            self._ask()
        else:
            self._step_checkpoint(-len(self._checkpoints) if update == 0 else len(self._checkpoints))

    def _step_checkpoint(self, by: int) -> None:
        """Show the mask in another checkpoint, `by` places later."""
        ids = [row.id for row in self._checkpoints]
        if self.checkpoint_id in ids:
            at = min(max(ids.index(self.checkpoint_id) + by, 0), len(ids) - 1)
            self._take_checkpoint(str(ids[at]))

    def _take_checkpoint(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.checkpoint_id, self._wanted = int(checkpoint), None
            self._ask()

    def action_choose_checkpoint(self) -> None:
        """Choose a checkpoint from a list."""
        items = [
            Item(str(row.id), f"step {row.step:,}", f"{row.kind}, epoch {row.epoch:,}")
            for row in reversed(self._checkpoints)
        ]
        if items:
            title = "Choose checkpoint"
            self.app.push_screen(Picker(title, items, current=str(self.checkpoint_id)), self._take_checkpoint)

    def action_toggle_glyphs(self) -> None:
        """Show states as glyphs, or as coloured half blocks."""
        self.picture.glyphs = not self.picture.glyphs
        self._ask()


def _chosen(known: tuple[CheckpointRecord, ...], wanted: int | None) -> CheckpointRecord:
    """The checkpoint of an id, else the latest one."""
    if not known:
        raise MaskError("there is no checkpoint yet, and masks are kept in checkpoints")
    return next((row for row in known if row.id == wanted), known[-1])


def _about(layer: MaskLayer) -> str:
    return f"{shape_text(layer.shape)}, density {share(round(layer.nonzeros / max(1, layer.size), 4))}"


def head(grid: MaskGrid, shown: CheckpointRecord, known: tuple[CheckpointRecord, ...]) -> tuple[tuple[Part, ...], ...]:
    """What the picture is of, its states in the whole layer, and in the visible area where that is a part of it.

    Where lines are folded does not depend on the number of cells: that depends on the lines left.
    """
    place = [row.id for row in known].index(shown.id) + 1
    about = f" (checkpoint {place} of {len(known)}: {plain(shown.kind, 20)}; {count(grid.updates)} updates)"
    return _head(grid, ((f"  as of step {grid.step:,}", "accent"), (about, "muted")))


def _when(moment: MaskMoment) -> tuple[Part, ...]:
    """After which update the mask is shown, of those there are."""
    grid = moment.grid
    return (
        (f"  after update {count(grid.updates)}", "accent"),
        (f" of {count(moment.first)}–{count(moment.last)}, step {grid.step:,}", "muted"),
    )


def _head(grid: MaskGrid, when: tuple[Part, ...]) -> tuple[tuple[Part, ...], ...]:
    layer = grid.layer
    height, width = layer.matrix
    size = max(1, layer.size)
    rows, columns = grid.active.shape
    tall, wide = (grid.window[1] - grid.window[0]) / rows, (grid.window[3] - grid.window[2]) / columns
    cell = "1 weight" if tall == wide == 1 else f"{tall:.3g} × {wide:.3g} weights"
    first: list[Part] = [
        (layer.name, "title"),
        (f"  {shape_text(layer.shape)}", "text"),
        (f" as {count(height)} × {count(width)}" if len(layer.shape) > 2 else "", "muted"),
        (f"  density {share(round(layer.nonzeros / size, 4))}  R_s {figure(layer.explored / size, 3)}", "text"),
        *when,
    ]
    lines = [tuple(first), _states(layer.shares), ((f"1 cell = {cell}", "muted"),)]
    if grid.window != (0, height, 0, width):
        lines.append((("visible area: ", "text"), *_states(grid.shares)))
    return tuple(lines)


def _states(shares: StateShares) -> tuple[Part, ...]:
    """The states with their glyphs, and the share of weights in each."""
    parts: list[Part] = []
    known = (shares.never, shares.once, shares.active, shares.grown, shares.returned, shares.died)
    for (glyph, name, tone), value in zip(STATES, known, strict=True):
        if value is None:
            continue
        parts += [(f"{' ' if parts else ''}{glyph} ", tone), (f"{name} {share(round(value, 4))}", "muted")]
    return tuple(parts)
