"""What the app tells a person, as it is kept for the list of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["information", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that the app has told.

    Attributes:
        at: When, in unix seconds.
        severity: How bad it is.
        text: What it was; data, not markup.
    """

    at: float
    severity: Severity
    text: str
