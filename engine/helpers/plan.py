"""What a run would be, before it is: layers, parameters, FLOPs, steps, mask updates, the R_s to expect.

The model is built on torch's meta device, where tensors have shapes and no values, so that a plan of the largest
network takes milliseconds and no data set is loaded; only where the masks follow from weights (``lottery_ticket``,
``resume``) are real ones made, as the worker makes them.

    python -m engine.helpers.plan < config.json > plan.json
    python -m engine.helpers.plan --serve       one configuration a line in, one plan (or {"error": …}) a line out;
                                                {"weights_of": configuration} asks only whether its weights fit
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, TextIO

from torch import nn

from engine.config.catalogue import DATASETS, DatasetInfo, validation_size
from engine.config.run_config import ConfigError, RunConfig
from engine.config.user_imports import forget_changed
from engine.data import DataError, load_dataset
from engine.models import ModelError
from engine.sparsity import LayerPlan, SparsityConfig, expected_itop_rate, flops, plan_layers, update_steps
from engine.sparsity.coverage import Coverage, coverage_of
from engine.sparsity.layers import choose
from engine.sparsity.schedules import gmp_density
from engine.training import setup
from engine.training.optim import build_optimizer
from engine.training.setup import SetupError

__all__ = ["Plan", "main", "make_plan"]

_FROM_WEIGHTS = ("lottery_ticket", "resume")


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before training.

    Attributes:
        layers: The maskable layers, with their active weights in the first mask (of GMP: in the last).
        parameters: Trainable numbers of the model.
        maskable: Those that can be sparse.
        nonzeros: Maskable ones that will be active (of GMP: at the end).
        dense_forward_flops: One forward pass of one sample with all weights; a multiply and an add count as two.
        forward_flops: The same with the active weights.
        activation_flops: The part of both in which no weight is a factor (attention's QKᵀ), so that no mask reduces it.
        dense_training_flops: The whole training, forward and backward, with all weights.
        training_flops: The same as this run will do it.
        steps: Optimizer steps the run will take.
        mask_updates: Prune-and-grow updates among them.
        expected_itop_rate: R_s to expect at the end; None where nothing but training can tell.
        coverage: The matrices that stay dense, and the density over all matrix weights.
    """

    layers: tuple[LayerPlan, ...]
    parameters: int
    maskable: int
    nonzeros: int
    dense_forward_flops: float
    forward_flops: float
    activation_flops: float
    dense_training_flops: float
    training_flops: float
    steps: int
    mask_updates: int
    expected_itop_rate: float | None
    coverage: Coverage

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values = asdict(self)
        values["layers"] = [
            {"name": one.name, "shape": list(one.shape), "density": one.density, "nonzeros": one.nonzeros}
            for one in self.layers
        ]
        values["coverage"] = self.coverage.as_dict()
        return values


def make_plan(config: RunConfig, from_step: int = 0) -> Plan:
    """Plan one run.

    Args:
        config: Its settings.
        from_step: The step of the checkpoint that it continues from. The plan is of what remains after it: steps, mask
            updates and training FLOPs. R_s cannot be expected then, as what was explored before is in the checkpoint.

    Raises:
        SetupError: The settings cannot be combined, or ``weights`` cannot be read.
        ModelError: The model does not build, or does not fit the data.
        DataError: A custom data set cannot be loaded to learn its shape.
    """
    info, train_size = _data(config)
    sparsity = setup.sparsity_config(config) if config.sparse else SparsityConfig(density=1.0, fixed=True)
    model = _model(config, info)
    total_steps = config.total_epochs * config.steps_in_epoch(train_size)
    layers = _layers(config, model, sparsity, total_steps)
    maskable, nonzeros = sum(one.size for one in layers), sum(one.nonzeros for one in layers)
    report = flops.count(model, info.shape, {one.name: one.density for one in layers})

    first = max((config.start_epoch - 1) * config.steps_in_epoch(train_size), from_step)
    last = total_steps if config.max_steps is None else min(total_steps, config.max_steps)
    first = min(first, last)
    updates = [step for step in update_steps(sparsity, total_steps) if first < step <= last]
    samples = _samples(config, train_size, last) - _samples(config, train_size, first)
    method = flops.method_of(sparsity) if config.sparse else "dense"
    forward = report.forward
    if method == "GMP":
        forward = _mean_gmp_forward(
            config.density,
            report,
            update_steps(sparsity, total_steps),
            range(first, last),
            lambda step: _samples(config, train_size, step),
        )
    per_sample = flops.training_flops(method, report.dense_forward, forward, sparsity.update_frequency)
    # Updates that max_steps cuts off explore nothing; the schedule of those before keeps its length.
    ended = sparsity if last == total_steps else replace(sparsity, last_update=updates[-1] if updates else 0)
    return Plan(
        layers=tuple(layers),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        maskable=maskable,
        nonzeros=nonzeros,
        dense_forward_flops=float(report.dense_forward),
        forward_flops=float(report.forward),
        activation_flops=float(report.without_parameter),
        dense_training_flops=3.0 * report.dense_forward * samples,
        training_flops=per_sample * samples,
        steps=max(last - first, 0),
        mask_updates=len(updates),
        expected_itop_rate=None if from_step else expected_itop_rate(layers, ended, total_steps),
        coverage=coverage_of(((one.shape, one.nonzeros) for one in layers), choose(model, sparsity).dense),
    )


