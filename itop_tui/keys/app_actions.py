"""The actions that work everywhere."""

from __future__ import annotations

from itop_tui.keys.action import Action

ACTIONS = (
    Action("show_help", "question_mark,f1", "help", "What can be done here, and by which key.", "app", "App"),
    Action("command_palette", "ctrl+p", "palette", "Search everything that can be done.", "app", "App", priority=True),
    Action("toggle_theme", "ctrl+t", "theme", "The next theme: dark, light, high contrast, the terminal's 16 colours.",
           "app", "App", footer=False),
    Action("show_messages", "ctrl+l", "messages", "Message log: errors, and runs that ended, since the app was opened.",
           "app", "App", footer=False),
    Action("retry_database", "ctrl+g", "retry", "Try again after a problem: open the database, start the scheduler.",
           "app", "App", footer=False),
    Action("quit", "q,ctrl+q", "quit", "Quit the app. Runs continue in the background.", "app", "App"),
)  # fmt: skip
