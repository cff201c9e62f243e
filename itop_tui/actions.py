"""The one registry of what can be done in the app.

Keys, footer, command palette and help are all read from `ACTIONS`; a screen only implements `action_<name>`. So a
key cannot be in the help and not work, or work and not be in the help (a test holds it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from db.records import RunRecord

Scope = Literal["app", "runs", "form", "run", "mask", "compare", "queue"]
When = Callable[["RunRecord | None"], str | None]
"""Given the run at the cursor, why an action cannot be done now, or None where it can."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person can do.

    Attributes:
        name: The screen's method is `action_<name>`.
        key: The keys that do it, separated by commas; the first one is shown.
        label: One or two words, for the footer and the palette.
        help: A sentence, for the help and the palette.
        scope: The screen it belongs to; "app" is everywhere.
        heading: Under which it stands in the help.
        when: Why it cannot be done to the run at the cursor, if so.
        footer: Whether the footer shows it where there is room.
        shown: How the key is written, where that is not the key's own name.
        priority: Whether the key works also while a widget that takes text has the focus.
    """

    name: str
    key: str
    label: str
    help: str
    scope: Scope
    heading: str
    when: When | None = None
    footer: bool = True
    shown: str | None = None
    priority: bool = False

    @property
    def id(self) -> str:
        """The action's name in a keymap: its scope and its name."""
        return f"{self.scope}.{self.name}"

    @property
    def key_shown(self) -> str:
        """The key as the footer and the help write it."""
        return self.shown or key_name(self.key.split(",", 1)[0])

    def refusal(self, run: RunRecord | None) -> str | None:
        """Why the action cannot be done to `run`, or None where it can."""
        return self.when(run) if self.when else None


_KEY_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "escape": "esc",
    "enter": "↵",
    "space": "space",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "asterisk": "*",
    "comma": ",",
    "full_stop": ".",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def key_name(key: str) -> str:
    """Write a key as a person would: `ctrl+s` is "^s", `question_mark` is "?"."""
    *modifiers, last = key.split("+")
    name = _KEY_NAMES.get(last, last)
    if modifiers == ["ctrl"]:
        return f"^{name}"
    return "+".join([*modifiers, name])


# ---------------------------------------------------------------------------------------- when an action can be done


def _a_run(run: RunRecord | None) -> str | None:
    return "There is no run here." if run is None else None


