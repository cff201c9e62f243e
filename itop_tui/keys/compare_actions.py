"""The actions of the comparison."""

from __future__ import annotations

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run

ACTIONS = (
    Action("tab_curves", "1", "curves", "Show the charts.", "compare", "Show", footer=False),
    Action("tab_results", "2", "results", "Show the results, the best of each marked.", "compare", "Show",
           footer=False),
    Action("tab_settings", "3", "settings", "Show the settings that differ.", "compare", "Show", footer=False),
    Action("tab_scatter", "4", "scatter", "Show R_s and FLOPs against accuracy.", "compare", "Show", footer=False),
    Action("tab_layers", "5", "layers", "Show the layers side by side.", "compare", "Show", footer=False),
    Action("tab_masks", "6", "masks", "Show how far the final masks agree, read from the checkpoints.", "compare",
           "Show", footer=False),
    Action("next_view", "v", "measure", "Another measure: of the scatter plots, the layers or the masks.", "compare",
           "Show"),
    Action("next_layer", "n", "next layer", "Compare the masks of the next layer; of all again after the last.",
           "compare", "Show", footer=False),
    Action("previous_layer", "N", "previous layer", "Compare the masks of the previous layer.", "compare", "Show",
           footer=False),
    Action("group_seeds", "g", "group seeds", "Group runs that differ only by their seed: mean ± std, with n.",
           "compare", "Runs"),
    Action("hide_entry", "space", "hide", "Hide the run at the cursor in charts and plots, or show it again.",
           "compare", "Runs"),
    Action("take_out", "d", "remove", "Remove the run at the cursor from the comparison.", "compare", "Runs"),
    Action("take_in", "a", "add", "Add a run to the comparison, by its id or its unique name.", "compare", "Runs"),
    Action("next_entry", "down,j", "next run", "Go to the next run of the legend.", "compare", "Runs", footer=False),
    Action("previous_entry", "up,k", "previous run", "Go to the previous run.", "compare", "Runs", footer=False),
    Action("entry_down", "J,shift+down", "move down", "Move the run at the cursor down.", "compare", "Runs",
           footer=False),
    Action("entry_up", "K,shift+up", "move up", "Move the run at the cursor up.", "compare", "Runs", footer=False),
    Action("open_run", "enter", "open", "Open the run at the cursor.", "compare", "Runs", a_run),
    Action("toggle_legend", "i", "legend", "Show or hide the legend.", "compare", "Runs", footer=False),
    Action("export", "E", "export", "Write what is shown: a page with plots, charts as SVG, tables, the runs.",
           "compare", "Show"),
    Action("copy_table", "Y", "copy", "Copy the table as text; on charts and plots, the results.", "compare", "Show"),
    Action("go_left", "left,h", "earlier", "Move to earlier steps while zoomed in; in a table, to columns on the left.",
           "compare", "Moving", footer=False),
    Action("go_right", "right,l", "later", "Move to later steps while zoomed in; in a table, to columns on the right.",
           "compare", "Moving", footer=False),
    Action("page_down", "pagedown", "page down", "Move down in a table.", "compare", "Moving", footer=False),
    Action("page_up", "pageup", "page up", "Move up in a table.", "compare", "Moving", footer=False),
    Action("toggle_full", "f", "full size", "Show the chosen chart alone, or all that fit.", "compare", "Charts"),
    Action("next_chart", "tab", "next", "Choose the next chart: every recorded metric has one.", "compare", "Charts"),
    Action("previous_chart", "shift+tab", "previous", "Choose the previous chart.", "compare", "Charts", footer=False),
    Action("zoom_in", "plus,equals_sign", "zoom", "Zoom in, around the cursor if there is one; the metrics are read "
           "again as finely as the screen can show them.", "compare", "Charts"),
    Action("zoom_out", "minus", "zoom out", "Zoom out.", "compare", "Charts", footer=False),
    Action("zoom_reset", "0", "everything", "Show all steps, and follow new ones.", "compare", "Charts", footer=False),
    Action("cursor_left", "left_square_bracket", "cursor", "Read the values at a cursor in the legend, and move it to "
           "the left.", "compare", "Charts"),
    Action("cursor_right", "right_square_bracket", "cursor right", "Move the cursor to the right.", "compare", "Charts",
           footer=False),
    Action("cursor_off", "c", "no cursor", "Remove the cursor.", "compare", "Charts", footer=False),
    Action("smooth", "m", "smooth", "Smooth noisy curves: off, a little, more, much. With up to four, the raw line "
           "stays visible.", "compare", "Charts"),
    Action("toggle_log", "y", "log axis", "Losses and learning rate on a logarithmic or a linear axis.", "compare",
           "Charts"),
    Action("next_across", "x", "x-axis", "The x-axis: steps, epochs, or hours of training.", "compare", "Charts"),
    Action("toggle_marks", "u", "marks", "Show or hide the marks of the run at the cursor: mask updates, "
           "learning-rate drops, resumes, checkpoints.", "compare", "Charts", footer=False),
    Action("leave", "escape,q,backspace", "back", "Back to the screen before.", "compare", "Show"),
)  # fmt: skip
