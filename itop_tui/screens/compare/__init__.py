"""Runs side by side."""

from itop_tui.screens.compare.screen import CompareScreen

__all__ = ["CompareScreen"]
