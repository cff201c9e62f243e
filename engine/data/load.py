"""From a name to a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.catalogue import DATASETS, canonical_dataset, validation_size
from engine.data.bundle import DataBundle
from engine.data.digits import load_digits
from engine.data.errors import DataError
from engine.data.split import stratified_split

__all__ = ["load_dataset"]


def load_dataset(
    name: str,
    *,
    valid_split: float,
    seed: int,
    data_dir: str | Path | None = None,
    augment: bool = True,
    workers: int = 4,
) -> DataBundle:
    """Load a data set into memory, its validation part held out of the training set.

    Args:
        name: A name of `engine.catalogue.DATASETS`, in any spelling of it, or `package.module:function`.
        valid_split: Share of the training set held out for validation, of each class; 0 holds out nothing.
        seed: Decides the held-out part, and the order and augmentation of every epoch.
        data_dir: Where its files are looked for and downloaded to; None takes ITOP_DATA_DIR or the default.
        augment: Whether training images are augmented as published for this data set.
        workers: Processes that read images, for the sets that do not fit in memory.

    Raises:
        DataMissingError: when its files are not there and could not be downloaded.
        DataCorruptError: when they are not what they should be.
        DataError: when there is no such data set, or the user's own function gave something else.
    """
    try:
        name = canonical_dataset(name)
    except LookupError as error:
        raise DataError(str(error)) from None
    if name != "digits":
        raise DataError(f"data set {name!r} cannot be loaded")
    train, test = load_digits()
    info = replace(DATASETS[name], train_size=len(train), test_size=len(test))
    held_out = validation_size(len(train), valid_split)
    if not held_out:
        return DataBundle(info, train, None, test, seed)
    kept, held = stratified_split(train.targets, held_out, seed)
    valid = replace(train.subset(held), augment=None)
    return DataBundle(info, train.subset(kept), valid, test, seed)
