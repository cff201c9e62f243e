"""`RunConfig`: the one schema behind the flags, the form, the database and the trainer.

The settings are declared in `engine.config.run_settings`. The command line turns them into flags, the form into inputs
(both through `engine.config.field_info`), the database keeps `RunConfig.as_dict`, and the trainer reads the attributes.
The module is torch-free, so that all of them may import it.

Wrong settings raise one `ConfigError` that lists every problem, each naming the field, the value and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import ValidationError, model_validator

from engine.config import device_names, rules
from engine.config.catalogue import DATASETS, MODELS, steps_per_epoch, validation_size
from engine.config.references import reference_problem
from engine.config.run_settings import RunSettings
from engine.config.setting import ConfigError, Problem, problems_of

__all__ = ["ConfigError", "Problem", "RunConfig"]


class RunConfig(RunSettings):
    """All settings of one run, validated and immutable.

    Build one with `RunConfig.create`, which raises `ConfigError` with readable problems.
    """

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        # Pydantic has no place for the field of a whole-model check: `problems_of` reads field and message back.
        wrong = [f"{field}\x00{message}" for field, message in self._disagreements()]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def _disagreements(self) -> Iterable[tuple[str, str]]:
        """Yields (field, message) for settings that are fine alone and wrong together."""
        if self.fix and not self.sparse:
            yield "fix", "keeps a mask, so it needs a sparse run: turn sparse on too"
        if self.fix and self.sparse_init == "GMP":
            yield (
                "fix",
                "keeps the first mask, but sparse_init GMP starts dense and prunes: choose one of them",
            )
        if self.sparse and self.sparse_init == "GMP":
            if self.redistribution != "none":
                yield "redistribution", "must be none with sparse_init GMP, which regrows nothing that could be moved"
            if self.death == "threshold":
                yield "death", "cannot be threshold with sparse_init GMP: both would state how many weights die"
            if self.layer_densities:
                yield "layer_densities", "must be empty with sparse_init GMP, which starts every layer dense"
        if self.sparse and self.sparse_init == "resume":
            if self.weights is None:
                yield "sparse_init", "resume takes the mask from given weights: name their file in weights"
            if self.dense_first_layer:
                yield "dense_first_layer", "must be off with sparse_init resume, which takes each layer's mask as it is"
            if self.layer_densities:
                yield "layer_densities", "must be empty with sparse_init resume, which takes each layer's mask as it is"
        if self.compile and self.sparse and self.execution != "masked":
            yield "execution", "must be masked with compile, which cannot follow the kernels of sparse layers"
        if self.warmup_epochs >= self.total_epochs > 0 and self.warmup_epochs:
            yield "warmup_epochs", f"must be fewer than the {self.total_epochs} epochs of the whole run"
        if self.start_epoch > self.total_epochs:
            yield "start_epoch", f"must be one of the {self.total_epochs} epochs of the whole run"
        yield from self._devices_disagree()
        if self.model in MODELS and self.data in DATASETS:
            reason = MODELS[self.model].fits(DATASETS[self.data])
            if reason is not None:
                yield "model", reason

    def _devices_disagree(self) -> Iterable[tuple[str, str]]:
        if self.gpu_names and self.device not in ("auto", "cuda"):
            yield "devices", f"names GPUs, and device is {self.device}: leave device at auto"
        elif self.ranks > 1 and not self.gpu_names and self.device.startswith("cuda:"):
            yield "devices", f"asks for {self.ranks} devices, and device is the one GPU {self.device}: name all of them"
        if self.ranks > 1 and self.sparse and self.execution != "masked":
            yield "execution", "must be masked with several devices, which add up the gradients of dense tensors"
        if self.reduce_active and self.sparse:
            reads = [rule for rule in self._reading_rules() if "momentum" in rule[1].needs]
            if reads:
                (name, _), value = reads[0], getattr(self, reads[0][0])
                yield (
                    "reduce_active",
                    f"must be off with {name} {value}, which ranks inactive weights by the gradients of every step",
                )

    def _reading_rules(self) -> Iterable[tuple[str, rules.RuleInfo]]:
        """Yields the rules that the run's mask updates follow, each with its field."""
        if self.fix or self.sparse_init == "GMP":
            return
        yield "growth", rules.GROWTH[self.growth]
        yield "death", rules.DEATH[self.death]
        yield "redistribution", rules.REDISTRIBUTION[self.redistribution]

    # ------------------------------------------------------------------ building and showing
    @classmethod
    def create(cls, settings: Mapping[str, Any] | None = None, /, **more: Any) -> RunConfig:
        """Validates settings given by field name.

        Args:
            settings: Field names and values; what is absent takes its default.
            **more: The same, as keywords; these win.

        Raises:
            ConfigError: With every problem found, each naming field, value, what is allowed and the nearest spelling.
        """
        given = {**(settings or {}), **more}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigError(problems_of(error, cls, given)) from None

    def with_changes(self, **changes: Any) -> RunConfig:
        """Returns a validated copy with some settings changed; raises like `create`."""
        return RunConfig.create(self.as_dict(), **changes)

    def as_dict(self) -> dict[str, Any]:
        """Returns all settings as plain JSON values, in the order of declaration."""
        return self.model_dump(mode="json")

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Returns the default of every setting, as `as_dict` would."""
        return cls().as_dict()

    def changes(self, other: RunConfig) -> dict[str, tuple[Any, Any]]:
        """Returns field → (mine, theirs) for every setting in which two configurations differ."""
        mine, theirs = self.as_dict(), other.as_dict()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}

    def code_problems(self) -> list[Problem]:
        """Returns what is wrong with the user's code that the run names, as far as it is known without running it."""
        named = {"model": self.model, "data": self.data}
        found = ((field, value, reference_problem(value)) for field, value in named.items())
        return [Problem(field, value, problem) for field, value, problem in found if problem is not None]

    @property
    def method(self) -> str:
        """The method's name in the field: dense, static, SET-ITOP, RigL-ITOP, SNFS, GMP, or growth+death."""
        if not self.sparse:
            return "dense"
        if self.sparse_init == "GMP":
            return "GMP"
        if self.fix:
            return "static"
        chosen = (self.growth, self.death, self.redistribution)
        if chosen in (("random", "magnitude", "none"), ("random", "SET", "none")):
            return "SET-ITOP"
        if chosen == ("gradient", "magnitude", "none"):
            return "RigL-ITOP"
        if chosen == ("momentum", "magnitude", "momentum"):
            return "SNFS"
        return "+".join(chosen[:2] if self.redistribution == "none" else chosen)

    @property
    def gpu_names(self) -> tuple[str, ...]:
        """The GPUs that `devices` names; empty where it is a number."""
        return device_names.gpu_names(self.devices)

    @property
    def ranks(self) -> int:
        """How many processes train the run together, one on each device."""
        return device_names.rank_count(self.devices)

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole run: epochs × multiplier."""
        return self.epochs * self.multiplier

    def steps_in_epoch(self, train_size: int) -> int:
        """Returns the optimizer steps of one epoch over ``train_size`` images (the last, partial one counts)."""
        return math.ceil(steps_per_epoch(train_size, self.batch_size) / self.accumulate)

    def planned_steps(self) -> int | None:
        """Returns the steps of the whole run, or None where the data set's size is not known beforehand."""
        if self.data not in DATASETS:
            return None
        size = DATASETS[self.data].train_size
        steps = self.total_epochs * self.steps_in_epoch(size - validation_size(size, self.valid_split))
        return steps if self.max_steps is None else min(steps, self.max_steps)
