"""The actions of the queue and the devices."""

from __future__ import annotations

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run, may_pause, may_rank, may_stop, may_wait

ACTIONS = (
    Action("leave", "escape,q,backspace", "back", "Back to the list of runs.", "queue", "Queue"),
    Action("move_up", "K,shift+up", "earlier", "Let the run start one place earlier, among those of its priority.",
           "queue", "Queue", may_wait),
    Action("move_down", "J,shift+down", "later", "Let the run start one place later, among those of its priority.",
           "queue", "Queue", may_wait),
    Action("move_top", "t", "first", "Let the run start first of its priority.", "queue", "Queue", may_wait),
    Action("move_bottom", "b", "last", "Let the run start last of its priority.", "queue", "Queue", may_wait),
    Action("hold_run", "h", "hold", "Keep the run from starting, or release it.", "queue", "Queue", may_wait),
    Action("raise_number", "plus,equals_sign", "more", "On a run, raise its priority: it starts before those of lower "
           "priority. On a device, one slot more: it takes one more run at a time.", "queue", "Queue", may_rank),
    Action("lower_number", "minus", "less", "On a run, lower its priority. On a device, one slot less; with none it "
           "takes no run.", "queue", "Queue", may_rank),
    Action("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", "queue", "Runs", a_run),
    Action("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first. One that waits leaves the queue.",
           "queue", "Runs", may_stop),
    Action("pause_run", "p", "pause", "Pause a running run, or let a paused one go on.", "queue", "Runs", may_pause),
    Action("pause_all", "P", "pause all", "Pause every run that is running; where none is, let the paused ones go on.",
           "queue", "Runs"),
    Action("start_scheduler", "S", "scheduler", "Start the scheduler, where none runs.", "queue", "Queue",
           footer=False),
    Action("mark", "space", "mark", "Mark the run; actions then act on all that are marked.", "queue", "Marks", a_run,
           footer=False),
    Action("mark_waiting", "ctrl+a", "mark waiting", "Mark every listed run that waits.", "queue", "Marks",
           footer=False),
    Action("unmark_all", "u", "unmark all", "Forget all marks.", "queue", "Marks", footer=False),
)  # fmt: skip
