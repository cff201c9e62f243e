"""Compiles `products.c` when it is first used, and keeps the result for the user. It needs no torch itself.

The file in the cache is named by what it depends on: the source, the flags and the processor. It is written under a
temporary name and renamed, so that two processes may compile at once. Code that another user could have written is
not loaded: the folder and the file must belong to this user and be writable by no one else, or the library is compiled
into a new private folder for this process alone.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["LibraryError", "cache_folder", "compiler", "file_name", "load"]

SOURCE = Path(__file__).with_name("products.c")
FLAGS = ("-O3", "-march=native", "-fPIC", "-shared", "-w")
_TIME_LIMIT = 120.0


class LibraryError(Exception):
    """The kernels cannot be compiled or loaded here; the message is one line and says why."""


def compiler() -> str | None:
    """Returns the path of the system's C compiler; None where there is none."""
    return shutil.which("cc")


def cache_folder() -> Path:
    """Returns the folder that compiled kernels are kept in."""
    return user_cache_path("itop") / "kernels"


def file_name() -> str:
    """Returns the name of the compiled library for this source, these flags and this processor."""
    parts = (SOURCE.read_bytes(), " ".join((*FLAGS, *_threads())).encode(), _processor().encode())
    digest = hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts))
    return f"products-{digest.hexdigest()[:24]}.so"


def load(folder: Path | None = None) -> ctypes.CDLL:
    """Loads the compiled library, and compiles it before where that has not been done.

    Args:
        folder: Where it is kept; None: `cache_folder()`.

    Raises:
        LibraryError: There is no compiler, or it failed.
    """
    folder = _private_folder(folder or cache_folder())
    path = folder / file_name()
    if _only_ours(path):
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # damaged, or in need of a system library that is not there any more
            pass
    _compile(path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryError(f"the compiled kernels cannot be loaded: {error}") from error


def _private_folder(folder: Path) -> Path:
    """Returns the folder, made where it was missing; a new private one where another user could write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _only_ours(folder):
            return folder
    except OSError:
        pass
    private = Path(tempfile.mkdtemp(prefix="itop-kernels-"))
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return private


def _only_ours(path: Path) -> bool:
    """Says whether a file or folder is there, belongs to this user, and can be changed by no one else."""
    try:
        found = path.lstat()
    except OSError:
        return False
    kind = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return kind and found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _compile(path: Path) -> None:
    program = compiler()
    if program is None:
        raise LibraryError("there is no C compiler (cc)")
    sys.stderr.write("compiling the sparse kernels, once for this user and processor\n")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    failure = ""
    try:
        for threads in (_threads(), ()):  # some compilers come without OpenMP: then with one thread
            command = [program, *FLAGS, "-o", str(temporary), str(SOURCE), *threads]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
            if done.returncode == 0:
                temporary.chmod(0o700)
                temporary.replace(path)
                return
            failure = failure or next((line for line in done.stderr.splitlines() if "error" in line), "it failed")
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    finally:
        temporary.unlink(missing_ok=True)
    raise LibraryError(f"{program} cannot compile the kernels: {failure}")


def _threads() -> tuple[str, ...]:
    """Returns the flags for threads: those of the OpenMP that torch has loaded, so that one set of threads is used.

    Two sets would wait for each other's turns at every layer.
    """
    torch = importlib.util.find_spec("torch")
    places = (
        [Path(torch.origin).parent / "lib", Path(torch.origin).parents[1] / "torch.libs"]
        if torch and torch.origin
        else []
    )
    found = sorted(path for place in places if place.is_dir() for path in place.glob("libgomp*.so*"))
    return ("-fopenmp", "-Wl,--as-needed", str(found[0])) if found else ("-fopenmp",)


def _processor() -> str:
    """Names the processor and what it can do, as far as the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    named = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(named)}))
