"""What runs where, what waits and why, and what the devices do."""

from itop_tui.screens.queue.screen import QueueScreen

__all__ = ["QueueScreen"]
