"""The torch-free end of a helper process: one JSON question a line in, one JSON answer a line out.

What needs torch (the layers of a plan, the masks in a checkpoint) is asked of a process that imports it, which takes a
second or two, so that the app and the command line never do. The process is kept, warm, until it is closed.
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

__all__ = ["HelperProcess"]


class HelperProcess:
    """A process that answers questions until it is closed. Thread safe: questions are answered one at a time.

    Args:
        module: What it runs: ``python -m MODULE --serve``.
        answer: What an answer is called in messages ("plan").
        work: What the process does, in messages ("planning").
        failure: What is raised where there is no answer, or the answer is ``{"error": message}``.
        timeout: Seconds to wait for one answer, the first import of torch included.
    """

    def __init__(self, module: str, *, answer: str, work: str, failure: type[Exception], timeout: float) -> None:
        self._module = module
        self._answer = answer
        self._work = work
        self._failure = failure
        self._timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process now, so that the first question finds it warm. Returns at once."""
        with self._lock:
            self._running()

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

    def _exchange(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a question; blocks until it is there."""
        with self._lock:
            line = self._exchange_line(self._running(), json.dumps(question))
        try:
            answer = json.loads(line)
        except json.JSONDecodeError as error:
            raise self._failure(self._no_answer(line)) from error
        if not isinstance(answer, dict):
            raise self._failure(self._no_answer(line))
        if "error" in answer:
            raise self._failure(str(answer["error"]))
        return answer

    def _no_answer(self, line: str) -> str:
        return f"the {self._work} process answered something that is no {self._answer}: {line[:200]!r}"

    def _running(self) -> subprocess.Popen[str]:
        if self._closed:
            raise self._failure(f"{self._work} was closed")
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", self._module, "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # a Ctrl-C in the terminal is the app's, not the helper's
            )
        return self._process

    def _exchange_line(self, process: subprocess.Popen[str], question: str) -> str:
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
            raise self._failure(f"no {self._answer} after {self._timeout:g} seconds")
        if self._closed:
            raise self._failure(f"{self._work} was closed")
        raise self._failure(f"the {self._work} process ended without an answer (exit code {process.wait()})")


def _close_quietly(pipe: Any) -> None:
    with contextlib.suppress(OSError):  # nothing reads what was still to be written
        pipe.close()
