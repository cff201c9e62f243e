"""The screen of one run: charts, layers, configuration, checkpoints and log."""

from itop_tui.screens.run.screen import RunScreen

__all__ = ["RunScreen"]
