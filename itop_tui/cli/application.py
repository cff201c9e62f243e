"""All commands of `itop` by name, and how a command line becomes an exit code.

Only names and one-line summaries are known here: a command's module is imported when it is run, so that `itop --help`
and a typing error cost neither a database nor pydantic, and no command imports torch or textual. The app, which a line
without a word opens, costs no parser either.
"""

from __future__ import annotations

import errno
import gc
import inspect
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itop_tui.cli.errors import CommandError, Exit
from itop_tui.service.words import DEMO_LENGTH

if TYPE_CHECKING:
    from cyclopts import App

SUMMARY = "A terminal experiment manager for sparse neural-network training. Without a command it opens the app."


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `itop`."""

    name: str
    module: str
    summary: str


COMMANDS: dict[str, tuple[Command, ...]] = {
    "Train": (
        Command("train", "train", "Queue a run and start it in the background."),
        Command("sweep", "sweep", "Queue a grid of runs: comma lists of values are its axes."),
        Command("plan", "plan", "Show layers, FLOPs, steps and expected R_s before training."),
        Command("resume", "again", "Resume a run from its last checkpoint, or another."),
        Command("fork", "again", "Start a new run from a checkpoint, with changed settings."),
        Command("demo", "demo", f"Train dense, SET-ITOP and RigL-ITOP on bundled data, in {DEMO_LENGTH}."),
    ),
    "Look": (
        Command("runs", "runs", "List runs, or groups of them with mean and spread, by a query."),
        Command("show", "show", "Show one run with its checkpoints and attempts."),
        Command("metrics", "history", "Show what was recorded at each step."),
        Command("layers", "history", "Show each layer's mask."),
        Command("checkpoints", "history", "List a run's checkpoints."),
        Command("logs", "logs", "Print a run's console log, and follow it with -f."),
        Command("compare", "compare", "Show runs side by side: settings that differ, results."),
        Command("export", "export", "Write runs to files: CSV, JSON, Parquet, TensorBoard, safetensors, HTML."),
    ),
    "Control": (
        Command("stop", "control", "Stop runs; each writes a checkpoint first."),
        Command("pause", "control", "Pause runs (memory still allocated)."),
        Command("unpause", "control", "Continue paused runs."),
        Command("checkpoint", "control", "Save a checkpoint of runs now."),
        Command("kill", "control", "End runs at once, without a checkpoint."),
        Command("give-up", "control", "End runs whose machine is gone, as lost."),
        Command("delete", "delete", "Delete runs and free their disk space."),
    ),
    "Queue": (
        Command("queue", "queue", "Show what runs where, and what is queued, in which order and why."),
        Command("move", "queue", "Move a queued run: top, up, down, bottom."),
        Command("hold", "queue", "Keep queued runs from starting."),
        Command("release", "queue", "Let held runs start when their turn comes."),
        Command("priority", "queue", "Give a queued run another priority."),
        Command("after", "after", "Let a queued run start after others, or after none."),
    ),
    "Organize": (
        Command("star", "keep", "Give runs a star."),
        Command("unstar", "keep", "Remove the star of runs."),
        Command("tag", "keep", "Add tags to runs, and remove them: +TAG -TAG."),
        Command("note", "keep", "Write the notes of a run."),
        Command("rename", "keep", "Give a run another name."),
        Command("archive", "keep", "Archive runs: lists do not show them."),
        Command("unarchive", "keep", "Restore archived runs to the lists."),
    ),
    "This machine": (
        Command("serve", "serve", "Show the app in a browser, on this machine only, unless you give another address."),
        Command("share", "share", "Share your home with a group of users, or make it private again."),
        Command("keys", "keys", "List the actions of the app and their keys."),
        Command("devices", "devices", "List devices, and set how many runs each takes at once."),
        Command("backup", "backup", "Copy the database and all checkpoints, while runs train."),
        Command("restore", "backup", "Put a backup into a home that has no runs."),
        Command("doctor", "doctor", "Report what this machine has, what is wrong, and how to fix it."),
    ),
}
"""Every command, under the headings of the help."""


def build(asked: str | None = None) -> App:
    """Make the cyclopts application; no command's module is imported but that of the one asked for.

    The help of the command `asked` is its own docstring, longer than the line in the list.
    """
    from cyclopts import App, Group

    app = App(
        name="itop",
        help=SUMMARY,
        help_format="plaintext",
        version=_version,
        version_flags=["--version", "-V"],
        usage="itop [COMMAND] [OPTIONS]",
    )
    app.default(open_app)
    app["--help"].group = app["--version"].group = Group("Options", sort_key=100)
    for position, (heading, commands) in enumerate(COMMANDS.items()):
        group = Group(heading, sort_key=position)
        for order, command in enumerate(commands):
            path = f"itop_tui.cli.commands.{command.module}:{command.name.replace('-', '_')}"
            summary = None if command.name == asked else command.summary
            app.command(path, name=command.name, help=summary, group=group, sort_key=order)
    if asked is not None:
        app[asked].help = _reflowed(app[asked].help)
    return app


def _version() -> str:
    from importlib.metadata import version

    return version("itop")


def _reflowed(docstring: str) -> str:
    """Take the line breaks out of a docstring's paragraphs: the terminal has its own width."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def open_app() -> int:
    """Open the app."""
    served = "TEXTUAL_DRIVER" in os.environ  # by `itop serve`, whose browser is the terminal
    if not served and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError(
            "the app needs a terminal, and there is none here",
            "itop --help lists the commands that work without one",
        )
    # While the app starts, nothing it makes is garbage, and looking for some takes a tenth of the time to the first
    # page. The app begins to collect once that is there.
    gc.disable()
    from itop_tui.app import ItopApp

    app = ItopApp()
    app.run()
    return app.return_code or Exit.OK


