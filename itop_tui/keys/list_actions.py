"""The actions of the list of runs."""

from __future__ import annotations

from functools import partial

from itop_tui.keys.action import Action
from itop_tui.keys.conditions import (
    a_run,
    may_checkpoint,
    may_delete,
    may_give_up,
    may_kill,
    may_pause,
    may_resume,
    may_resume_last,
    may_stop,
)

_run = partial(Action, scope="runs", heading="Run", target="RunChanges")
_list = partial(Action, scope="runs", heading="List", target="RunsPane")
_organize = partial(Action, scope="runs", heading="Organize", target="ShelfChanges")
_select = partial(Action, scope="runs", heading="Selection", target="RunTable", footer=False)
_column = partial(Action, scope="runs", heading="Columns", target="RunTable", footer=False)

ACTIONS = (
    _run("open_run", "enter", "open", "Open the run: charts, layers, checkpoints, log.", when=a_run, target=""),
    _run("new_run", "n", "new", "Set up a new run, from a preset or from scratch."),
    _run("stop_run", "s", "stop", "Stop the run: it writes a checkpoint first.", when=may_stop),
    _run("resume_run", "r", "resume", "Resume a run that has ended, from its last checkpoint.", when=may_resume_last),
    _run("fork_run", "f", "fork", "Start a new run from this one's last checkpoint, with changed settings.",
         when=a_run),
    _list("filter", "slash", "filter", "Show only runs that match a query: words, or state:running density<0.1 "
          "growth:gradient tag:paper acc>=0.93 name~vgg. It completes as you type."),
    _run("kill_run", "K", "kill", "End the run's process at once; work since its last checkpoint is lost.",
         when=may_kill),
    _list("group_runs", "g", "group", "Group runs by recipe (they differ only by their seed), with mean ± std, or by "
          "any field."),
    _list("choose_view", "v", "views", "Choose a saved view, save the current one, or delete one."),
    _organize("star_run", "asterisk", "star", "Star the run, or remove its star.", when=a_run),
    _organize("archive_run", "a", "archive", "Archive the run, or restore it: lists do not show archived runs.",
              when=a_run),
    _organize("delete_run", "x", "delete", "Delete the run with its checkpoints and its log; says first how much that "
              "frees.", when=may_delete),
    _organize("undo_delete", "U", "undo delete", "Undo the last deletion, until you quit.", footer=False),
    _run("duplicate_run", "d", "duplicate", "A new run with the same settings, to be changed first.", when=a_run),
    _run("pause_run", "p", "pause", "Pause a running run, or continue a paused one.", when=may_pause, footer=False),
    _run("checkpoint_now", "C", "checkpoint", "Save a checkpoint now; the run continues.", when=may_checkpoint,
         footer=False),
    _run("give_up_run", "L", "give up", "End a run whose machine is gone, as lost; asks first.", when=may_give_up,
         footer=False),
    _run("extend_run", "B", "extend", "Train a run that has ended beyond its end: resume it with more epochs.",
         when=may_resume, footer=False),
    _organize("rename_run", "R", "rename", "Give the run another name; several runs, by a pattern.", when=a_run,
              footer=False),
    _organize("tag_run", "t", "tags", "Change the run's tags.", when=a_run, footer=False),
    _organize("note_run", "N", "notes", "Write notes about the run.", when=a_run, footer=False),
    _select("mark", "space", "select", "Select the run or the group; actions then act on all selected runs.",
            when=a_run),
    _select("mark_range", "V", "select a range", "Begin to select a range; moving selects, V again ends it. Or hold "
            "shift.", when=a_run),
    _select("mark_all", "percent_sign", "select all", "Select every listed run."),
    _select("unmark_all", "u", "clear selection", "Clear selection."),
    _column("choose_columns", "e", "columns", "Choose, order and resize the columns: any field, setting or metric."),
    _column("go_right", "right,l", "more columns", "Show the columns that did not fit; on a group, list its runs."),
    _column("go_left", "left,h", "previous columns", "Show the previous columns; on a group, close it."),
    _column("column_next", "right_square_bracket", "select column", "Select column: the first, or the next one; esc to "
            "deselect.", call="hold_column(1)"),
    _column("column_previous", "left_square_bracket", "previous column", "Select column: the last, or the previous "
            "one.", call="hold_column(-1)"),
    _column("column_wider", "plus,equals_sign", "wider", "Make the selected column wider.", call="widen_column(1)"),
    _column("column_narrower", "minus", "narrower", "Make the selected column narrower.", call="widen_column(-1)"),
    _column("column_fit", "underscore", "fit", "Make the selected column as wide as it needs.", call="fit_column"),
    _column("column_right", "right_curly_bracket", "column right", "Move the selected column to the right.",
            call="shift_column(1)"),
    _column("column_left", "left_curly_bracket", "column left", "Move the selected column to the left.",
            call="shift_column(-1)"),
    _column("sort_here", "b", "sort by it", "Sort by the selected column; a second time reverses the order."),
    _column("sort_next", "greater_than_sign", "sort by next", "Sort by the next column.", call="sort_beside(1)"),
    _column("sort_previous", "less_than_sign", "sort by previous", "Sort by the previous column.",
            call="sort_beside(-1)"),
    _column("sort_reverse", "o", "reverse sort", "Reverse sort."),
    _list("toggle_detail", "i", "details", "Show or hide the details beside the list (from 110 columns on).",
          footer=False),
    _run("open_database", "O", "open database", "Open another database: a folder, a file, or the URL of a server.",
         heading="List", footer=False),
    _run("demo", "D", "demo", "Queue the demonstration: dense, SET-ITOP and RigL-ITOP on the bundled digits.",
         footer=False),
    _run("open_queue", "Q", "queue", "What runs where, what is queued and why, and the devices: load, memory, slots."),
    _select("compare_runs", "c", "compare", "Compare the selected runs: curves, settings, results, masks.", when=a_run,
            footer=True, target=""),
    _run("export", "E", "export", "Write the run, or all selected runs, to files.", heading="Organize", when=a_run,
         footer=False),
)  # fmt: skip
