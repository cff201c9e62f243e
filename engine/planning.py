"""The torch-free client of :mod:`engine.plan`: what a run would be, asked of a helper process.

The layers of a plan come from the real model, so a plan needs torch; the app and the command line must not. They
ask here: once with :func:`request_plan`, or again and again, as a form is typed into, of a :class:`PlanServer` that
keeps its process (and torch, which takes a second or two to import) alive.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from engine.config import RunConfig

__all__ = ["PlanError", "PlanServer", "request_plan"]


class PlanError(Exception):
    """There is no such plan; the message says why, in a line for each wrong setting."""


def request_plan(config: RunConfig | Mapping[str, Any], *, timeout: float = 120.0) -> dict[str, Any]:
    """Return the plan of a run, as ``itop plan --json`` prints it.

    Args:
        config: The run's settings.
        timeout: Seconds to wait for the answer.

    Raises:
        PlanError: The settings are wrong, the model does not build, or no answer came.
    """
    with PlanServer(timeout=timeout) as server:
        return server.ask(config)


class PlanServer:
    """A helper process that answers plans until it is closed. Thread safe: questions are answered one at a time.

    Args:
        timeout: Seconds to wait for one answer, the first import of torch included.
    """

    def __init__(self, *, timeout: float = 120.0) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process now, so that the first question finds it warm. Returns at once."""
        with self._lock:
            self._running()

    def ask(self, config: RunConfig | Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan of a run; blocks until it is there.

        Raises:
            PlanError: The settings are wrong, the model does not build, or no answer came.
        """
        settings = config.as_dict() if isinstance(config, RunConfig) else dict(config)
        with self._lock:
            process = self._running()
            line = self._exchange(process, json.dumps(settings))
        try:
            answer = json.loads(line)
        except json.JSONDecodeError as error:
            raise PlanError(f"the planning process answered something that is no plan: {line[:200]!r}") from error
        if not isinstance(answer, dict):
            raise PlanError(f"the planning process answered something that is no plan: {line[:200]!r}")
        if "error" in answer:
            raise PlanError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process, also in the middle of an answer. Safe to repeat."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close_quietly(pipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._closed:
            raise PlanError("planning was closed")
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "engine.plan", "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # a Ctrl-C in the terminal is the app's, not the helper's
            )
        return self._process

    def _exchange(self, process: subprocess.Popen[str], question: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(question + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):
            line = ""
        finally:
            timer.cancel()
        if line:
            return line
        if late.is_set():
            raise PlanError(f"no plan after {self._timeout:g} seconds")
        if self._closed:
            raise PlanError("planning was closed")
        raise PlanError(f"the planning process ended without an answer (exit code {process.wait()})")


def _close_quietly(pipe: Any) -> None:
    with contextlib.suppress(OSError):  # what was still to be written has nobody to read it
        pipe.close()
