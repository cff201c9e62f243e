"""From a configuration to what the trainer is made of: device, seeds, data, model, masks' settings."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.config import device_names, layer_names
from engine.config.catalogue import DatasetInfo
from engine.config.run_config import RunConfig
from engine.config.weights_file import WeightsFileError
from engine.data import DataBundle, load_dataset
from engine.models import ModelError, build_model
from engine.sparsity import Masking, SparsityConfig, guard_norms
from engine.sparsity.kernels import LibraryError
from engine.training.foreign_weights import fitted, read_weights

__all__ = [
    "SetupError",
    "load_data",
    "load_weights",
    "make_masking",
    "make_model",
    "prepare_process",
    "reservable",
    "resolve_device",
    "seed_everything",
    "set_threads",
    "sketch_model",
    "sparsity_config",
    "weights_problem",
]


class SetupError(Exception):
    """A run cannot be set up as configured; the message is one line and names the setting."""


def resolve_device(wanted: str) -> torch.device:
    """Return the device a configuration asks for: ``auto`` takes a visible GPU, else the CPU.

    Raises:
        SetupError: A GPU is requested by name and does not exist.
    """
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise SetupError(f"device = {wanted!r}: torch sees no GPU here; use auto or cpu")
    index = int(wanted.partition(":")[2] or 0)
    if index >= torch.cuda.device_count():
        raise SetupError(f"device = {wanted!r}: torch sees {torch.cuda.device_count()} GPU(s), numbered from 0")
    return torch.device("cuda", index)


def reservable(wanted: str, devices: str) -> tuple[str, ...]:
    """Return the devices, by name, that a run needs which is started by hand: without a scheduler that chooses.

    Args:
        wanted: The setting `device`.
        devices: The setting `devices`.

    Raises:
        SetupError: There are none such.
    """
    if named := device_names.gpu_names(devices):
        return tuple(str(resolve_device(name)) for name in named)
    first, count = resolve_device(wanted), device_names.rank_count(devices)
    if first.type == "cpu" or count == 1:
        return (str(first),)
    return tuple(str(resolve_device(f"cuda:{index}")) for index in range(count))


_LITTLE_WORK = 1e9
"""FLOPs of a batch's forward pass below which one thread is the fastest, measured with the small models."""


def prepare_process(config: RunConfig, device: torch.device) -> None:
    """Set what holds for the whole process: kernels, and every generator's seed."""
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it in this mode
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = device.type == "cuda" and not config.deterministic
    seed_everything(config.seed)


