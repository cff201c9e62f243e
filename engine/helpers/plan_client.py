"""The torch-free client of :mod:`engine.helpers.plan`: what a run would be, asked of a helper process.

The layers of a plan come from the real model, so a plan needs torch; the app and the command line must not. They
ask here: once with :func:`request_plan`, or again and again, as a form is typed into, of a :class:`PlanServer` that
keeps its process (and torch, which takes a second or two to import) alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.config.run_config import RunConfig
from engine.helpers.helper_process import HelperProcess

__all__ = ["PlanError", "PlanServer", "request_plan", "request_weights_problem"]


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


def request_weights_problem(config: RunConfig, *, timeout: float = 120.0) -> str | None:
    """Say why the weights that a run names cannot be used: not read, or not fitting its model; None where they can.

    Args:
        config: The run's settings.
        timeout: Seconds to wait for the answer.

    Raises:
        PlanError: No answer came.
    """
    with PlanServer(timeout=timeout) as server:
        return server.weights_problem(config)


class PlanServer(HelperProcess):
    """A helper process that answers plans until it is closed. Thread safe: questions are answered one at a time.

    Args:
        timeout: Seconds to wait for one answer, the first import of torch included.
    """

    def __init__(self, *, timeout: float = 120.0) -> None:
        super().__init__("engine.helpers.plan", answer="plan", work="planning", failure=PlanError, timeout=timeout)

    def ask(self, config: RunConfig | Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan of a run; blocks until it is there.

        Args:
            config: The run's settings; as a mapping they may have ``from_step``, the step of the checkpoint that it
                continues from, and the plan is of what remains.

        Raises:
            PlanError: The settings are wrong, the model does not build, or no answer came.
        """
        return self._exchange(config.as_dict() if isinstance(config, RunConfig) else dict(config))

    def weights_problem(self, config: RunConfig) -> str | None:
        """Say why the weights that a run names cannot be used; None where they can. Blocks.

        Raises:
            PlanError: No answer came.
        """
        problem = self._exchange({"weights_of": config.as_dict()}).get("problem")
        return None if problem is None else str(problem)
