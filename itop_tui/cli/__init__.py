"""The `itop` command.

`application` knows every command by name and imports a command's module only when it is run; `flags` generates the
settings' flags from `engine.config.run_config.RunConfig`; `terminal` is the one place
that writes for people, `itop_tui.service.json_shape` the one that gives JSON its shape; each module of `commands` holds
commands that belong together.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process and exit with its code: the console script `itop`."""
    import sys

    try:
        from itop_tui.cli.application import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while the program itself was still being read; `run` knows what to do later on
        code = 130
    sys.exit(code)
