"""The actions of the form of a new run."""

from __future__ import annotations

from itop_tui.keys.action import Action

ACTIONS = (
    Action("launch", "ctrl+s", "launch", "Queue the run, or the runs that a sweep's group still lacks; it starts when "
           "a device is free.", "form", "Form", priority=True),
    Action("launch_first", "ctrl+n", "start now", "Queue it before all queued runs: it starts next.", "form", "Form",
           priority=True),
    Action("launch_held", "ctrl+b", "queue held", "Queue it, but hold it: it starts when it is released (Q).", "form",
           "Form", footer=False, priority=True),
    Action("copy_command", "ctrl+y", "copy command", "Copy the command line that launches the same run.", "form",
           "Form", priority=True),
    Action("choose_start", "ctrl+o", "start from", "Start from a preset or from a past run.", "form", "Form",
           priority=True),
    Action("next_section", "pagedown", "next section", "Go to the next section.", "form", "Form", footer=False,
           priority=True),
    Action("previous_section", "pageup", "previous section", "Go to the previous section.", "form", "Form",
           footer=False, priority=True),
    Action("reset_field", "ctrl+r", "undo field", "Give the field the value it had at the start.", "form", "Form",
           priority=True),
    Action("leave", "escape", "back", "Go back without launching.", "form", "Form"),
)  # fmt: skip
