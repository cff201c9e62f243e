"""The actions that work everywhere, and those of the queue, the form of a new run and the picture of a mask."""

from __future__ import annotations

from functools import partial

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run, may_pause, may_rank, may_stop, may_wait

_queue = partial(Action, scope="queue", heading="Queue")
_runs = partial(Action, scope="queue", heading="Runs", target="RunChanges")
_select = partial(Action, scope="queue", heading="Selection", target="QueueBoard", footer=False)
_form = partial(Action, scope="form", heading="Form", priority=True)
_mask = partial(Action, scope="mask", heading="Masks")
_app = partial(Action, scope="app", heading="App")

QUEUE = (
    _queue("leave", "escape,q,backspace", "back", "Back to the list of runs."),
    _queue("move_up", "shift+up", "earlier", "Move the run one place forward among those of its priority.",
           when=may_wait, call="move('up')"),
    _queue("move_down", "shift+down", "later", "Move the run one place back among those of its priority.",
           when=may_wait, call="move('down')"),
    _queue("move_top", "circumflex_accent", "first", "Move to front of its priority.", when=may_wait,
           call="move('top')"),
    _queue("move_bottom", "dollar_sign", "last", "Move to end of its priority.", when=may_wait, call="move('bottom')"),
    _queue("hold_run", "w", "hold", "Hold the run: it does not start until it is released. Or release it.",
           when=may_wait),
    _queue("start_after", "T", "after", "Choose the runs that it starts after: any end of them, or only if they "
           "complete.",
           when=may_wait),
    _queue("raise_number", "plus,equals_sign", "more", "On a run, raise its priority: it starts before those of lower "
           "priority. On a device, one slot more: it runs one more run at a time.", when=may_rank, call="add(1)"),
    _queue("lower_number", "minus", "less", "On a run, lower its priority. On a device, one slot less; with none it "
           "gets no run.", when=may_rank, call="add(-1)"),
    _runs("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", when=a_run),
    _runs("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first. A queued one leaves the queue.",
          when=may_stop),
    _runs("pause_run", "p", "pause", "Pause a running run, or continue a paused one.", when=may_pause),
    _runs("pause_all", "P", "pause all", "Pause every running run; if none is running, continue the paused ones.",
          target=""),
    _queue("start_scheduler", "S", "scheduler", "Start the scheduler, if none is running.", footer=False),
    _select("mark", "space", "select", "Select the run; actions then act on all selected runs.", when=a_run),
    _select("mark_waiting", "percent_sign", "select queued", "Select every queued run."),
    _select("unmark_all", "u", "clear selection", "Clear selection."),
)  # fmt: skip

FORM = (
    _form("launch", "ctrl+s", "launch", "Queue the run, or the runs that a sweep's group still lacks; it starts when a "
          "device is free.", call="launch_run('queue')"),
    _form("launch_first", "ctrl+n", "start now", "Queue it before all queued runs: it starts next.",
          call="launch_run('front')"),
    _form("launch_held", "f2", "queue held", "Queue it, but hold it: it starts when it is released in the queue.",
          footer=False, call="launch_run('held')"),
    _form("show_plan", "f3", "plan", "Show the plan and scroll it, or return to the fields."),
    _form("find_field", "slash,ctrl+f", "find", "Find a field by its label, its flag or what it means. In a "
          "field that takes any text, / is text.", priority=False),
    _form("choose_start", "ctrl+o", "start from", "Start from a preset or from a past run."),
    _form("show_changed", "f4", "only changed", "Show only the fields that differ from the start, or all again.",
          target="SettingsForm"),
    _form("copy_command", "ctrl+y", "copy command", "Copy the command line that launches the same run."),
    _form("fold", "f5", "fold", "Fold the section of the field, or unfold it. A click on its title does the same.",
          target="SettingsForm"),
    _form("next_section", "pagedown", "next section", "Go to the next section; in the plan, a page down.",
          footer=False, call="turn_page(1)"),
    _form("previous_section", "pageup", "previous section", "Go to the previous section; in the plan, a page up.",
          footer=False, call="turn_page(-1)"),
    _form("column_right", "ctrl+right", "column right", "Go to the next column of fields.", footer=False,
          target="SettingsForm", call="move_beside(1)"),
    _form("column_left", "ctrl+left", "column left", "Go to the previous column of fields.", footer=False,
          target="SettingsForm", call="move_beside(-1)"),
    _form("reset_field", "ctrl+r", "reset field", "Give the field the value it had at the start.",
          target="SettingsForm"),
    _form("leave", "escape", "back", "Go back without launching.", priority=False),
)  # fmt: skip

MASK = (
    _mask("leave", "escape,q,backspace", "back", "Back to the run."),
    _mask("zoom_in", "plus,equals_sign", "zoom", "Show half of the rows and columns, up to single weights.",
          call="zoom(1)"),
    _mask("zoom_out", "minus", "zoom out", "Show twice as many rows and columns.", footer=False, call="zoom(-1)"),
    _mask("zoom_reset", "0", "whole", "Show the whole layer.", footer=False),
    _mask("pan_left", "left,h", "move", "Show earlier columns while zoomed in.", call="pan(0, -1)"),
    _mask("pan_right", "right,l", "move right", "Show later columns.", footer=False, call="pan(0, 1)"),
    _mask("pan_up", "up,k", "move up", "Show earlier rows.", footer=False, call="pan(-1, 0)"),
    _mask("pan_down", "down,j", "move down", "Show later rows.", footer=False, call="pan(1, 0)"),
    _mask("next_layer", "tab,full_stop", "next layer", "Show the next layer.", call="step_layer(1)"),
    _mask("previous_layer", "shift+tab,comma", "previous layer", "Show the previous layer.", footer=False,
          call="step_layer(-1)"),
    _mask("choose_layer", "slash", "layers", "Choose a layer from a list."),
    _mask("previous_update", "left_square_bracket", "update", "Show the mask after the update before; of a run without "
          "a history of masks, in the checkpoint before.", call="step_update(-1)"),
    _mask("next_update", "right_square_bracket", "next update", "Show the mask after the next update, or in the next "
          "checkpoint.", footer=False, call="step_update(1)"),
    _mask("first_update", "home", "first update", "Show the first mask.", footer=False),
    _mask("last_update", "end", "last update", "Show the mask after the latest update.", footer=False),
    _mask("choose_checkpoint", "e", "checkpoints", "Choose checkpoint from a list."),
    _mask("toggle_glyphs", "v", "glyphs", "Show states as glyphs, or as coloured half blocks with twice the rows.",
          footer=False),
)  # fmt: skip

APP = (
    _app("show_help", "question_mark,f1", "help", "What can be done here, and by which key."),
    _app("command_palette", "ctrl+p", "palette", "Search everything that can be done.", priority=True),
    _app("toggle_theme", "ctrl+t", "theme", "The next theme: dark, light, high contrast, the terminal's 16 colours.",
         footer=False),
    _app("show_messages", "ctrl+l", "messages", "Message log: errors, and runs that ended, since the app was opened.",
         footer=False),
    _app("retry_database", "ctrl+g", "retry", "Try again after a problem: open the database, start the scheduler.",
         footer=False),
    _app("suspend_process", "ctrl+z", "suspend", "Stop the app and return to the shell; fg continues it.",
         footer=False, priority=True),
    _app("quit", "q,ctrl+q", "quit", "Quit the app. Runs continue in the background."),
)  # fmt: skip
