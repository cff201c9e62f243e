"""scikit-learn's bundled digits: 1,797 real 8×8 images with 17 grey levels, the data set that needs no download."""

from __future__ import annotations

import numpy as np
import torch

from engine.data.bundle import TensorSplit
from engine.data.split import evenly_spaced_split
from engine.data.transforms import Normalisation

__all__ = ["TEST_SIZE", "load_digits"]

TEST_SIZE = 297
"""Test images: 297 of 1,797, of each class every sixth or so in the order of the file, the same everywhere."""

_NORMALISE = Normalisation.of((0.3053,), (0.3760,), levels=16.0)


def load_digits() -> tuple[TensorSplit, TensorSplit]:
    """Return the training and the test part (1,500 and 297 images, uint8 levels 0 … 16).

    The file has no test part, so itop fixes one: the same share of each class, at even distances.
    """
    # Imported here: scikit-learn takes half a second, and no other data set needs it.
    from sklearn import datasets

    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images.astype(np.uint8)).unsqueeze(1)
    whole = TensorSplit(images, torch.from_numpy(digits.target.astype(np.int64)), _NORMALISE)
    kept, held = evenly_spaced_split(whole.targets, TEST_SIZE)
    return whole.subset(kept), whole.subset(held)
