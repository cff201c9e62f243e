"""The actions of a run's screen; those of one tab have its name as their heading."""

from __future__ import annotations

from functools import partial

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run, may_checkpoint, may_give_up, may_kill, may_pause, may_resume, may_stop

_run = partial(Action, scope="run", heading="Run")
_tab = partial(_run, footer=False)
_chart = partial(Action, scope="run", heading="Charts", target="ChartsPane")
_quiet = partial(_chart, footer=False)
_organize = partial(_run, footer=False, heading="Organize", target="ShelfChanges", when=a_run)
_layers = partial(Action, scope="run", heading="Layers", target="LayerTable")
_config = partial(Action, scope="run", heading="Config", target="ConfigPane")
_checkpoint = partial(Action, scope="run", heading="Checkpoints", target="CheckpointsPane")
_log = partial(Action, scope="run", heading="Log", target="LogPane")

ACTIONS = (
    _tab("tab_charts", "1", "charts", "Show the charts.", call="open_tab('charts')"),
    _tab("tab_layers", "2", "layers", "Show the layers and their masks.", call="open_tab('layers')"),
    _tab("tab_config", "3", "config", "Show the configuration and the attempts.", call="open_tab('config')"),
    _tab("tab_checkpoints", "4", "checkpoints", "Show the checkpoints.", call="open_tab('checkpoints')"),
    _tab("tab_log", "5", "log", "Show what the run printed.", call="open_tab('log')"),
    _run("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first.", when=may_stop, target="RunChanges"),
    _run("resume_here", "r", "resume", "Resume a run that has ended, from its last checkpoint, or from the one at the "
         "cursor of the checkpoints.", when=may_resume),
    _run("kill_run", "K", "kill", "End the run's process at once; work since its last checkpoint is lost.",
         when=may_kill, target="RunChanges"),
    _tab("give_up_run", "L", "give up", "End a run whose machine is gone, as lost; asks first.", when=may_give_up,
         target="RunChanges"),
    _tab("pause_run", "p", "pause", "Pause a running run, or continue a paused one.", when=may_pause,
         target="RunChanges"),
    _tab("checkpoint_now", "C", "checkpoint", "Save a checkpoint now; the run continues.", when=may_checkpoint,
         target="RunChanges"),
    _tab("extend_run", "B", "extend", "Train a run that has ended beyond its end: resume it with more epochs.",
         when=may_resume, target="RunChanges"),
    _run("fork_here", "f", "fork", "Set up a new run from its last checkpoint, or from the one at the cursor of the "
         "checkpoints.", when=a_run),
    _run("leave", "escape,q,backspace", "back", "Back to the list of runs. The run continues."),
    _tab("next_run", "right_parenthesis", "next run", "Open the next run of the list, in its order and filter.",
         call="step_run(1)"),
    _tab("previous_run", "left_parenthesis", "previous run", "Open the previous run of the list.",
         call="step_run(-1)"),
    _tab("compare_with", "c", "compare", "Choose a run, and compare this one with it.", when=a_run),
    _organize("star_run", "asterisk", "star", "Star the run, or remove its star."),
    _organize("archive_run", "a", "archive", "Archive the run, or restore it: lists do not show archived runs."),
    _organize("rename_run", "R", "rename", "Give the run another name."),
    _organize("tag_run", "t", "tags", "Change the run's tags."),
    _organize("note_run", "N", "notes", "Write notes about the run."),
    _tab("export", "E", "export", "Write the run to files, or its chart as SVG.", when=a_run),
    _chart("toggle_full", "enter,z", "full size", "Show the chosen chart alone, or all of them."),
    _chart("next_chart", "tab,down,j", "next", "Choose the next chart.", call="choose(1)"),
    _quiet("previous_chart", "shift+tab,up,k", "previous", "Choose the previous chart.", call="choose(-1)"),
    _chart("zoom_in", "plus,equals_sign", "zoom", "Zoom in, around the cursor if there is one; the metrics are read "
           "again as finely as the screen can show them.", call="zoom(1)"),
    _quiet("zoom_out", "minus", "zoom out", "Zoom out.", call="zoom(-1)"),
    _quiet("pan_left", "left,h", "pan", "Move to earlier steps while zoomed in.", call="pan(-1)"),
    _quiet("pan_right", "right,l", "pan right", "Move to later steps.", call="pan(1)"),
    _quiet("zoom_reset", "0", "all steps", "Show all steps, and follow new ones."),
    _chart("cursor_left", "left_square_bracket", "cursor", "Read the values at a cursor, and move it to the left.",
           call="move_cursor(-1)"),
    _quiet("cursor_right", "right_square_bracket", "cursor right", "Move the cursor to the right.",
           call="move_cursor(1)"),
    _quiet("cursor_off", "backslash", "no cursor", "Remove the cursor."),
    _chart("smooth", "m", "smooth", "Smooth noisy curves: a little, more, much, off. The raw line stays visible."),
    _chart("toggle_log", "y", "log axis", "Loss and learning rate on a logarithmic or a linear axis."),
    _chart("next_bounds", "Z", "y range", "What the y-axis reaches: all but outliers, which are marked at its edge "
           "(▴▾); all values; or 0 to 100 % where values are in per cent."),
    _chart("next_across", "X", "x-axis", "The x-axis: steps, epochs, hours of training, or R_s."),
    _quiet("show_machine", "H", "hardware", "Show the charts of what the run uses of its machine, or those of its "
           "training."),
    _quiet("toggle_marks", "M", "marks", "Show or hide the marks: mask updates, learning-rate drops, resumes, "
           "checkpoints."),
    _chart("choose_figures", "e", "metrics", "Choose what the chosen chart shows: any recorded metrics, several on one "
           "chart.", target=""),
    _quiet("add_chart", "A", "add chart", "Add a chart of other metrics.", target=""),
    _quiet("remove_chart", "x,delete", "remove chart", "Remove the chosen chart."),
    _quiet("reset_charts", "ctrl+r", "reset charts", "Reset charts: show the default ones."),
    _layers("layer_view", "v", "heat map", "Layers as a table, or as a heat map over the steps; on a wide screen both, "
            "or the map alone.", target="LayersPane", call="next_view"),
    _layers("choose_measure", "e", "measure", "Choose what the heat map shows: density, R_s, churn, survival, "
            "overlaps, neurons alive.", target="LayersPane"),
    _layers("sort_next", "greater_than_sign", "sort by next", "Sort by the next column.", call="sort_by_next(1)"),
    _layers("sort_previous", "less_than_sign", "sort by previous", "Sort by the previous column.", footer=False,
            call="sort_by_next(-1)"),
    _layers("sort_reverse", "o", "reverse sort", "Reverse sort."),
    _config("provenance", "W", "provenance", "Where each attempt came from: commit, difference, versions, variables, "
            "command line, ending.", target=""),
    _layers("open_mask", "enter", "mask", "Show the pattern of the layer's mask, as its checkpoints hold it.",
            target=""),
    _config("search_config", "slash", "search", "Show only settings whose name, value or help contains a text."),
    _config("only_changes", "i", "only changes", "Show only settings that differ from the default or the parent."),
    _checkpoint("delete_checkpoint", "x,delete", "delete", "Delete the checkpoint at the cursor; asks first, and says "
                "how much disk space that frees."),
    _checkpoint("verify_checkpoints", "exclamation_mark", "verify", "Read all checkpoint files and compare them with "
                "their checksums."),
    _log("follow_log", "F", "follow", "Follow the end of the log as it grows, or stop following."),
    _log("search_log", "slash", "search", "Find a text in the log."),
    _log("match_next", "full_stop", "next match", "Go to the next line that contains the text.", call="step_match(1)"),
    _log("match_previous", "comma", "previous match", "Go to the previous line that contains the text.", footer=False,
         call="step_match(-1)"),
    _log("log_top", "home", "top", "Go to the first line.", footer=False),
    _log("log_end", "end", "end", "Go to the last line, and follow.", footer=False),
)  # fmt: skip
