"""The data sets: `load_dataset` by name, validation held out, batches normalised and augmented on the device.

Plain PyTorch; the facts about them (sizes, shapes) are in `engine.config.catalogue`, which needs no torch.
"""

from engine.data.bundle import Batch, DataBundle, Part, Split, TensorSplit
from engine.data.data_errors import DataCorruptError, DataError, DataMissingError
from engine.data.load import load_dataset

__all__ = [
    "Batch",
    "DataBundle",
    "DataCorruptError",
    "DataError",
    "DataMissingError",
    "Part",
    "Split",
    "TensorSplit",
    "load_dataset",
]