def _data(config: RunConfig) -> tuple[DatasetInfo, int]:
    """The shape of the data, and the images that will be trained on."""
    info = DATASETS.get(config.data)
    if info is None:  # a custom data set: only loading it shows its size
        bundle = load_dataset(config.data, valid_split=config.valid_split, seed=config.seed, data_dir=config.data_dir)
        return bundle.info, len(bundle.train)
    return info, info.train_size - validation_size(info.train_size, config.valid_split)


def _model(config: RunConfig, info: DatasetInfo) -> nn.Module:
    if config.sparse and config.sparse_init in _FROM_WEIGHTS:
        return setup.make_model(config, info)
    model = setup.sketch_model(config, info)
    if (problem := setup.weights_problem(config, model)) is not None:
        raise SetupError(problem)
    return model


def _layers(config: RunConfig, model: nn.Module, sparsity: SparsityConfig, total_steps: int) -> list[LayerPlan]:
    """The layers as the worker's masking would make them."""
    if config.sparse and config.sparse_init in _FROM_WEIGHTS:
        optimizer = build_optimizer(model, config)
        masking = setup.make_masking(config, model, optimizer, total_steps=total_steps)
        assert masking is not None
        return [LayerPlan(one.layer, one.shape, one.size, one.nonzeros) for one in masking.layer_stats()]
    if sparsity.distribution == "gmp":
        if not update_steps(sparsity, total_steps):
            raise SetupError(
                f"update_frequency = {config.update_frequency}: GMP prunes at updates, "
                f"and the run's {total_steps} steps leave none"
            )
        # It prunes every layer alike, so that it ends where a uniform distribution begins.
        sparsity = replace(sparsity, distribution="uniform")
    try:
        return plan_layers(model, sparsity)
    except ValueError as error:
        raise SetupError(str(error)) from None


def _samples(config: RunConfig, train_size: int, step: int) -> int:
    """Training samples that the first steps of a run see."""
    epochs, rest = divmod(step, config.steps_in_epoch(train_size))
    return epochs * train_size + min(rest * config.batch_size * config.accumulate, train_size)


def _mean_gmp_forward(
    final: float, report: flops.FlopsReport, updates: range, steps: range, samples: Callable[[int], int]
) -> float:
    """Mean over GMP's samples of the forward FLOPs, which follow the density in a straight line.

    Args:
        final: The density it ends with, where ``report`` is of.
        report: One forward pass at that density.
        updates: The steps after which it prunes.
        steps: The steps that are trained: the first of them minus one, to the last.
        samples: Step → samples seen up to it.
    """
    if final == 1 or not steps:
        return float(report.forward)
    excess = 0.0
    for begin, end in pairwise((0, *updates, max(steps.stop, updates[-1]))):
        spent = samples(max(min(end, steps.stop), steps.start)) - samples(max(min(begin, steps.stop), steps.start))
        density = 1.0 if begin == 0 else gmp_density(final, begin, updates[-1])
        excess += spent * (density - final) / (1 - final)
    mean = excess / (samples(steps.stop) - samples(steps.start))
    return report.forward + (report.dense_forward - report.forward) * mean


def answer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plan of some settings, or ``{"error": message}``; ``from_step`` among them is that of `make_plan`."""
    forget_changed()  # a custom model that was edited since the last question is built as it is now
    try:
        from_step = int(settings.get("from_step", 0))
        own = {name: value for name, value in settings.items() if name != "from_step"}
        return make_plan(RunConfig.create(own), from_step).as_dict()
    except (ConfigError, SetupError, ModelError, DataError) as error:
        return {"error": str(error)}
    except Exception as error:  # a user's own model or data set can raise anything
        return {"error": f"{type(error).__name__}: {error}".rstrip(": ")}


def _weights_answer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{"problem": message}`` for weights that cannot be used, ``{"problem": null}`` for others."""
    config = RunConfig.create(settings)
    try:
        info, _ = _data(config)
        return {"problem": setup.weights_problem(config, setup.sketch_model(config, info))}
    except (ModelError, DataError) as error:
        return {"problem": str(error)}
    except Exception as error:  # a user's own model or data set can raise anything
        return {"error": f"{type(error).__name__}: {error}".rstrip(": ")}


def _answer_line(line: str) -> dict[str, Any]:
    try:
        settings = json.loads(line)
    except json.JSONDecodeError as error:
        return {"error": f"the configuration is not JSON: {error}"}
    if not isinstance(settings, dict):
        return {"error": "the configuration must be a JSON object of settings"}
    if set(settings) == {"weights_of"}:
        return _weights_answer(settings["weights_of"])
    return answer(settings)


def _serve(questions: TextIO, answers: TextIO) -> None:
    for line in questions:
        if line.strip():
            answers.write(json.dumps(_answer_line(line)) + "\n")
            answers.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one configuration, or many; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.helpers.plan", description="Plan a run without training it."
    )
    parser.add_argument("--serve", action="store_true", help="answer one configuration a line, until the end of input")
    serve = parser.parse_args(arguments).serve
    if arguments is None:
        sys.argv = [""]  # no code of a custom model finds this process's arguments
    # Only answers go to the real standard output: what a user's own model prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        if serve:
            _serve(sys.stdin, answers)
            return 0
        result = _answer_line(sys.stdin.read())
        if "error" in result:
            sys.stderr.write(f"{result['error']}\n")
            return 1
        answers.write(json.dumps(result, indent=2) + "\n")
        return 0


if __name__ == "__main__":
    sys.exit(main())
