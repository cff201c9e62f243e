"""A process with torch loaded that forks a worker at each request, so that a thousand starts cost a thousand forks.

Its arguments are a file for what the workers print, and a run that has no step left to train: the first worker is not
forked but works here, so that all it loads is there for the others. It must not train: torch refuses to compute
gradients in a process that was forked from one which did.

It reads run ids from standard input, a line each, and answers with the pid of the worker; then it waits for the
worker's end, and answers with its status as `os.waitpid` gives it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    from engine import worker

    console, first = Path(sys.argv[1]), sys.argv[2]
    answers = os.dup(1)
    descriptor = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    assert worker.main([first]) == worker.EXIT_COMPLETED
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(worker.main([line.strip()]))
        os.write(answers, f"{pid}\n".encode())
        os.write(answers, f"{os.waitpid(pid, 0)[1]}\n".encode())


if __name__ == "__main__":
    main()
