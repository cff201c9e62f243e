"""The actions of the queue and the devices."""

from __future__ import annotations

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run, may_pause, may_rank, may_stop, may_wait

ACTIONS = (
    Action("leave", "escape,q,backspace", "back", "Back to the list of runs.", "queue", "Queue"),
    Action("move_up", "K,shift+up", "earlier", "Move the run one place forward among those of its priority.", "queue",
           "Queue", may_wait),
    Action("move_down", "J,shift+down", "later", "Move the run one place back among those of its priority.", "queue",
           "Queue", may_wait),
    Action("move_top", "t", "first", "Move to front of its priority.", "queue", "Queue", may_wait),
    Action("move_bottom", "b", "last", "Move to end of its priority.", "queue", "Queue", may_wait),
    Action("hold_run", "h", "hold", "Hold the run: it does not start until it is released. Or release it.", "queue",
           "Queue", may_wait),
    Action("raise_number", "plus,equals_sign", "more", "On a run, raise its priority: it starts before those of lower "
           "priority. On a device, one slot more: it runs one more run at a time.", "queue", "Queue", may_rank),
    Action("lower_number", "minus", "less", "On a run, lower its priority. On a device, one slot less; with none it "
           "gets no run.", "queue", "Queue", may_rank),
    Action("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", "queue", "Runs", a_run),
    Action("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first. A queued one leaves the queue.",
           "queue", "Runs", may_stop),
    Action("pause_run", "p", "pause", "Pause a running run, or continue a paused one.", "queue", "Runs", may_pause),
    Action("pause_all", "P", "pause all", "Pause every running run; if none is running, continue the paused ones.",
           "queue", "Runs"),
    Action("start_scheduler", "S", "scheduler", "Start the scheduler, if none is running.", "queue", "Queue",
           footer=False),
    Action("mark", "space", "select", "Select the run; actions then act on all selected runs.", "queue", "Selection",
           a_run, footer=False),
    Action("mark_waiting", "ctrl+a", "select queued", "Select every queued run.", "queue", "Selection", footer=False),
    Action("unmark_all", "u", "clear selection", "Clear selection.", "queue", "Selection", footer=False),
)  # fmt: skip