def set_threads(config: RunConfig, device: torch.device, forward_flops: float) -> None:
    """Set how many threads torch computes with on the CPU.

    ``ITOP_THREADS`` or ``OMP_NUM_THREADS`` decide where they are set. Otherwise a batch that is little work is
    computed by one thread: threads that wait for each other at every small product cost more than they give, several
    times more where runs share the processor. The choice depends on the run alone, so that a resumed one repeats it.
    Several ranks on one processor share its threads.

    Args:
        config: The run's settings.
        device: Where it trains.
        forward_flops: Floating-point operations of the dense forward pass of one sample.

    Raises:
        SetupError: ``ITOP_THREADS`` is no number of threads.
    """
    threads = os.environ.get("ITOP_THREADS")
    if threads:
        if not threads.isdecimal() or int(threads) < 1:
            raise SetupError(f"ITOP_THREADS = {threads!r}: must be a whole number, 1 or more")
        torch.set_num_threads(int(threads))
    elif (
        device.type == "cpu"
        and "OMP_NUM_THREADS" not in os.environ
        and forward_flops * config.batch_size / config.ranks < _LITTLE_WORK
    ):
        torch.set_num_threads(1)
    elif device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ and config.ranks > 1:
        torch.set_num_threads(max(1, torch.get_num_threads() // config.ranks))


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators, on all devices."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def load_data(config: RunConfig, device: torch.device) -> DataBundle:
    """Load the configured data set onto a device.

    Raises:
        DataError: It is missing, damaged or unknown.
    """
    bundle = load_dataset(
        config.data,
        valid_split=config.valid_split,
        seed=config.seed,
        data_dir=config.data_dir,
        augment=config.augment,
        workers=config.loader_workers,
    )
    return bundle.to(device)


def make_model(config: RunConfig, data: DatasetInfo, *, load: bool = True) -> nn.Module:
    """Build the configured model for a data set, on the CPU, with new weights or those of a file.

    All generators are seeded first: what was loaded or imported before has no effect on the weights.

    Args:
        config: The run's settings.
        data: The shape of its data set.
        load: Whether to read the file of `weights`; a run that resumes needs none, and it may be gone.

    Raises:
        ModelError: It does not build or does not fit.
        SetupError: ``weights`` cannot be read or does not fit.
    """
    seed_everything(config.seed)
    model = build_model(
        config.model, classes=data.classes, channels=data.channels, height=data.height, width=data.width
    )
    guard_norms(model)  # the weights of a sparse run may have rows of zeros
    if config.weights is not None and load:
        load_weights(model, _read(config.weights), source=config.weights)
    return model


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copy weights into a model, their names fitted to its own.

    Raises:
        SetupError: They do not fit; the message names the first names and shapes that differ.
    """
    renamed, problems = fitted(weights, model.state_dict(keep_vars=True))
    if problems:
        raise SetupError(f"weights = {source!r}: do not fit the model: {'; '.join(problems)}")
    model.load_state_dict({**model.state_dict(), **renamed})


def weights_problem(config: RunConfig, model: nn.Module) -> str | None:
    """Say why the file that a configuration names as `weights` cannot be used; None where it can.

    Args:
        config: The run's settings.
        model: Its model; may be on the meta device.
    """
    if config.weights is None:
        return None
    try:
        _, problems = fitted(_read(config.weights), model.state_dict(keep_vars=True))
    except SetupError as error:
        return str(error)
    return f"weights = {config.weights!r}: do not fit the model: {'; '.join(problems)}" if problems else None


def _read(weights: str) -> dict[str, Tensor]:
    try:
        return read_weights(Path(weights).expanduser())
    except WeightsFileError as error:
        raise SetupError(f"weights = {weights!r}: {error}") from None


def sketch_model(config: RunConfig, data: DatasetInfo) -> nn.Module:
    """Build the configured model on the meta device, where tensors have shapes and no values, if it can be."""
    sizes = {"classes": data.classes, "channels": data.channels, "height": data.height, "width": data.width}
    try:
        with torch.device("meta"):
            return build_model(config.model, **sizes)
    except (ModelError, NotImplementedError, RuntimeError):  # a user's model that looks at its values while it is built
        return build_model(config.model, **sizes)


def sparsity_config(config: RunConfig) -> SparsityConfig:
    """Return the masks' settings of a run.

    Raises:
        SetupError: Settings that contradict each other, the reason in the message.
    """
    try:
        return _sparsity_config(config)
    except ValueError as error:
        raise SetupError(str(error)) from None


def make_masking(
    config: RunConfig,
    model: nn.Module,
    optimizer: Optimizer,
    *,
    total_steps: int,
    left_dense: Iterable[str] = (),
    execution: str = "masked",
) -> Masking | None:
    """Mask the model of a sparse run, on its device; None where the run is dense.

    Args:
        config: The run's settings.
        model: The model.
        optimizer: The optimizer of its weights.
        total_steps: The length of the schedules.
        left_dense: Names of parameters to leave dense beside those that the settings exclude.
        execution: How the layers are computed: masked, sparse or auto.

    Raises:
        SetupError: The masks' settings do not fit the model, the optimizer or the length of the run; or there
            are no kernels as ``ITOP_KERNELS`` asks for.
    """
    if not config.sparse:
        return None
    try:
        return Masking(
            model,
            optimizer,
            _sparsity_config(config, left_dense),
            total_steps=total_steps,
            execution=execution,
            batch_size=config.batch_size,
        )
    except (ValueError, LibraryError) as error:
        raise SetupError(str(error)) from None


def _sparsity_config(config: RunConfig, left_dense: Iterable[str] = ()) -> SparsityConfig:
    return SparsityConfig(
        density=config.density,
        distribution=config.sparse_init,
        growth=config.growth,
        death=config.death,
        redistribution=config.redistribution,
        death_rate=config.death_rate,
        schedule=config.decay_schedule,
        update_frequency=config.update_frequency,
        last_update=config.last_update,
        threshold=config.threshold,
        dense_first_layer=config.dense_first_layer,
        fill_empty_layers=config.fill_empty_layers,
        fixed=config.fix,
        include=layer_names.names(config.include),
        exclude=(*layer_names.names(config.exclude), *left_dense),
        layer_densities=layer_names.densities(config.layer_densities),
        seed=config.seed,
    )
