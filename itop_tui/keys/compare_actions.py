"""The actions of the comparison."""

from __future__ import annotations

from functools import partial

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import a_run

_show = partial(Action, scope="compare", heading="Show")
_tab = partial(_show, footer=False)
_table = partial(_show, target="CompareTabs")
_runs = partial(Action, scope="compare", heading="Runs", target="EntryChanges")
_place = partial(_runs, footer=False)
_order = partial(_place, target="")
_move = partial(Action, scope="compare", heading="Moving", footer=False)
_chart = partial(Action, scope="compare", heading="Charts", target="ChartsPane")
_quiet = partial(_chart, footer=False)

ACTIONS = (
    _tab("tab_curves", "1", "curves", "Show the charts.", call="open_tab('curves')"),
    _tab("tab_results", "2", "results", "Show the results, the best of each highlighted.", call="open_tab('results')"),
    _tab("tab_settings", "3", "settings", "Show the settings that differ.", call="open_tab('settings')"),
    _tab("tab_scatter", "4", "scatter", "Show R_s and FLOPs against accuracy.", call="open_tab('scatter')"),
    _tab("tab_layers", "5", "layers", "Show the layers side by side.", call="open_tab('layers')"),
    _tab("tab_masks", "6", "masks", "Show how far the final masks agree, read from the checkpoints.",
         call="open_tab('masks')"),
    _tab("tab_table", "7", "table", "Show one result as a paper prints it: methods down, densities across, mean ± std "
         "(n).", call="open_tab('table')"),
    _show("next_view", "v", "measure", "Another measure: of the scatter plots, the layers, the masks or the table."),
    _table("choose_columns", "e", "columns", "Choose the setting that has the columns of the table."),
    _table("sort_next", "greater_than_sign", "sort by next", "Sort the results by the next column; or click its head.",
           call="sort_beside(1)"),
    _table("sort_previous", "less_than_sign", "sort by previous", "Sort the results by the previous column.",
           call="sort_beside(-1)", footer=False),
    _table("sort_reverse", "o", "reverse sort", "Reverse sort.", footer=False),
    _tab("next_layer", "full_stop", "next layer", "Compare the masks of the next layer; of all again after the last.",
         call="choose_layer(1)"),
    _tab("previous_layer", "comma", "previous layer", "Compare the masks of the previous layer.",
         call="choose_layer(-1)"),
    _runs("group_runs", "g", "group", "Group runs by recipe (they differ only by their seed): mean ± std, with n."),
    _runs("hide_entry", "space", "hide", "Hide the run at the cursor in charts and plots, or show it again; or click "
          "its letter."),
    _runs("take_out", "x", "remove", "Remove the run at the cursor from the comparison."),
    _runs("take_in", "A", "add", "Add runs to the comparison: a query narrows the list, space selects several."),
    _runs("set_baseline", "I", "baseline", "Show curves as differences to the run at the cursor, or as they are."),
    _order("next_entry", "down,j", "next run", "Go to the next run of the legend.", call="point(1)"),
    _order("previous_entry", "up,k", "previous run", "Go to the previous run.", call="point(-1)"),
    _place("entry_down", "shift+down", "move down", "Move the run at the cursor down; or drag it.", call="move(1)"),
    _place("entry_up", "shift+up", "move up", "Move the run at the cursor up; or drag it.", call="move(-1)"),
    _runs("open_run", "enter", "open", "Open the run at the cursor.", when=a_run, target=""),
    _order("toggle_legend", "i", "legend", "Show or hide the legend."),
    _show("export", "E", "export", "Write what is shown: a page with plots, charts as SVG, tables, the runs."),
    _table("copy_table", "Y", "copy", "Copy the table as text, that of a paper as Markdown, LaTeX or CSV; on charts "
           "and plots, the results."),
    _move("go_left", "left,h", "earlier", "Move to earlier steps while zoomed in; in a table, to columns on the left.",
          call="go(-1)"),
    _move("go_right", "right,l", "later", "Move to later steps while zoomed in; in a table, to columns on the right.",
          call="go(1)"),
    _move("page_down", "pagedown", "page down", "Move down in a table.", call="page(1)"),
    _move("page_up", "pageup", "page up", "Move up in a table.", call="page(-1)"),
    _chart("toggle_full", "z", "full size", "Show the chosen chart alone, or all that fit."),
    _chart("next_chart", "tab", "next", "Choose the next chart: every recorded metric has one.", call="choose(1)"),
    _quiet("previous_chart", "shift+tab", "previous", "Choose the previous chart.", call="choose(-1)"),
    _chart("zoom_in", "plus,equals_sign", "zoom", "Zoom in, around the cursor if there is one; the metrics are read "
           "again as finely as the screen can show them.", call="zoom(1)"),
    _quiet("zoom_out", "minus", "zoom out", "Zoom out.", call="zoom(-1)"),
    _quiet("zoom_reset", "0", "everything", "Show all steps, and follow new ones."),
    _chart("cursor_left", "left_square_bracket", "cursor", "Read the values at a cursor in the legend, and move it to "
           "the left.", call="move_cursor(-1)"),
    _quiet("cursor_right", "right_square_bracket", "cursor right", "Move the cursor to the right.",
           call="move_cursor(1)"),
    _quiet("cursor_off", "backslash", "no cursor", "Remove the cursor."),
    _chart("smooth", "m", "smooth", "Smooth noisy curves: a little, more, much, off. With up to four, the raw line "
           "stays visible."),
    _chart("toggle_log", "y", "log axis", "Losses and learning rate on a logarithmic or a linear axis."),
    _chart("next_bounds", "Z", "y range", "What the y-axis reaches: all but outliers, which are marked at its edge "
           "(▴▾); all values; or 0 to 100 % where values are in per cent."),
    _chart("next_across", "X", "x-axis", "The x-axis: steps, epochs, hours of training, or R_s."),
    _quiet("toggle_marks", "M", "marks", "Show or hide the marks of the run at the cursor: mask updates, learning-rate "
           "drops, resumes, checkpoints."),
    _show("leave", "escape,q,backspace", "back", "Back to the screen before."),
)  # fmt: skip
