"""What can be trained on what: the built-in models and data sets as plain facts, without torch.

The configuration, the form, the plan and the command line read names, sizes and fits from here in
milliseconds; `engine.models` and `engine.data` build and load what is named. Tests hold the two sides together:
every count below is compared with the real module, every size with the real files where they are at hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.config.references import FORMS, absolute, is_reference
from engine.spelling import nearest

__all__ = [
    "DATASETS",
    "MODELS",
    "DatasetInfo",
    "ModelInfo",
    "UnknownNameError",
    "canonical_dataset",
    "canonical_model",
    "fit_problem",
    "is_reference",
    "steps_per_epoch",
    "validation_size",
]


class UnknownNameError(LookupError):
    """A model or data set of that name does not exist; the message names the nearest one."""


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """The facts of one data set.

    Attributes:
        name: Canonical name, as in configurations and in the database.
        classes: Number of labels; they are 0 … classes − 1.
        channels: Colour channels of an image.
        height: Rows of an image as the model receives it, in pixels.
        width: Columns of an image as the model receives it, in pixels.
        train_size: Images of the training set, before a validation part is held out of it.
        test_size: Images of the test set (for the ImageNets the labelled validation images, as in the
            literature).
        download: Whether itop fetches it when it is missing and there is a network.
        description: One line for the list to choose from.
    """

    name: str
    classes: int
    channels: int
    height: int
    width: int
    train_size: int
    test_size: int
    download: bool
    description: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        return (self.channels, self.height, self.width)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The facts of one built-in model.

    Attributes:
        name: Canonical name.
        family: The group it is listed under.
        default_dataset: The data set it was published on; `parameters` and `maskable` are for its shape and
            classes.
        parameters: Trainable numbers in all.
        maskable: Weights of linear and convolutional layers, the part that can be sparse.
        description: One line for the list to choose from.
        minimum_size: The smallest height and width in pixels that survive its poolings and unpadded
            convolutions.
    """

    name: str
    family: str
    default_dataset: str
    parameters: int
    maskable: int
    description: str
    minimum_size: int = 1

    def fits(self, dataset: DatasetInfo) -> str | None:
        """Say why this model cannot take the images of `dataset`; None when it can."""
        return self.size_problem(dataset.height, dataset.width, f"{dataset.name} has")

    def size_problem(self, height: int, width: int, subject: str = "these are") -> str | None:
        """Say why `height` × `width` pixels are too few for this model; None when they are enough."""
        if min(height, width) >= self.minimum_size:
            return None
        return (
            f"{self.name} needs images of at least {self.minimum_size}×{self.minimum_size} pixels, "
            f"because its poolings shrink smaller ones to nothing; {subject} {height}×{width}"
        )


_DATASETS = (
    DatasetInfo("digits", 10, 1, 8, 8, 1_500, 297, False, "8×8 handwritten digits, bundled"),
    DatasetInfo("mnist", 10, 1, 28, 28, 60_000, 10_000, True, "28×28 handwritten digits"),
    DatasetInfo("fashion-mnist", 10, 1, 28, 28, 60_000, 10_000, True, "28×28 grey pictures of clothes"),
    DatasetInfo("cifar10", 10, 3, 32, 32, 50_000, 10_000, True, "32×32 photographs, 10 classes"),
    DatasetInfo("cifar100", 100, 3, 32, 32, 50_000, 10_000, True, "32×32 photographs, 100 classes"),
    DatasetInfo("tiny-imagenet", 200, 3, 64, 64, 100_000, 10_000, False, "64×64 photographs, 200 classes"),
    DatasetInfo("imagenet", 1000, 3, 224, 224, 1_281_167, 50_000, False, "ILSVRC 2012, 1,000 classes"),
)

