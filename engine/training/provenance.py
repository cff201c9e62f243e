"""With what an attempt ran: versions, device, command line, and the environment variables that matter.

Of which code it ran is `engine.training.code_state`.
"""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy
import torch

from engine.training.secret_text import is_secret_variable, masked_value

__all__ = ["command_line", "environment", "versions"]

_LONGEST = 1_000

# fmt: off
_VARIABLES = frozenset({
    "CONDA_DEFAULT_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "PYTHONHASHSEED",
    "PYTHONPATH", "RANK", "VIRTUAL_ENV", "WORLD_SIZE",
})
_FAMILIES = (
    "CUBLAS_", "CUDA_", "CUDNN_", "GLOO_", "GOMP_", "ITOP_", "KMP_", "MKL_", "NCCL_", "NUMEXPR_", "NVIDIA_", "OMP_",
    "OPENBLAS_", "PYTORCH_", "SLURM_", "TORCH_",
)
# fmt: on
_SECRET = re.compile(
    r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL|AUTH|JWT|COOKIE|PRIVATE|(?:^|_)(?:PASS|PWD|PW|PIN)(?:_|$)", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)\S*@")
_SECRET_PARAMETER = re.compile(r"(?i)\b([\w-]*(?:token|key|secret|passw|credential|auth)[\w-]*=)[^&\s;]+")


def versions(device: torch.device, *, program: str | None = None) -> dict[str, str]:
    """Return the versions that decide what a run computes, and what it computes on.

    `gpu` and `driver` are there only on CUDA; `cuda` and `cudnn` where torch was built with them.
    """
    found = {
        "itop": _own_version() + (f" ({program})" if program else ""),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": numpy.__version__,
        "platform": platform.platform(),
    }
    if torch.version.cuda is not None:
        found["cuda"] = torch.version.cuda
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if cudnn is not None:
            found["cudnn"] = str(cudnn)
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
        driver = _driver_version()
        if driver is not None:
            found["driver"] = driver
    else:
        found["cpu"] = _processor()
    return found


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that affect a training; none whose name suggests a secret.

    Passwords within addresses are replaced by `***`, and long values cut.

    Args:
        variables: All of them, as `os.environ`.
    """
    kept = {}
    for name in sorted(variables):
        if (name in _VARIABLES or name.startswith(_FAMILIES)) and not (
            _SECRET.search(name) or is_secret_variable(name)
        ):
            value = _SECRET_PARAMETER.sub(r"\1***", _USER_INFO.sub("***@", variables[name])).replace("\0", "")
            value = masked_value(value)
            if name == "MASTER_ADDR":  # an address has no user; what stands before it is a token
                value = re.sub(r"^[^@]*@", "***@", value)
            kept[name] = value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…"
    return kept


def command_line(run_id: int, attempt_id: int) -> str:
    """Return the command line of a worker, as it can be pasted into a shell; nothing else is recorded."""
    return shlex.join([sys.executable, "-P", "-m", "engine.worker", str(run_id), "--attempt", str(attempt_id)])


def _own_version() -> str:
    try:
        return version("itop")
    except PackageNotFoundError:  # used from a checkout that was not installed
        return "not installed"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _driver_version() -> str | None:
    import pynvml

    try:
        pynvml.nvmlInit()  # type: ignore[no-untyped-call]  # pynvml has no types
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()  # type: ignore[no-untyped-call]  # as above
    except pynvml.NVMLError:
        return None
