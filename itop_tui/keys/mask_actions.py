"""The actions of the picture of a mask."""

from __future__ import annotations

from itop_tui.keys.action import Action

ACTIONS = (
    Action("leave", "escape,q,backspace", "back", "Back to the run.", "mask", "Masks"),
    Action("zoom_in", "plus,equals_sign", "zoom", "Show half of the rows and columns, up to single weights.", "mask",
           "Masks", call="zoom(1)"),
    Action("zoom_out", "minus", "zoom out", "Show twice as many rows and columns.", "mask", "Masks", footer=False,
           call="zoom(-1)"),
    Action("zoom_reset", "0", "whole", "Show the whole layer.", "mask", "Masks", footer=False),
    Action("pan_left", "left,h", "move", "Show earlier columns while zoomed in.", "mask", "Masks", call="pan(0, -1)"),
    Action("pan_right", "right,l", "move right", "Show later columns.", "mask", "Masks", footer=False,
           call="pan(0, 1)"),
    Action("pan_up", "up,k", "move up", "Show earlier rows.", "mask", "Masks", footer=False, call="pan(-1, 0)"),
    Action("pan_down", "down,j", "move down", "Show later rows.", "mask", "Masks", footer=False, call="pan(1, 0)"),
    Action("next_layer", "tab,n", "next layer", "Show the next layer.", "mask", "Masks", call="step_layer(1)"),
    Action("previous_layer", "shift+tab,N", "previous layer", "Show the previous layer.", "mask", "Masks", footer=False,
           call="step_layer(-1)"),
    Action("choose_layer", "slash", "layers", "Choose a layer from a list.", "mask", "Masks"),
    Action("previous_checkpoint", "left_square_bracket", "checkpoint", "Show the mask in the previous checkpoint.",
           "mask", "Masks", call="step_checkpoint(-1)"),
    Action("next_checkpoint", "right_square_bracket", "next checkpoint", "Show the mask in the next checkpoint.",
           "mask", "Masks", footer=False, call="step_checkpoint(1)"),
    Action("choose_checkpoint", "c", "checkpoints", "Choose checkpoint from a list.", "mask", "Masks"),
    Action("toggle_glyphs", "g", "glyphs", "Show states as glyphs, or as coloured half blocks with twice the rows.",
           "mask", "Masks", footer=False),
)  # fmt: skip
