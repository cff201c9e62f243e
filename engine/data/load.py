"""From a name to a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine.config.catalogue import DATASETS, DatasetInfo, canonical_dataset, is_reference, validation_size
from engine.config.locations import FIRST_LABELS, LAYOUTS, Located, candidates, data_folder, missing_message
from engine.data import download as fetching
from engine.data.bundle import DataBundle, Split, TensorSplit
from engine.data.cifar import read_cifar_set
from engine.data.data_errors import DataError, DataMissingError
from engine.data.digits import load_digits
from engine.data.folders import read_folder_set
from engine.data.idx import read_idx, read_idx_set
from engine.data.split import stratified_split
from engine.data.transforms import CropFlip, Normalisation
from engine.data.user_data import load_user_set

__all__ = ["is_here", "load_dataset"]

# Means and standard deviations of the training sets' pixels, on a scale from 0 to 1, and the augmentation, as published
# with these benchmarks: CIFAR-10's images are padded with their own reflection, CIFAR-100's with black.
_NORMALISE = {
    "mnist": Normalisation.of((0.1307,), (0.3081,)),
    "fashion-mnist": Normalisation.of((0.2860,), (0.3530,)),
    "cifar10": Normalisation.of((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": Normalisation.of((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}
_AUGMENT = {"cifar10": CropFlip(4, "reflect"), "cifar100": CropFlip(4, "zeros")}


def load_dataset(
    name: str,
    *,
    valid_split: float,
    seed: int,
    data_dir: str | Path | None = None,
    augment: bool = True,
    workers: int = 4,
    download: bool = True,
) -> DataBundle:
    """Load a data set into memory, its validation part held out of the training set.

    Args:
        name: A name of `engine.config.catalogue.DATASETS`, in any spelling of it, `package.module:function`, or
            `path/to/file.py:function` (see `engine.data.user_data.load_user_set` for what that returns).
        valid_split: Share of the training set held out for validation, of each class; 0 holds out nothing.
        seed: Decides the held-out part, and the order and augmentation of every epoch.
        data_dir: Where its files are looked for and downloaded to; None takes ITOP_DATA_DIR or the default.
        augment: Whether training images are augmented as published for this data set.
        workers: Processes that read images, for the sets that do not fit in memory.
        download: Whether to fetch a missing set, where that is possible.

    Returns:
        A bundle on the CPU; `.to(device)` moves it. Its `info` has the sizes that were found.

    Raises:
        DataMissingError: when its files are not there and could not be downloaded.
        DataCorruptError: when they are not what they should be.
        DataError: when there is no such data set, or a custom function returned something else.
    """
    try:
        name = canonical_dataset(name)
    except LookupError as error:
        raise DataError(str(error)) from None
    if is_reference(name):
        info, train, test = load_user_set(name, {"data_dir": data_dir, "seed": seed})
        return _bundle(info, train, test, valid_split, seed)
    info = DATASETS[name]
    if name == "digits":
        return _bundle(info, *load_digits(), valid_split, seed)
    located = _find(info, data_folder(data_dir), download)
    if LAYOUTS[name].kind == "folders":
        read, read_test, classes = read_folder_set(info, located.folder, augment=augment, workers=workers)
        return _bundle(replace(info, classes=classes), read, read_test, valid_split, seed)
    reader = read_idx_set if LAYOUTS[name].kind == "idx" else read_cifar_set
    images, labels, test_images, test_labels = reader(info, located)
    return _bundle(
        info,
        TensorSplit(images, labels, _NORMALISE[name], _AUGMENT.get(name) if augment else None),
        TensorSplit(test_images, test_labels, _NORMALISE[name]),
        valid_split,
        seed,
    )


def is_here(name: str, data_dir: str | Path | None = None) -> bool:
    """Whether a data set can be loaded without a download: its files are there, or it needs none.

    Args:
        name: As of `load_dataset`.
        data_dir: As of `load_dataset`.
    """
    return is_reference(name) or name not in LAYOUTS or _first_true(name, data_folder(data_dir))[0] is not None


def _bundle(info: DatasetInfo, train: Split, test: Split, valid_split: float, seed: int) -> DataBundle:
    info = replace(info, train_size=len(train), test_size=len(test))
    held_out = validation_size(len(train), valid_split)
    if not held_out:
        return DataBundle(info, train, None, test, seed)
    kept, held = stratified_split(train.targets, held_out, seed)
    return DataBundle(info, train.subset(kept), train.subset(held).plain(), test, seed)


def _find(info: DatasetInfo, folder: Path, download: bool) -> Located:
    located, problem = _first_true(info.name, folder)
    if located is not None:
        return located
    failure = None
    if download and info.download:
        failure = fetching.download(info.name, folder)
        if failure is None:
            located, problem = _first_true(info.name, folder)
            if located is not None:
                return located
            failure = "what was fetched is not complete"
    raise DataMissingError(missing_message(info.name, folder, problem, failure))


def _first_true(name: str, folder: Path) -> tuple[Located | None, str | None]:
    """The first place that holds this data set, and the places that were ignored because they hold another one."""
    problem = None
    for located in candidates(name, folder):
        other = _taken_for(name, located)
        if other is None:
            return located, None
        problem = f"The files in {located.folder} are those of {other}."
    return None, problem


def _taken_for(name: str, located: Located) -> str | None:
    """The other data set whose files these are: MNIST's and Fashion-MNIST's have the same names."""
    others = {other: first for other, first in FIRST_LABELS.items() if other != name}
    if name not in FIRST_LABELS or not others:
        return None
    labels: Tensor = read_idx(located.files[LAYOUTS[name].files[1]])
    first = bytes(labels[: len(FIRST_LABELS[name])].tolist())
    return next((other for other, known in others.items() if first == known), None)
