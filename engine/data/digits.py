"""scikit-learn's bundled digits: 1,797 real 8×8 images with 17 grey levels, the data set that needs no download."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from engine.data.bundle import TensorSplit
from engine.data.data_errors import DataMissingError
from engine.data.split import evenly_spaced_split
from engine.data.transforms import Normalisation

__all__ = ["TEST_SIZE", "load_digits"]

TEST_SIZE = 297
"""Test images: 297 of 1,797, of each class every sixth or so in the order of the file, the same everywhere."""

_NORMALISE = Normalisation.of((0.3053,), (0.3760,), levels=16.0)


def load_digits() -> tuple[TensorSplit, TensorSplit]:
    """Return the training and the test part (1,500 and 297 images, uint8 levels 0 … 16).

    The file has no test part, so itop fixes one: the same share of each class, at even distances.

    Raises:
        DataMissingError: The file is not where scikit-learn keeps it.
    """
    with gzip.open(_file(), "rt", encoding="ascii") as lines:
        rows = torch.from_numpy(np.loadtxt(lines, delimiter=",", dtype=np.int64))  # 64 levels and the class
    images = rows[:, :-1].to(torch.uint8).view(-1, 1, 8, 8)
    whole = TensorSplit(images, rows[:, -1].contiguous(), _NORMALISE)
    kept, held = evenly_spaced_split(whole.targets, TEST_SIZE)
    return whole.subset(kept), whole.subset(held)


def _file() -> Path:
    """Find scikit-learn's file without importing it: that takes longer than a short run on it trains."""
    found = importlib.util.find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            return file
    raise DataMissingError("digits: scikit-learn, which brings this data set, is not installed whole; install it again")