def _may_stop(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status == "stopping":
        return f"Run {run.id} is stopping already."
    return f"Run {run.id} has ended ({run.status}): there is nothing to stop." if run.status.is_terminal else None


def _may_kill(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status == "queued":
        return f"Run {run.id} has no process yet: stop it instead."
    return f"Run {run.id} has ended ({run.status}): there is nothing to kill." if run.status.is_terminal else None


def _may_resume(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status == "queued":
        return f"Run {run.id} is queued already: it starts by itself."
    if not run.status.is_terminal:
        return f"Run {run.id} is {run.status}: only a run that has ended can be resumed."
    return None


def _may_go_on(run: RunRecord | None) -> str | None:
    if run is not None and run.status == "completed" and run.step >= run.total_steps > 0:
        return (
            f"Run {run.id} has done all its steps. itop resume {run.id} --epochs N makes it longer; fork it (f) to "
            "train on with other settings."
        )
    return _may_resume(run)


def _may_delete(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    return f"Run {run.id} is {run.status}: stop it first, then delete it." if run.status.is_active else None


def _may_pause(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status not in ("running", "paused"):
        return f"Run {run.id} is {run.status}: only a running one can be paused."
    return None


def _may_checkpoint(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status not in ("starting", "running", "paused"):
        return f"Run {run.id} is {run.status}: only a running or paused one can write a checkpoint."
    return None


def _may_wait(run: RunRecord | None) -> str | None:
    if run is None:
        return _a_run(run)
    if run.status != "queued":
        return f"Run {run.id} is {run.status}: only a run that waits has a place in the queue."
    return None


def _may_rank(run: RunRecord | None) -> str | None:
    return None if run is None else _may_wait(run)  # the cursor may be on a device, whose slots are meant


# ------------------------------------------------------------------------------------------------------ the registry

ACTIONS: tuple[Action, ...] = (
    # On the list of runs
    Action("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", "runs", "Run", _a_run),
    Action("new_run", "n", "new", "Set up a new run, from a preset or from scratch.", "runs", "Run"),
    Action("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first.", "runs", "Run", _may_stop),
    Action("resume_run", "r", "resume", "Go on with a run that has ended, from its last checkpoint.", "runs", "Run",
           _may_go_on),
    Action("fork_run", "f", "fork", "Start a new run from this one's last checkpoint, with changed settings.", "runs",
           "Run", _a_run),
    Action("filter", "slash", "filter", "Show only runs that match a query: words, or state:running density<0.1 "
           "growth:gradient tag:paper acc>=0.93 name~vgg. It completes as you type.", "runs", "List"),
    Action("kill_run", "K", "kill", "End the run's process at once; work since its last checkpoint is lost.", "runs",
           "Run", _may_kill),
    Action("group_runs", "g", "group", "Group runs by their seeds, with mean and deviation, or by any field.", "runs",
           "List"),
    Action("choose_view", "v", "views", "Choose a saved view, save the present one, or delete one.", "runs", "List"),
    Action("star_run", "asterisk", "star", "Star the run, or take its star away.", "runs", "Keep in order", _a_run),
    Action("archive_run", "a", "archive", "Put the run away, or bring it back: lists leave out what is archived.",
           "runs", "Keep in order", _a_run),
    Action("delete_run", "x", "delete", "Delete the run with its checkpoints and its log; tells first what that frees.",
           "runs", "Keep in order", _may_delete),
    Action("undo_delete", "U,ctrl+z", "undo delete", "Take the last deletion back; until the app is left.", "runs",
           "Keep in order", footer=False),
    Action("duplicate_run", "d", "duplicate", "A new run with the same settings, to be changed first.", "runs", "Run",
           _a_run),
    Action("pause_run", "p", "pause", "Pause a running run, or let a paused one go on.", "runs", "Run", _may_pause,
           footer=False),
    Action("checkpoint_now", "C", "checkpoint", "Let the run write a checkpoint now, and go on.", "runs", "Run",
           _may_checkpoint, footer=False),
    Action("rename_run", "R", "rename", "Give the run another name; several runs, by a pattern.", "runs",
           "Keep in order", _a_run, footer=False),
    Action("tag_run", "t", "tags", "Change the run's tags.", "runs", "Keep in order", _a_run, footer=False),
    Action("note_run", "N", "notes", "Write notes about the run.", "runs", "Keep in order", _a_run, footer=False),
    Action("mark", "space", "mark", "Mark the run or the group; actions then act on all that are marked.", "runs",
           "Marks", _a_run, footer=False),
    Action("mark_range", "V", "mark a range", "Begin to mark a range; moving marks, V again ends it. Or hold shift.",
           "runs", "Marks", _a_run, footer=False),
    Action("mark_all", "ctrl+a", "mark all", "Mark every run that is listed.", "runs", "Marks", footer=False),
    Action("unmark_all", "u", "unmark all", "Forget all marks.", "runs", "Marks", footer=False),
    Action("choose_columns", "e", "columns", "Choose, order and resize the columns: any field, setting or figure.",
           "runs", "List", footer=False),
    Action("go_right", "right,l", "more columns", "Show the columns that did not fit; on a group, list its runs.",
           "runs", "List", footer=False),
    Action("go_left", "left,h", "columns before", "Go back through the columns; on a group, close it.", "runs", "List",
           footer=False),
    Action("sort_next", "greater_than_sign", "sort by next", "Sort by the next column.", "runs", "List", footer=False),
    Action("sort_previous", "less_than_sign", "sort by previous", "Sort by the column before.", "runs", "List",
           footer=False),
    Action("sort_reverse", "o", "reverse order", "Turn the order round.", "runs", "List", footer=False),
    Action("toggle_detail", "i", "details", "Show or hide the details beside the list (from 110 columns on).",
           "runs", "List", footer=False),
    Action("open_database", "O", "open database", "Open another database: a folder, a file, or the URL of a server.",
           "runs", "List", footer=False),
    Action("demo", "D", "demo", "Queue the demonstration: dense, SET-ITOP and RigL-ITOP on the bundled digits.",
           "runs", "Run", footer=False),
    Action("open_queue", "Q", "queue", "What runs where, what waits and why, and the devices: load, memory, slots.",
           "runs", "Run"),
    # On the queue and the devices
    Action("leave", "escape,q,backspace", "back", "Back to the list of runs.", "queue", "Queue"),
    Action("move_up", "K,shift+up", "earlier", "Let the run start one place earlier, among those of its priority.",
           "queue", "Queue", _may_wait),
    Action("move_down", "J,shift+down", "later", "Let the run start one place later, among those of its priority.",
           "queue", "Queue", _may_wait),
    Action("move_top", "t", "first", "Let the run start first of its priority.", "queue", "Queue", _may_wait),
    Action("move_bottom", "b", "last", "Let the run start last of its priority.", "queue", "Queue", _may_wait),
    Action("hold_run", "h", "hold", "Keep the run from starting, or release it.", "queue", "Queue", _may_wait),
    Action("raise_number", "plus,equals_sign", "more", "On a run, raise its priority: it starts before those of lower "
           "priority. On a device, one slot more: it takes one more run at a time.", "queue", "Queue", _may_rank),
    Action("lower_number", "minus", "less", "On a run, lower its priority. On a device, one slot less; with none it "
           "takes no run.", "queue", "Queue", _may_rank),
    Action("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", "queue", "Runs", _a_run),
    Action("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first. One that waits leaves the queue.",
           "queue", "Runs", _may_stop),
    Action("pause_run", "p", "pause", "Pause a running run, or let a paused one go on.", "queue", "Runs", _may_pause),
    Action("pause_all", "P", "pause all", "Pause every run that is running; where none is, let the paused ones go on.",
           "queue", "Runs"),
    Action("start_scheduler", "S", "scheduler", "Start the scheduler, where none runs.", "queue", "Queue",
           footer=False),
    Action("mark", "space", "mark", "Mark the run; actions then act on all that are marked.", "queue", "Marks", _a_run,
           footer=False),
    Action("mark_waiting", "ctrl+a", "mark waiting", "Mark every listed run that waits.", "queue", "Marks",
           footer=False),
    Action("unmark_all", "u", "unmark all", "Forget all marks.", "queue", "Marks", footer=False),
    Action("compare_runs", "c", "compare", "Compare the marked runs: curves, settings, results, masks.", "runs",
           "Marks", _a_run),
    Action("export", "E", "export", "Write the run, or all that are marked, to files.", "runs", "Keep in order", _a_run,
           footer=False),
    # On the form of a new run
    Action("launch", "ctrl+s", "launch", "Queue the run, or what a sweep's group has not yet; it starts when a device "
           "is free.", "form", "Form", priority=True),
    Action("launch_first", "ctrl+n", "start now", "Queue it in front of all that wait: it starts next.", "form", "Form",
           priority=True),
    Action("launch_held", "ctrl+b", "queue held", "Queue it, but hold it: it starts when it is released (Q).", "form",
           "Form", footer=False, priority=True),
    Action("copy_command", "ctrl+y", "copy command", "Copy the command line that launches the same run.", "form",
           "Form", priority=True),
    Action("choose_start", "ctrl+o", "start from", "Start from a preset or from a past run.", "form", "Form",
           priority=True),
    Action("next_section", "pagedown", "next section", "Go to the next section.", "form", "Form", footer=False,
           priority=True),
    Action("previous_section", "pageup", "section before", "Go to the section before.", "form", "Form", footer=False,
           priority=True),
    Action("reset_field", "ctrl+r", "undo field", "Give the field the value it had at the start.", "form", "Form",
           priority=True),
    Action("leave", "escape", "back", "Go back without launching.", "form", "Form"),
    # On a run's screen: what belongs to one tab stands under its name
    Action("tab_charts", "1", "charts", "Show the charts.", "run", "Run", footer=False),
    Action("tab_layers", "2", "layers", "Show the layers and their masks.", "run", "Run", footer=False),
    Action("tab_config", "3", "config", "Show the configuration and the attempts.", "run", "Run", footer=False),
    Action("tab_checkpoints", "4", "checkpoints", "Show the checkpoints.", "run", "Run", footer=False),
    Action("tab_log", "5", "log", "Show what the run printed.", "run", "Run", footer=False),
    Action("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first.", "run", "Run", _may_stop),
    Action("resume_here", "r", "resume", "Go on with a run that has ended, from its last checkpoint, or from the one "
           "at the cursor of the checkpoints.", "run", "Run", _may_resume),
    Action("kill_run", "K", "kill", "End the run's process at once; work since its last checkpoint is lost.", "run",
           "Run", _may_kill),
    Action("pause_run", "p", "pause", "Pause a running run, or let a paused one go on.", "run", "Run", _may_pause,
           footer=False),
    Action("checkpoint_now", "C", "checkpoint", "Let the run write a checkpoint now, and go on.", "run", "Run",
           _may_checkpoint, footer=False),
    Action("leave", "escape,q,backspace", "back", "Back to the list of runs. The run goes on.", "run", "Run"),
    Action("export", "E", "export", "Write the run to files, or its chart as SVG.", "run", "Run", _a_run, footer=False),
    Action("toggle_full", "enter,f", "full size", "Show the chosen chart alone, or all of them.", "run", "Charts"),
    Action("next_chart", "tab,down,j", "next", "Choose the next chart.", "run", "Charts"),
    Action("previous_chart", "shift+tab,up,k", "previous", "Choose the chart before.", "run", "Charts", footer=False),
    Action("zoom_in", "plus,equals_sign", "zoom", "Zoom in, around the cursor where there is one; the figures are "
           "read again as finely as the screen can show them.", "run", "Charts"),
    Action("zoom_out", "minus", "zoom out", "Zoom out.", "run", "Charts", footer=False),
    Action("pan_left", "left,h", "pan", "Move to earlier steps while zoomed in.", "run", "Charts", footer=False),
    Action("pan_right", "right,l", "pan right", "Move to later steps while zoomed in.", "run", "Charts",
           footer=False),
    Action("zoom_reset", "0", "all steps", "Show all steps, and follow new ones.", "run", "Charts", footer=False),
    Action("cursor_left", "left_square_bracket", "cursor", "Read the values at a cursor, and move it to the left.",
           "run", "Charts"),
    Action("cursor_right", "right_square_bracket", "cursor right", "Move the cursor to the right.", "run", "Charts",
           footer=False),
    Action("cursor_off", "c", "no cursor", "Take the cursor away.", "run", "Charts", footer=False),
    Action("smooth", "m", "smooth", "Smooth noisy curves: off, a little, more, much. The raw line stays behind.",
           "run", "Charts"),
    Action("toggle_log", "y", "log axis", "Loss and learning rate on a logarithmic or a linear axis.", "run",
           "Charts"),
    Action("next_across", "x", "across", "Steps, epochs, or hours of training across.", "run", "Charts"),
    Action("toggle_marks", "u", "marks", "Mark mask updates, learning-rate drops, resumes and checkpoints, or do not.",
           "run", "Charts", footer=False),
    Action("choose_figures", "e", "figures", "Choose what the chosen chart shows: any recorded figures, several on one "
           "chart.", "run", "Charts"),
    Action("add_chart", "a", "add chart", "Add a chart of other figures.", "run", "Charts", footer=False),
    Action("remove_chart", "delete,d", "remove chart", "Remove the chosen chart.", "run", "Charts", footer=False),
    Action("reset_charts", "R", "charts as at first", "Show the charts as they come.", "run", "Charts",
           footer=False),
    Action("layer_view", "v", "heat map", "Layers as a table, or as a heat map over the steps: density, R_s, churn.",
           "run", "Layers"),
    Action("sort_next", "greater_than_sign", "sort by next", "Sort by the next column.", "run", "Layers"),
    Action("sort_previous", "less_than_sign", "sort by previous", "Sort by the column before.", "run", "Layers",
           footer=False),
    Action("sort_reverse", "o", "reverse order", "Turn the order round.", "run", "Layers"),
    Action("provenance", "w", "provenance", "Where each attempt came from: commit, difference, versions, variables, "
           "command line, ending.", "run", "Config"),
    Action("open_mask", "enter", "mask", "Show the pattern of the layer's mask, as its checkpoints hold it.", "run",
           "Layers"),
    Action("search_config", "slash", "search", "Show only settings whose name, value or help hold a text.", "run",
           "Config"),
    Action("only_changes", "d", "only changes", "Show only settings that differ from the default or the parent.",
           "run", "Config"),
    Action("fork_here", "f", "fork", "Set up a new run from the checkpoint at the cursor.", "run", "Checkpoints",
           _a_run),
    Action("delete_checkpoint", "x,delete", "delete", "Delete the checkpoint at the cursor; asks first, and says what "
           "that frees.", "run", "Checkpoints"),
    Action("verify_checkpoints", "v", "verify", "Read all checkpoint files and compare them with their checksums.",
           "run", "Checkpoints"),
    Action("follow_log", "f", "follow", "Stay at the end of the log as it grows, or do not.", "run", "Log"),
    Action("search_log", "slash", "search", "Find a text in the log.", "run", "Log"),
    Action("match_next", "n", "next match", "Go to the next line that holds the text.", "run", "Log"),
    Action("match_previous", "N", "match before", "Go to the line before that holds the text.", "run", "Log",
           footer=False),
    Action("log_top", "g,home", "top", "Go to the first line.", "run", "Log", footer=False),
    Action("log_end", "G,end", "end", "Go to the last line, and follow.", "run", "Log", footer=False),
    # On the picture of a layer's mask
    Action("leave", "escape,q,backspace", "back", "Back to the run.", "mask", "Masks"),
    Action("zoom_in", "plus,equals_sign", "zoom", "Show half of the rows and columns, up to single weights.", "mask",
           "Masks"),
    Action("zoom_out", "minus", "zoom out", "Show twice as many rows and columns.", "mask", "Masks", footer=False),
    Action("zoom_reset", "0", "whole", "Show the whole layer.", "mask", "Masks", footer=False),
    Action("pan_left", "left,h", "move", "Show earlier columns while zoomed in.", "mask", "Masks"),
    Action("pan_right", "right,l", "move right", "Show later columns.", "mask", "Masks", footer=False),
    Action("pan_up", "up,k", "move up", "Show earlier rows.", "mask", "Masks", footer=False),
    Action("pan_down", "down,j", "move down", "Show later rows.", "mask", "Masks", footer=False),
    Action("next_layer", "tab,n", "next layer", "Show the next layer.", "mask", "Masks"),
    Action("previous_layer", "shift+tab,N", "layer before", "Show the layer before.", "mask", "Masks", footer=False),
    Action("choose_layer", "slash", "layers", "Choose a layer from a list.", "mask", "Masks"),
    Action("previous_checkpoint", "left_square_bracket", "checkpoint", "Show the mask in the checkpoint before.",
           "mask", "Masks"),
    Action("next_checkpoint", "right_square_bracket", "next checkpoint", "Show the mask in the next checkpoint.",
           "mask", "Masks", footer=False),
    Action("choose_checkpoint", "c", "checkpoints", "Choose a checkpoint from a list.", "mask", "Masks"),
    Action("toggle_glyphs", "g", "glyphs", "Show states as glyphs, or as coloured half blocks with twice the rows.",
           "mask", "Masks", footer=False),
    # On a comparison: what belongs to the charts stands under their name
    Action("tab_curves", "1", "curves", "Show the charts.", "compare", "Show", footer=False),
    Action("tab_results", "2", "results", "Show the results, the best of each marked.", "compare", "Show",
           footer=False),
    Action("tab_settings", "3", "settings", "Show the settings that differ.", "compare", "Show", footer=False),
    Action("tab_scatter", "4", "scatter", "Show R_s and FLOPs against accuracy.", "compare", "Show", footer=False),
    Action("tab_layers", "5", "layers", "Show the layers side by side.", "compare", "Show", footer=False),
    Action("tab_masks", "6", "masks", "Show how far the final masks agree, read from the checkpoints.", "compare",
           "Show", footer=False),
    Action("next_view", "v", "measure", "Another measure: of the scatter plots, the layers or the masks.", "compare",
           "Show"),
    Action("next_layer", "n", "next layer", "Compare the masks of the next layer; of all again after the last.",
           "compare", "Show", footer=False),
    Action("previous_layer", "N", "layer before", "Compare the masks of the layer before.", "compare", "Show",
           footer=False),
    Action("group_seeds", "g", "group seeds", "Join runs that differ only by their seed: mean ± deviation, n told.",
           "compare", "Runs"),
    Action("hide_entry", "space", "hide", "Leave the run at the cursor out of charts and plots, or show it again.",
           "compare", "Runs"),
    Action("take_out", "d", "take out", "Take the run at the cursor out of the comparison.", "compare", "Runs"),
    Action("take_in", "a", "take in", "Compare another run too: by its id or its unique name.", "compare", "Runs"),
    Action("next_entry", "down,j", "next run", "Go to the next run of the legend.", "compare", "Runs", footer=False),
    Action("previous_entry", "up,k", "run before", "Go to the run before.", "compare", "Runs", footer=False),
    Action("entry_down", "J,shift+down", "move down", "Move the run at the cursor down.", "compare", "Runs",
           footer=False),
    Action("entry_up", "K,shift+up", "move up", "Move the run at the cursor up.", "compare", "Runs", footer=False),
    Action("open_run", "enter", "open", "Open the run at the cursor.", "compare", "Runs", _a_run),
    Action("toggle_legend", "i", "legend", "Show or hide the legend.", "compare", "Runs", footer=False),
    Action("export", "E", "export", "Write what is shown: a page with plots, charts as SVG, tables, the runs.",
           "compare", "Show"),
    Action("copy_table", "Y", "copy", "Copy the table as text; on charts and plots, the results.", "compare", "Show"),
    Action("go_left", "left,h", "earlier", "Move to earlier steps while zoomed in; in a table, to columns at the left.",
           "compare", "Moving", footer=False),
    Action("go_right", "right,l", "later", "Move to later steps while zoomed in; in a table, to columns at the right.",
           "compare", "Moving", footer=False),
    Action("page_down", "pagedown", "page down", "Move down in a table.", "compare", "Moving", footer=False),
    Action("page_up", "pageup", "page up", "Move up in a table.", "compare", "Moving", footer=False),
    Action("toggle_full", "f", "full size", "Show the chosen chart alone, or all that fit.", "compare", "Charts"),
    Action("next_chart", "tab", "next", "Choose the next chart: every recorded figure has one.", "compare", "Charts"),
    Action("previous_chart", "shift+tab", "previous", "Choose the chart before.", "compare", "Charts", footer=False),
    Action("zoom_in", "plus,equals_sign", "zoom", "Zoom in, around the cursor where there is one; the figures are "
           "read again as finely as the screen can show them.", "compare", "Charts"),
    Action("zoom_out", "minus", "zoom out", "Zoom out.", "compare", "Charts", footer=False),
    Action("zoom_reset", "0", "everything", "Show all steps, and follow new ones.", "compare", "Charts", footer=False),
    Action("cursor_left", "left_square_bracket", "cursor", "Read the values at a cursor in the legend, and move it to "
           "the left.", "compare", "Charts"),
    Action("cursor_right", "right_square_bracket", "cursor right", "Move the cursor to the right.", "compare",
           "Charts", footer=False),
    Action("cursor_off", "c", "no cursor", "Take the cursor away.", "compare", "Charts", footer=False),
    Action("smooth", "m", "smooth", "Smooth noisy curves: off, a little, more, much. Up to four keep the raw line "
           "behind.", "compare", "Charts"),
    Action("toggle_log", "y", "log axis", "Losses and learning rate on a logarithmic or a linear axis.", "compare",
           "Charts"),
    Action("next_across", "x", "epochs", "Steps or epochs across.", "compare", "Charts"),
    Action("leave", "escape,q,backspace", "back", "Back to where one came from.", "compare", "Show"),
    # Everywhere
    Action("show_help", "question_mark", "help", "What can be done here, and by which key.", "app", "App"),
    Action("command_palette", "ctrl+p", "palette", "Search everything that can be done.", "app", "App",
           priority=True),
    Action("toggle_theme", "ctrl+t", "theme", "The next theme: dark, light, high contrast, the terminal's 16 colours.",
           "app", "App", footer=False),
    Action("show_messages", "ctrl+l", "messages", "What the app has told since it was opened: errors, and runs that "
           "ended.", "app", "App", footer=False),
    Action("retry_database", "ctrl+g", "retry",
           "Try again after trouble: open the database, start the scheduler.", "app", "App",
           footer=False),
    Action("quit", "q,ctrl+q", "quit", "Leave the app. Runs go on in the background.", "app", "App"),
)  # fmt: skip

DEFAULTS = ACTIONS
"""The registry as it comes; `itop_tui.keymap.install` puts a person's own keys into `ACTIONS`."""

RUN_TABS = frozenset({"Charts", "Layers", "Config", "Checkpoints", "Log"})
"""The headings under which actions of a run's screen stand that work on one tab only."""


def in_scope(*scopes: Scope) -> tuple[Action, ...]:
    """The actions of some scopes, in the order of the registry."""
    return tuple(action for action in ACTIONS if action.scope in scopes)


def find(scope: Scope, name: str) -> Action:
    """The action of that name.

    Raises:
        KeyError: If there is none.
    """
    for action in ACTIONS:
        if action.scope == scope and action.name == name:
            return action
    raise KeyError(f"{scope}.{name}")


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    """The key bindings of some actions, for a screen's `BINDINGS`."""
    return [
        Binding(
            action.key,
            action.name,
            action.label,
            show=action.footer,
            key_display=action.key_shown,
            tooltip=action.help,
            id=action.id,
            priority=action.priority,
        )
        for action in actions
    ]
