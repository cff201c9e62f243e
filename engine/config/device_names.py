"""The devices that a run asks for, as people write them: one by `device`, several by `devices`.

`devices` is a number, or GPUs by name: `cuda:0,1` and `cuda:0,cuda:1` mean the same. What is kept is the longer form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.spelling import hint

__all__ = ["ALLOWED", "MOST", "device_name", "devices_text", "gpu_names", "rank_count", "wanted"]

MOST = 64
"""The most processes that one run may have."""

ALLOWED = "a number of devices, as in 2, or GPUs by name, as in cuda:0,1"

_LIST = re.compile(r"cuda:\d+(?:,(?:cuda:)?\d+)*", re.ASCII)


def device_name(value: str) -> str:
    """Return the name of one device as it is kept.

    Raises:
        ValueError: It names none; the message says what is allowed.
    """
    name = value.strip().lower()
    if name.startswith("cuda:") and not name.removeprefix("cuda:").isdecimal():
        raise ValueError("must be auto, cpu, cuda, or cuda:N with the number of a GPU")
    if name not in ("auto", "cpu", "cuda") and not name.startswith("cuda:"):
        meant = "; did you mean cuda?" if "gpu" in name else hint(name, ["auto", "cpu", "cuda"])
        raise ValueError(f"must be auto, cpu, cuda, or cuda:N with the number of a GPU{meant}")
    return name


def devices_text(value: object) -> object:
    """Return a number of devices, or a list of GPUs, as it is kept.

    Raises:
        ValueError: It is neither, or names a GPU twice.

    >>> devices_text(2), devices_text(" CUDA:0, 1 "), devices_text("cuda:2,cuda:0")
    ('2', 'cuda:0,cuda:1', 'cuda:2,cuda:0')
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value  # the type of the field says what is wrong
    text = "".join(str(value).split()).lower()
    if text.isdecimal() and text.isascii():
        if not 1 <= int(text) <= MOST:
            raise ValueError(f"must be from 1 to {MOST}, or GPUs by name, as in cuda:0,1")
        return str(int(text))
    if not _LIST.fullmatch(text):
        raise ValueError(f"must be {ALLOWED}")
    names = [f"cuda:{int(part.removeprefix('cuda:'))}" for part in text.split(",")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"names {twice} twice; every process needs a GPU of its own")
    return ",".join(names)


def gpu_names(devices: str) -> tuple[str, ...]:
    """Return the GPUs that `devices` names; nothing where it is a number.

    >>> gpu_names("cuda:0,cuda:1"), gpu_names("2")
    (('cuda:0', 'cuda:1'), ())
    """
    return tuple(devices.split(",")) if devices.startswith("cuda") else ()


def rank_count(devices: str) -> int:
    """Return how many processes train together.

    >>> rank_count("3"), rank_count("cuda:0,cuda:1")
    (3, 2)
    """
    return len(gpu_names(devices)) or int(devices)


def wanted(settings: Mapping[str, Any]) -> str:
    """Return which devices a run asks for, in a few words.

    Args:
        settings: The run's; of an earlier version they may have no `devices`.

    >>> wanted({"device": "cuda", "devices": "2"}), wanted({"device": "auto", "devices": "cuda:0,cuda:1"}), wanted({})
    ('2 × cuda', 'cuda:0,cuda:1', 'auto')
    """
    device, devices = str(settings.get("device") or "auto"), str(settings.get("devices") or "1")
    if gpu_names(devices):
        return devices
    return device if devices == "1" else f"{devices} × {device}"
