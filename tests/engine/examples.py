"""How many examples the properties are held to: some by default, many more where a night is given to them."""

from __future__ import annotations

import os

__all__ = ["examples"]


def examples(number: int) -> int:
    """Return `number`, times what ITOP_TEST_EXAMPLES says: 20 for a night."""
    return number * int(os.environ.get("ITOP_TEST_EXAMPLES", "1"))
