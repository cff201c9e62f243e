"""The settings of a run: each is declared once, here.

A declaration holds the default, the range, the meaning in the terms of the papers, the section of the form, the
spellings the original ``main.py`` gave the flag, the short label for lists, whether the setting belongs to the recipe
and whether a resume may change it (see `engine.config.setting`). Flags, form, columns, queries and help are made from
these. `engine.config.run_config` adds what a configuration can do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from engine.config import device_names, durations, layer_names, rules
from engine.config.catalogue import canonical_dataset, canonical_model
from engine.config.setting import Section, known, setting, spelled_like

__all__ = ["RunSettings"]

if TYPE_CHECKING:
    SparseInit: TypeAlias = str
    Growth: TypeAlias = str
    Death: TypeAlias = str
    Redistribution: TypeAlias = str
    DecaySchedule: TypeAlias = str
else:  # a type checker wants the choices written out; these are those that engine.sparsity declares
    SparseInit = Literal[rules.choices(rules.DISTRIBUTIONS)]
    Growth = Literal[rules.choices(rules.GROWTH)]
    Death = Literal[rules.choices(rules.DEATH)]
    Redistribution = Literal[rules.choices(rules.REDISTRIBUTION)]
    DecaySchedule = Literal[rules.choices(rules.SCHEDULES)]
Optimizer = Literal["sgd", "adam", "adamw", "rmsprop"]
Precision = Literal["fp32", "bf16", "fp16"]
Execution = Literal["masked", "sparse", "auto"]


def _time_limit(value: object) -> object:
    return None if value is None else durations.parse(value)


class RunSettings(BaseModel):
    """All settings of one run, validated and immutable.

    The defaults are the published ones of In-Time Over-Parameterization (Liu et al., ICML 2021, arXiv:2102.02887).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    # ------------------------------------------------------------------ model and data
    model: Annotated[str, known(canonical_model)] = setting(
        "lenet300-100",
        Section.MODEL,
        "The network, by its name in the field, or package.module:function or path/to/file.py:function for a custom "
        "model: the function is called with classes, channels, height and width and returns a torch Module.",
    )
    data: Annotated[str, known(canonical_dataset)] = setting(
        "mnist",
        Section.MODEL,
        "The data set, or package.module:function or path/to/file.py:function for a custom data set. digits is bundled "
        "and needs no download.",
    )
    valid_split: float = setting(
        0.1,
        Section.MODEL,
        "Share of the training images held out for validation, which chooses the best checkpoint. The test set is "
        "used once, at the end. 0: train on all images; the last weights count as the best.",
        short="the share of training images held out",
        unit="share",
        ge=0,
        lt=1,
    )
    augment: bool = setting(
        True,
        Section.MODEL,
        "Use the data set's published augmentation on training images (CIFAR: pad 4, random crop, horizontal flip).",
        short="the training images are augmented",
    )
    data_dir: str | None = setting(
        None,
        Section.MODEL,
        "Folder in which data sets are searched for and downloaded to. Empty: ITOP_DATA_DIR, else itop's data folder.",
        short="the folder of the data sets",
        in_recipe=False,
        resumable=True,
    )

    # ------------------------------------------------------------------ sparsity
    sparse: bool = setting(
        False, Section.SPARSITY, "Train with masked weights. Off: a dense run, the baseline.", short="has masks"
    )
    fix: bool = setting(
        False,
        Section.SPARSITY,
        "Keep the first mask for the whole run (static sparse training): no weight dies or grows.",
        short="the first mask is kept (static)",
    )
    density: float = setting(
        0.33,
        Section.SPARSITY,
        "Share of all maskable weights that is active, over the whole network; exact to the weight. "
        "0.05 is 95 % sparsity.",
        unit="share",
        gt=0,
        le=1,
    )
    sparse_init: Annotated[SparseInit, spelled_like(SparseInit)] = setting(
        "ERK",
        Section.SPARSITY,
        f"How the density is distributed over the layers: {rules.listed(rules.DISTRIBUTIONS)}.",
        short="how the density is distributed over the layers: ER, ERK, uniform, GMP, …",
    )
    dense_first_layer: bool = setting(
        False,
        Section.SPARSITY,
        "Keep the first layer dense, as RigL's uniform distribution does; the other layers are sparser instead.",
        short="the first layer is dense",
    )
    fill_empty_layers: bool = setting(
        False,
        Section.SPARSITY,
        "For sparse_init lottery_ticket: keep the largest weight of every layer. Otherwise a start that leaves a layer "
        "without an active weight is refused.",
        short="no layer starts without an active weight",
    )
    include: Annotated[str | None, BeforeValidator(layer_names.names_text)] = setting(
        None,
        Section.SPARSITY,
        "Layers to mask beside those that are masked by default (linear, convolution, attention, recurrent), such as "
        "embeddings: names of parameters or modules of the model, with commas between; * and ? are wildcards.",
        short="what is masked beside the usual layers",
        allowed=layer_names.NAMES,
    )
    exclude: Annotated[str | None, BeforeValidator(layer_names.names_text)] = setting(
        None,
        Section.SPARSITY,
        "Layers to leave dense, which the density then does not count: names of parameters or modules of the model, "
        "with commas between; * and ? are wildcards.",
        short="what is left dense",
        allowed=layer_names.NAMES,
    )
    layer_densities: Annotated[str | None, BeforeValidator(layer_names.densities_text)] = setting(
        None,
        Section.SPARSITY,
        "Densities of single layers, as in fc1=0.1,fc2=0.5; the other layers make up for them, so that the density of "
        "the whole stays.",
        short="the densities of single layers",
        allowed=layer_names.DENSITIES,
    )
    growth: Annotated[Growth, spelled_like(Growth)] = setting(
        "random",
        Section.SPARSITY,
        f"Which inactive weights grow: {rules.listed(rules.GROWTH)}.",
        short="which inactive weights grow: random, gradient, momentum, …",
    )
    death: Annotated[Death, spelled_like(Death)] = setting(
        "magnitude",
        Section.SPARSITY,
        f"Which active weights die: {rules.listed(rules.DEATH)}.",
        short="which active weights die: magnitude, SET, threshold, …",
    )
    redistribution: Annotated[Redistribution, spelled_like(Redistribution)] = setting(
        "none",
        Section.SPARSITY,
        f"How growth is shared among the layers: {rules.listed(rules.REDISTRIBUTION)}.",
        short="how growth is shared among the layers: none, magnitude, …",
    )
    death_rate: float = setting(
        0.5,
        Section.SPARSITY,
        "Death rate (ζ): share of a layer's active weights that dies at a mask update, at the start of the schedule.",
        label="death rate (ζ)",
        short="death rate (ζ) at the start: the share of weights that dies at an update",
        unit="share",
        ge=0,
        le=1,
    )
    decay_schedule: Annotated[DecaySchedule, spelled_like(DecaySchedule)] = setting(
        "cosine",
        Section.SPARSITY,
        f"How the death rate falls over the run: {rules.listed(rules.SCHEDULES)}.",
        short=f"how the death rate falls: {', '.join(rules.SCHEDULES)}",
    )
    update_frequency: int = setting(
        100,
        Section.SPARSITY,
        "ΔT: training steps between two mask updates. A larger ΔT lets new weights grow before they can die again "
        "(published: 1500 for SET-ITOP, 4000 for RigL-ITOP on CIFAR).",
        short="ΔT: steps between two mask updates",
        ge=1,
    )
    last_update: int | None = setting(
        None,
        Section.SPARSITY,
        "Step after which the mask is no longer updated (for GMP: the step at which the target density is reached). "
        "Empty: updates until the end.",
        short="the step after which the mask stays",
        ge=1,
    )
    threshold: float = setting(
        0.001,
        Section.SPARSITY,
        "For threshold death: active weights with |w| below this value die.",
        short="active weights smaller than this die",
        ge=0,
    )

    # ------------------------------------------------------------------ optimisation
    optimizer: Annotated[Optimizer, spelled_like(Optimizer)] = setting(
        "sgd",
        Section.OPTIMISATION,
        "The optimizer: sgd, adam, adamw or rmsprop.",
        short="sgd, adam, adamw or rmsprop",
    )
    lr: float = setting(
        0.1,
        Section.OPTIMISATION,
        "Learning rate at the start (after warm-up).",
        short="the learning rate at the start",
        gt=0,
    )
    momentum: float = setting(
        0.9,
        Section.OPTIMISATION,
        "Momentum of sgd and rmsprop.",
        short="the momentum of the optimizer",
        ge=0,
        lt=1,
    )
    nesterov: bool = setting(
        True,
        Section.OPTIMISATION,
        "Nesterov momentum for sgd. It has no effect without momentum.",
        short="Nesterov momentum",
    )
    l2: float = setting(
        5e-4,
        Section.OPTIMISATION,
        "Weight decay (decoupled for adamw).",
        short="the weight decay",
        flags=("--weight-decay",),
        ge=0,
    )
    l1: float = setting(0.0, Section.OPTIMISATION, "L1 penalty on the maskable weights.", short="the L1 penalty", ge=0)
    batch_size: int = setting(
        100,
        Section.OPTIMISATION,
        "Images per batch, of all devices together; the gradient is their mean.",
        short="images per batch",
        ge=1,
    )
    test_batch_size: int = setting(
        100,
        Section.OPTIMISATION,
        "Images per batch in validation and test; changes no result.",
        short="images per batch in validation and test",
        in_recipe=False,
        resumable=True,
        ge=1,
    )
    accumulate: int = setting(
        1,
        Section.OPTIMISATION,
        "Batches whose gradients are averaged into one optimizer step.",
        short="batches per step",
        ge=1,
    )
    epochs: int = setting(
        250,
        Section.OPTIMISATION,
        "Passes over the training data, before the multiplier.",
        short="passes over the training data, before the multiplier",
        resumable=True,
        ge=1,
    )
    multiplier: int = setting(
        1,
        Section.OPTIMISATION,
        "Extended training of ITOP: epochs and learning-rate milestones are multiplied by this (published: 5).",
        short="extended training: the factor on epochs and milestones",
        resumable=True,
        ge=1,
    )
    lr_drop_every: int | None = setting(
        None,
        Section.OPTIMISATION,
        "Steps between two drops of the learning rate (step decay). Empty: drops at 1/2 and 3/4 of the run.",
        short="steps between two drops of the learning rate",
        ge=1,
    )
    decay_frequency: int | None = setting(
        None,
        Section.OPTIMISATION,
        "Accepted for the published commands, without effect: the published code never reads it.",
        short="a flag of the published commands, without effect",
        in_recipe=False,
        ge=1,
    )
    lr_decay: float = setting(
        0.1,
        Section.OPTIMISATION,
        "Factor on the learning rate at each drop.",
        short="the factor of each drop of the learning rate",
        gt=0,
        le=1,
    )
    warmup_epochs: int = setting(
        0,
        Section.OPTIMISATION,
        "Epochs over which the learning rate rises linearly to its start value.",
        short="epochs in which the learning rate rises",
        ge=0,
    )
    label_smoothing: float = setting(
        0.0,
        Section.OPTIMISATION,
        "Share of the target distributed over all classes (ImageNet: 0.1).",
        short="the share of the target distributed over all classes",
        unit="share",
        ge=0,
        lt=1,
    )
    clip_norm: float | None = setting(
        None,
        Section.OPTIMISATION,
        "Largest norm of the whole gradient. Empty: no clipping.",
        short="the largest norm of the gradient",
        gt=0,
    )

    # ------------------------------------------------------------------ run
    seed: int = setting(
        17,
        Section.RUN,
        "Seed of Python, NumPy, torch, masks, data order and augmentation.",
        in_recipe=False,
        ge=0,
        le=2**32 - 1,
    )
    device: Annotated[str, AfterValidator(device_names.device_name)] = setting(
        "auto",
        Section.RUN,
        "auto (a free GPU, else the CPU), cpu, cuda, or cuda:N.",
        in_recipe=False,
        resumable=True,
    )
    devices: Annotated[str, BeforeValidator(device_names.devices_text)] = setting(
        "1",
        Section.RUN,
        "How many devices train the run together, each a part of every batch: a number, or GPUs by name as in "
        "cuda:0,1. On the CPU: how many processes. batch_size stays that of the whole run.",
        short="the devices that train it together",
        in_recipe=False,
        resumable=True,
        allowed=device_names.ALLOWED,
    )
    sync_batchnorm: bool = setting(
        False,
        Section.RUN,
        "On several GPUs, normalise by the figures of the whole batch (SyncBatchNorm). Off: by those of each GPU's "
        "part of it.",
        label="SyncBatchNorm",
        short="batch norm sees the batch of all devices",
    )
    reduce_active: bool = setting(
        False,
        Section.RUN,
        "On several devices, exchange only the gradients of active weights; where a mask update reads gradients, that "
        "step exchanges all of them.",
        short="devices exchange active gradients only",
        in_recipe=False,
        resumable=True,
    )
    precision: Annotated[Precision, spelled_like(Precision)] = setting(
        "fp32",
        Section.RUN,
        "Arithmetic of forward and backward: fp32, or bf16 or fp16 by torch.amp.",
        short="fp32, bf16 or fp16",
    )
    channels_last: bool = setting(
        False,
        Section.RUN,
        "Keep images and convolutions in channels-last layout.",
        short="images in channels-last layout",
    )
    compile: bool = setting(
        False, Section.RUN, "Compile the model with torch.compile.", short="compiled by torch.compile"
    )
    deterministic: bool = setting(
        False,
        Section.RUN,
        "Use only deterministic kernels on the GPU; slower. Runs on the CPU are always deterministic.",
        short="only deterministic kernels",
    )
    execution: Annotated[Execution, spelled_like(Execution)] = setting(
        "masked",
        Section.RUN,
        "How masked layers are computed: masked, with their zeros; sparse, linear layers on the CPU by their active "
        "weights alone; auto, each in the way that is measured to be faster at the start. Masks move in the same way.",
        short="masked, sparse or auto",
        in_recipe=False,
        resumable=True,
    )
    loader_workers: int = setting(
        4,
        Section.RUN,
        "Worker processes that read images for data sets too large to hold in memory.",
        short="processes that read images",
        in_recipe=False,
        resumable=True,
        flags=("--max-threads",),
        ge=0,
    )
    max_steps: int | None = setting(
        None,
        Section.RUN,
        "End the run after this many steps; the schedules keep the full length.",
        short="the step at which it ends early",
        resumable=True,
        ge=1,
    )
    checkpoint_every: int = setting(
        0,
        Section.RUN,
        "Epochs between checkpoints that are kept; 0 keeps only the last and the best.",
        short="epochs between checkpoints that are kept",
        in_recipe=False,
        resumable=True,
        ge=0,
    )
    keep_last: int = setting(
        2,
        Section.RUN,
        "How many of the checkpoints written after each epoch are kept, the newest ones. With more than one, a run "
        "whose last file was damaged resumes from the one before.",
        short="how many of the last checkpoints are kept",
        in_recipe=False,
        resumable=True,
        ge=1,
    )
    keep_best: int = setting(
        1,
        Section.RUN,
        "How many of the checkpoints with the best validation accuracy so far are kept, the newest; 0 writes none.",
        short="how many of the best checkpoints are kept",
        in_recipe=False,
        resumable=True,
        ge=0,
    )
    mask_history_limit: int = setting(
        64,
        Section.RUN,
        "How many megabytes the history of the masks may have, from which the masks after every update are shown. Once "
        "they are used up, later updates are not kept. 0 keeps no history.",
        short="the megabytes for the history of the masks",
        in_recipe=False,
        resumable=True,
        ge=0,
    )
    stop_on_nonfinite: bool = setting(
        True,
        Section.RUN,
        "End the run as failed when its loss becomes NaN or infinite.",
        label="stop on NaN/inf",
        short="ends when its loss is NaN or infinite",
        in_recipe=False,
        resumable=True,
    )
    weights: str | None = setting(
        None,
        Section.RUN,
        "File with weights to start from: a checkpoint of itop, a state_dict, alone or under one of the usual keys of "
        "other programs, or safetensors.",
        short="the file of weights it started from",
        flags=("--resume",),
    )
    save: str | None = setting(
        None,
        Section.RUN,
        "Also write the best weights to this file at the end.",
        short="the file its best weights are written to",
        in_recipe=False,
        resumable=True,
    )
    time_limit: Annotated[float | None, BeforeValidator(_time_limit)] = setting(
        None,
        Section.RUN,
        "Time after which the run is stopped, with a checkpoint to resume from: 90m, 12h, 2d, 1h30m, or seconds. It "
        "counts from each start or resume. Empty: no limit.",
        short="the time after which it is stopped",
        unit="seconds",
        in_recipe=False,
        resumable=True,
        allowed=f"{durations.ALLOWED}; or empty",
    )
    start_epoch: int = setting(
        1,
        Section.RUN,
        "Epoch to start from; the schedules start where they would be at that epoch.",
        short="the epoch it started from",
        ge=1,
    )
    log_interval: int = setting(
        100,
        Section.RUN,
        "Steps between two lines in the console log.",
        short="steps between two lines of the log",
        in_recipe=False,
        resumable=True,
        ge=1,
    )
