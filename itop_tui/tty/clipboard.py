"""Putting a text on the clipboard, and knowing whether it is there.

| where                                     | how                                            | known           |
|-------------------------------------------|------------------------------------------------|-----------------|
| a desktop on this machine                 | wl-copy, xclip, xsel, pbcopy                   | by exit status  |
| in tmux                                   | `tmux load-buffer -w`, and tmux's passthrough  | tmux's buffer   |
| in screen                                 | OSC 52 in device control strings               | no              |
| any other terminal, also over SSH         | OSC 52                                         | no              |

A terminal does not answer OSC 52, and many ignore it; so no one may say that something was copied by it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Clipboard", "CopyOutcome"]

_SECONDS = 3.0
"""How long a program may take."""
_CHUNK = 240
"""The longest part of a device control string that screen passes on."""
_MUCH = 74_000
"""Bytes of text; many terminals ignore an OSC 52 of more than 100,000 characters."""
_REMOTE = ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    """Where a text is now, as far as that is known.

    Attributes:
        program: The program that put it on this machine's clipboard; empty where none did.
        in_tmux: Whether tmux holds it in a buffer.
        file: The file it was written to; None where it was not, because the clipboard has it or it could not be.
        long: Whether many terminals would ignore a text of this length.
    """

    program: str = ""
    in_tmux: bool = False
    file: Path | None = None
    long: bool = False

    @property
    def title(self) -> str:
        """What is known, in a few words."""
        if self.program:
            return "Copied"
        return "In tmux's buffer" if self.in_tmux else "Sent to the terminal's clipboard"

    def sentence(self, what: str) -> str:
        """What was copied and how, and where else it is available.

        Args:
            what: What was copied: a phrase or the text itself, without a full stop.
        """
        if self.program:
            return f"{what} (by {self.program})"
        how = (
            "Paste it with tmux's prefix and ]. It was also sent to the terminal's clipboard (OSC 52)."
            if self.in_tmux
            else "The terminal does not say whether it takes it (OSC 52)."
        )
        long = " It is longer than many terminals take." if self.long else ""
        where = f" If nothing arrives: it is in {_short(self.file)}" if self.file is not None else ""
        return f"{what}\n{how}{long}{where}"


def _short(path: Path) -> str:
    home = str(Path.home())
    return "~" + str(path)[len(home) :] if str(path).startswith(home + os.sep) else str(path)


@dataclass(frozen=True, slots=True)
class Clipboard:
    """The ways to the clipboard from one place.

    Args:
        folder: Where the file is written, if it is needed.
        environ: The variables that tell where we are.
        which: Finds programs.
        apart: Whether programs here are no way to the terminal, as where that is a page in a browser.
    """

    folder: Path
    environ: Mapping[str, str]
    which: Callable[[str], str | None] = shutil.which
    apart: bool = False

    def sequence(self, text: str) -> str:
        """What is written to the terminal, which then may take the text."""
        osc = f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'replace')).decode()}\a"
        if self.apart:
            return osc
        if self.environ.get("TMUX"):
            # Twice: tmux takes it itself (`set-clipboard on`), or passes it on (`allow-passthrough on`).
            return osc + "\x1bPtmux;" + osc.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        if self.environ.get("STY"):
            return "".join(f"\x1bP{osc[at : at + _CHUNK]}\x1b\\" for at in range(0, len(osc), _CHUNK))
        return osc

    def put(self, text: str) -> CopyOutcome:
        """Put a text wherever a program can, and into a file where no clipboard surely has it. Blocks."""
        program = "" if self.apart else self._by_program(text)
        if program:
            return CopyOutcome(program)
        in_tmux = not self.apart and bool(self.environ.get("TMUX")) and self._in_tmux(text)
        return CopyOutcome("", in_tmux, self._in_file(text), len(text.encode("utf-8", "replace")) > _MUCH)

    def _by_program(self, text: str) -> str:
        """The program that put it on the clipboard of the desktop the user sits at; empty where there is none."""
        where = self._where()
        if any(where.get(name) for name in _REMOTE):
            return ""  # The clipboard here is not that of the machine the user sits at.
        commands: list[list[str]] = []
        if where.get("WAYLAND_DISPLAY"):
            commands.append(["wl-copy"])
        if where.get("DISPLAY"):
            commands += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
        if sys.platform == "darwin":
            commands.append(["pbcopy"])
        return next((command[0] for command in commands if self._run(command, text, where)), "")

    def _where(self) -> Mapping[str, str]:
        """The variables of the terminal the user sits at: in tmux those of the client that attached last."""
        if not self.environ.get("TMUX") or self.which("tmux") is None:
            return self.environ
        where = dict(self.environ)
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            shown = subprocess.run(
                [self.which("tmux") or "tmux", "show-environment"], env=dict(self.environ), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=_SECONDS, check=True,
            ).stdout  # fmt: skip
            for line in shown.splitlines():
                name, _, value = line.removeprefix("-").partition("=")
                where[name] = value  # "-NAME": the client has none
        return where

    def _in_tmux(self, text: str) -> bool:
        # -w, of tmux 3.2, also sends it to the terminal around tmux.
        return any(self._run(["tmux", *rest, "-"], text) for rest in (["load-buffer", "-w"], ["load-buffer"]))

    def _run(self, command: list[str], text: str, environ: Mapping[str, str] | None = None) -> bool:
        program = self.which(command[0])
        if program is None:
            return False
        try:
            # What holds the selection stays behind, with the output it was given: nothing may wait for its end.
            ended = subprocess.run(
                [program, *command[1:]], input=text.encode("utf-8", "replace"), env=dict(environ or self.environ),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=False,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return False
        return ended.returncode == 0

    def _in_file(self, text: str) -> Path | None:
        """Write the text to a file that only the user can read; the last one counts."""
        path = self.folder / "copied.txt"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write((text if text.endswith("\n") else text + "\n").encode("utf-8", "replace"))
            Path(file.name).replace(path)
        except OSError:
            return None
        return path
