"""What an exception that ended a worker means: the reason in one line, and whether trying again may help.

Trying again helps only where the cause can pass by itself: a database that does not answer, a disk or a network that
fails for a moment, a device that is busy. A mistake in the code of a model or a data set, an exit that it asked for and
an allocation that was refused come again at every try.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from db import paths
from db.errors import AttemptOver, DatabaseUnavailable, StoreError

__all__ = ["Failure", "StartError", "failure_of", "is_over"]


class StartError(Exception):
    """The run cannot start for a reason that can be explained; the message is one line."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed.

    Attributes:
        reason: In one line.
        explains_itself: Whether a person needs no traceback to understand it.
        retry_may_help: Whether the run may do better at another try.
    """

    reason: str
    explains_itself: bool = True
    retry_may_help: bool = False


_PASSING_ERRORS = frozenset(
    {
        errno.EAGAIN, errno.EBUSY, errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN,
        errno.EHOSTUNREACH, errno.EINTR, errno.EIO, errno.EMFILE, errno.ENETDOWN, errno.ENETRESET, errno.ENETUNREACH,
        errno.ENFILE, errno.ENOLCK, errno.ENOTCONN, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT,
    }
)  # fmt: skip
"""Troubles of the host, its disks and its network."""

_PASSING_TROUBLE = re.compile(
    r"busy or unavailable|CUDA driver initialization failed|CUDA driver error|no CUDA-capable device is detected"
    r"|system not yet initialized|CUDA error: unknown error|NCCL error|uncorrectable ECC"
    r"|worker \(pid.*\) is killed by signal",
    re.IGNORECASE,
)
_OUT_OF_MEMORY = re.compile(
    r"can(?:'t|not) allocate memory|\bout of memory\b|_STATUS_ALLOC_FAILED|std::bad_alloc|unable to allocate \d",
    re.IGNORECASE,
)
_ON_A_DEVICE = re.compile(r"\b(?:CUDA|HIP|MPS|XPU)\b|CUDNN|CUBLAS|CUSPARSE|CUSOLVER")
_ASKED_FOR = re.compile(r"(?:allocate|mmap)\s+(\d[\d,]*(?:\.\d+)?)\s*(bytes?|[KMGTPE]?i?B)\b", re.IGNORECASE)
_FREE = re.compile(r"of which (\d[\d.]*\s*[KMGTPE]?i?B) is free", re.IGNORECASE)
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def failure_of(error: BaseException, modules: Collection[str] = ()) -> Failure:
    """Say why a run failed, by the exception that ended it.

    Args:
        error: The exception.
        modules: The modules of the run's custom model and data set; an exit that was asked for in one of them names it.
    """
    chain = tuple(_causes(error))
    for cause in chain:
        if (memory := _memory_reason(cause)) is not None:
            # What was built just then, as the message of a model's or a data set's error begins with it.
            what = str(error).partition(": ")[0] if cause is not error and isinstance(error, _explained()) else ""
            return Failure(f"{memory} ({' '.join(what.split())})" if what else memory)
    if any(isinstance(cause, RuntimeError) and _PASSING_TROUBLE.search(str(cause)) for cause in chain):
        return Failure(_last_line(error), explains_itself=False, retry_may_help=True)
    if isinstance(error, SystemExit):
        return Failure(_exit_reason(error, modules), explains_itself=False)
    if isinstance(error, _explained()):
        return Failure(" ".join(str(error).split()), retry_may_help=isinstance(error, DatabaseUnavailable))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else f" (in {paths.home()})"
        return Failure(f"disk full{where}")
    passing = isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno in _PASSING_ERRORS)
    return Failure(_last_line(error), explains_itself=False, retry_may_help=passing)


def is_over(error: BaseException) -> AttemptOver | None:
    """Why an attempt must not be recorded any more, where that is what ended its worker; else None."""
    return next((cause for cause in _causes(error) if isinstance(cause, AttemptOver)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it was raised from, the outermost first."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__


def _explained() -> tuple[type[Exception], ...]:
    """An error that explains itself: a traceback adds nothing."""
    from engine.data import DataError
    from engine.models import ModelError
    from engine.sparsity.ranks import MasksDifferError
    from engine.training.setup import SetupError
    from engine.training.state import TrainingError

    return DataError, MasksDifferError, ModelError, SetupError, StartError, StoreError, TrainingError


def _last_line(error: BaseException) -> str:
    text = str(error).strip()
    last = text.splitlines()[-1].strip() if text else ""
    return f"{type(error).__name__}: {last}".rstrip(": ")


def _memory_reason(error: BaseException) -> str | None:
    """The reason where an allocation was refused, with how much was asked for as far as the error says; else None."""
    text = " ".join(str(error).split())
    plain = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    torchs = type(error).__name__ == "OutOfMemoryError" and isinstance(error, RuntimeError)
    if not (plain or torchs or (isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(text))):
        return None
    device = not plain and (torchs or _ON_A_DEVICE.search(text) is not None)
    asked = _ASKED_FOR.search(text)
    amount = "an allocation failed" if asked is None else f"{_size(asked[1], asked[2])} asked for"
    free = _FREE.search(text)
    left = f", {free[1]} free" if asked is not None and free is not None else ""
    return f"out of {'GPU ' if device else ''}memory: {amount}{left}"


def _size(number: str, unit: str) -> str:
    """An amount of memory as people say it.

    >>> _size("80000000000", "bytes"), _size("2.00", "GiB"), _size("1", "byte")
    ('74.5 GiB', '2.00 GiB', '1 byte')
    """
    if not unit.lower().startswith("byte") and unit != "B":
        return f"{number} {unit}"
    value, scale = float(number.replace(",", "")), 0
    while value >= 1024 and scale < len(_UNITS) - 1:
        value, scale = value / 1024, scale + 1
    if scale == 0:
        return f"{value:.0f} byte{'s' if value != 1 else ''}"
    return f"{value:.1f} {_UNITS[scale]}"


def _exit_reason(error: SystemExit, modules: Collection[str]) -> str:
    """Who ended the process, and how: `sys.exit` is no way out of a run."""
    called = set()
    trace = error.__traceback__
    while trace is not None:
        called.add(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    by = next((f"module {name!r}" for name in modules if name in called), "the code of the run")
    code = 0 if error.code is None else error.code
    shown = " ".join(str(code).split()) if isinstance(code, int) else repr(" ".join(str(code).split()))
    return f"{by} exited: it called sys.exit({shown})"