_MODELS = (
    ModelInfo("lenet300-100", "MLP", "mnist", 266_610, 266_200, "hidden layers of 300 and 100 units"),
    ModelInfo("mlp-cifar10", "MLP", "cifar10", 3_676_682, 3_675_136, "hidden layers of 1,024 and 512 units"),
    ModelInfo("lenet5", "LeNet", "mnist", 431_080, 430_500, "Caffe's: two convolutions, two linear layers", 16),
    ModelInfo("alexnet-s", "AlexNet", "cifar10", 5_077_066, 5_066_784, "SNIP's, without pooling; small head", 7),
    ModelInfo("alexnet-b", "AlexNet", "cifar10", 8_501_322, 8_484_896, "SNIP's, without pooling; big head", 7),
    ModelInfo("vgg-c", "VGG", "cifar10", 11_323_466, 11_307_712, "SNIP's; 1×1 convolutions end three blocks", 4),
    ModelInfo("vgg-d", "VGG", "cifar10", 15_255_626, 15_239_872, "SNIP's; 13 convolutions, 3 linear layers", 32),
    ModelInfo("vgg-like", "VGG", "cifar10", 14_991_946, 14_977_728, "SNIP's; one linear layer fewer", 32),
    ModelInfo("wrn-28-2", "wide ResNet", "cifar10", 1_467_610, 1_463_984, "28 layers, twice as wide"),
    ModelInfo("wrn-22-8", "wide ResNet", "cifar10", 17_158_106, 17_147_312, "22 layers, 8 times as wide"),
    ModelInfo("wrn-16-8", "wide ResNet", "cifar10", 10_961_370, 10_954_160, "16 layers, 8 times as wide"),
    ModelInfo("wrn-16-10", "wide ResNet", "cifar10", 17_116_634, 17_107_632, "16 layers, 10 times as wide"),
    ModelInfo("resnet-18", "ResNet", "cifar10", 11_173_952, 11_164_352, "basic blocks, CIFAR stem"),
    ModelInfo("resnet-34", "ResNet", "cifar100", 21_328_192, 21_311_168, "basic blocks, CIFAR stem"),
    ModelInfo("resnet-50", "ResNet", "cifar10", 23_520_832, 23_467_712, "bottleneck blocks, CIFAR stem"),
    ModelInfo("resnet50-imagenet", "ResNet", "imagenet", 25_557_032, 25_502_912, "bottlenecks, ImageNet stem"),
)

DATASETS: Mapping[str, DatasetInfo] = MappingProxyType({info.name: info for info in _DATASETS})
"""The built-in data sets by canonical name, smallest first."""

MODELS: Mapping[str, ModelInfo] = MappingProxyType({info.name: info for info in _MODELS})
"""The built-in models by canonical name, grouped by family."""

_DATASET_ALIASES = {"fmnist": "fashion-mnist", "tinyimagenet200": "tiny-imagenet", "imagenet1k": "imagenet"}


def _squash(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _canonical(kind: str, name: str, known: Mapping[str, object], aliases: Mapping[str, str]) -> str:
    if is_reference(name):
        return absolute(name)
    by_key = {_squash(item): item for item in known} | dict(aliases)
    key = _squash(name)
    if key in by_key:
        return by_key[key]
    if ":" in name:
        raise UnknownNameError(f"{kind} {name!r} is not of the form {FORMS}{_as_a_file(name)}")
    if name.endswith(".py"):
        raise UnknownNameError(f"{kind} {name!r} names a file and no function in it: write {name}:FUNCTION")
    meant = nearest(key, by_key)
    hint = f"did you mean {by_key[meant]!r}? " if meant else ""
    raise UnknownNameError(f"unknown {kind} {name!r}: {hint}known are {', '.join(known)}, or {FORMS} for a custom one")


def _as_a_file(name: str) -> str:
    """The reference that a nearly right one may be meant as: `a/b.py:build` for `a/b:build`."""
    path, _, function = name.rpartition(":")
    meant = f"{path}.py:{function}"
    return f"; did you mean {meant}?" if "/" in path and not path.endswith(".py") and is_reference(meant) else ""


def canonical_model(name: str) -> str:
    """Return the canonical name of a model.

    Case and punctuation do not matter, so the original spellings (`ResNet34`, `MLPCIFAR10`) are understood.
    A reference to a custom one is returned as it is, the path of a file made whole.

    Raises:
        UnknownNameError: (a `LookupError`) when there is no such model; it names the nearest spelling.
    """
    return _canonical("model", name, MODELS, {})


def canonical_dataset(name: str) -> str:
    """Return the canonical name of a data set; spelling as in `canonical_model`.

    Raises:
        UnknownNameError: (a `LookupError`) when there is no such data set; it names the nearest spelling.
    """
    return _canonical("data set", name, DATASETS, _DATASET_ALIASES)


def fit_problem(model: str, dataset: str) -> str | None:
    """Say why a model cannot be trained on a data set; None when it can, or when only building it can tell.

    Args:
        model: Canonical name or reference of the model.
        dataset: Canonical name or reference of the data set.
    """
    if model not in MODELS or dataset not in DATASETS:
        return None
    return MODELS[model].fits(DATASETS[dataset])


def validation_size(train_size: int, valid_split: float) -> int:
    """Return how many of `train_size` training images are held out for validation.

    The share is rounded to the nearest whole image (a half goes up). 0 holds out nothing, any other share at
    least one image, and at least one stays to be trained on.
    """
    if valid_split <= 0 or train_size < 2:
        return 0
    return min(max(int(train_size * valid_split + 0.5), 1), train_size - 1)


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Return the number of batches that `n` images make.

    The last, partial batch is kept, with one exception: a single image left over joins the batch before it,
    because batch normalisation cannot be trained on one image (the step would fail at the end of an epoch).
    """
    if n <= 0:
        return 0
    full, rest = divmod(n, batch_size)
    return full + (1 if rest > 1 or (rest == 1 and (full == 0 or batch_size == 1)) else 0)
