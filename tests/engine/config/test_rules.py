"""What is read from the source of `engine.sparsity` is what it registers when it runs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from engine.config import rules
from engine.config.field_info import choices_of, field_help
from engine.config.rules import RuleInfo
from engine.sparsity import DEATH, DISTRIBUTIONS, GROWTH, REDISTRIBUTION, SCHEDULES
from engine.sparsity.registry import Registry


@pytest.mark.parametrize(
    ("registry", "declared", "field"),
    [
        (DISTRIBUTIONS, rules.DISTRIBUTIONS, "sparse_init"),
        (GROWTH, rules.GROWTH, "growth"),
        (DEATH, rules.DEATH, "death"),
        (REDISTRIBUTION, rules.REDISTRIBUTION, "redistribution"),
        (SCHEDULES, rules.SCHEDULES, "decay_schedule"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_choices_of_a_run_are_the_registered_rules(
    registry: Registry[Any],
    declared: dict[str, RuleInfo],
    field: str,
) -> None:
    own = {name: about for name, about in registry.shown.items() if name in declared}  # other tests add theirs
    assert {name: rule.about for name, rule in declared.items()} == own
    assert list(own) == list(declared) == list(choices_of(field))
    for name, rule in declared.items():
        assert registry.needs(name) == set(rule.needs)
        assert name in field_help(field)


def test_nothing_registered_is_missing_among_the_choices() -> None:
    script = (
        "import engine.sparsity as s; from engine.config import rules as r\n"
        "for one in ('DISTRIBUTIONS', 'GROWTH', 'DEATH', 'REDISTRIBUTION', 'SCHEDULES'):\n"
        "    assert list(getattr(s, one).shown) == list(getattr(r, one)), one\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