def run(tokens: Sequence[str]) -> int:
    """Run a command line and give its exit code.

    0: done; 1: not done; 2: a wrong command line; 129: the terminal was closed; 130: interrupted.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller has closed it, and does not want what is written there
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif hasattr(stream, "reconfigure"):  # a terminal that cannot show a glyph gets a "?", never a traceback
            stream.reconfigure(errors="replace")
    try:
        result = _run_command(tokens) if tokens else open_app()
        sys.stdout.flush()
        return int(result or 0)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        from itop_tui.cli.output_end import nowhere

        nowhere(sys.stdout.fileno())  # The reader (head, say) has seen enough; Python flushes stdout at its end.
        return Exit.OK
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else Exit.FAILED
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            from itop_tui.cli.output_end import nowhere, terminal_is_gone

            if terminal_is_gone():
                nowhere(1, 2)
                return Exit.HUNG_UP
        if os.environ.get("ITOP_DEBUG"):
            raise
        problems, code = explain(error, tokens)
        return _fail(problems, code)


def _run_command(tokens: Sequence[str]) -> Any:
    """Let cyclopts parse a command line, and run its command."""
    from itop_tui.cli.terminal import help_console

    return build(_command_of(tokens))(
        list(tokens),
        console=help_console(),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        help_on_error=False,
    )


def explain(error: Exception, tokens: Sequence[str]) -> tuple[Sequence[str], int]:
    """Put an error into words, one line for each problem, and choose the exit code."""
    if isinstance(error, CommandError):
        return error.problems, error.code
    # All three packages cost an import, and what raised their errors has paid for it already.
    if "cyclopts" in sys.modules:
        from cyclopts import CycloptsError

        if isinstance(error, CycloptsError):
            from itop_tui.cli.usage import wrong_usage

            command = _command_of(tokens)
            asked = f"itop {command} --help" if command else "itop --help"
            return [wrong_usage(error, _command_names()), f"{asked} shows what there is"], Exit.USAGE
    if "engine.config.setting" in sys.modules:
        from engine.config.setting import ConfigError

        if isinstance(error, ConfigError):
            return [str(problem) for problem in error.problems], Exit.USAGE
    if "db.errors" in sys.modules:
        from db.errors import StoreError

        if isinstance(error, StoreError):
            return str(error).splitlines(), Exit.FAILED
    if isinstance(error, OSError):
        return [f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")], Exit.FAILED
    return [
        f"this is a defect of itop: {type(error).__name__}: {error}",
        "run the command again with ITOP_DEBUG=1 set to see where it is",
    ], Exit.FAILED


def _fail(problems: Sequence[str], code: int) -> int:
    from rich.table import Table
    from rich.text import Text

    from itop_tui.cli.terminal import console, write
    from itop_tui.figures.format import plain

    out = console(stderr=True)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, style="bold red")
    grid.add_column(overflow="fold")
    for position, problem in enumerate(problems):
        grid.add_row("itop:" if position == 0 else "", Text(plain(problem)))
    write(grid, out=out)
    return code


def _command_names() -> list[str]:
    return [command.name for commands in COMMANDS.values() for command in commands]


def _command_of(tokens: Sequence[str]) -> str | None:
    """The command that a line begins with."""
    return tokens[0] if tokens and tokens[0] in _command_names() else None
