"""Data sets of the user's own: what they may return, and one clear error for each way to go wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from engine.data import DataError, load_dataset
from engine.models import build_model

_SOURCE = """
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

SEEN = {}
x, y = torch.rand(20, 3, 8, 6), torch.arange(20) % 4

def tensors(): return (x, y), (x[:8], y[:8])
def arrays(): return (np.zeros((20, 5, 7), np.uint8) + 51, np.arange(20) % 4), (np.zeros((8, 5, 7), np.uint8), [0] * 8)
def features(): return [torch.rand(20, 9), y.int()], [torch.rand(8, 9), y[:8].int()]
def datasets(seed, data_dir, unknown=3):
    SEEN.update(seed=seed, data_dir=data_dir, unknown=unknown)
    return TensorDataset(x, y), TensorDataset(x[:8], y[:8])

class Pictures(Dataset):
    def __len__(self): return 6
    def __getitem__(self, i): return Image.new("RGB", (8, 4), (i, 100, 200)), i % 3
def pictures(): return Pictures(), Pictures()

class Ragged(Pictures):
    def __getitem__(self, i): return torch.zeros(1, 4, 4 + i // 2), 0
class Failing(Pictures):
    def __getitem__(self, i): raise OSError("disk\\ngone")
class Empty(Pictures):
    def __len__(self): return 0

def fails(): raise RuntimeError("no such bucket")
def nothing(): return None
def three(): return 1, 2, 3
def numbers(): return 1, 2
def bare(): return x, x
def other_shape(): return (x, y), (x[..., :5], y)
def other_type(): return (x, y), ((x * 255).byte(), y)
def short(): return (x, y[:5]), (x, y)
def hot(): return (x, torch.eye(4)[y]), (x, y)
def fractions(): return (x, y / 2), (x, y)
def negative(): return (x, y - 1), (x, y)
def flat(): return (x.flatten(), y), (x, y)
def ragged(): return Ragged(), Pictures()
def failing(): return Failing(), Pictures()
def empty(): return Empty(), Pictures()
def none_left(): return (x[:0], y[:0]), (x, y)
def words(): return (["a", "b"], [0, 1]), (x, y)
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the user's module in it, as the current one."""
    (tmp_path / "my_data.py").write_text(_SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "my_data", raising=False)


def test_tensors_are_used_as_they_are() -> None:
    bundle = load_dataset("my_data:tensors", valid_split=0.2, seed=1)
    info = bundle.info
    assert (info.name, info.classes, info.shape) == ("my_data:tensors", 4, (3, 8, 6))
    assert (info.train_size, info.test_size, len(bundle.train), len(bundle.part("valid"))) == (20, 8, 16, 4)
    mine = sys.modules["my_data"]
    images, labels = next(iter(bundle.batches("test", 8)))
    assert torch.equal(images, mine.x[:8])
    assert torch.equal(labels, mine.y[:8])


def test_bytes_become_fractions_and_grey_images_get_a_channel() -> None:
    bundle = load_dataset("my_data:arrays", valid_split=0.0, seed=1)
    assert bundle.info.shape == (1, 5, 7)
    images, _ = next(iter(bundle.batches("train", 20)))
    torch.testing.assert_close(images, torch.full((20, 1, 5, 7), 0.2))


def test_features_are_images_of_one_row() -> None:
    bundle = load_dataset("my_data:features", valid_split=0.0, seed=1)
    assert bundle.info.shape == (1, 1, 9)
    model = build_model("lenet300-100", classes=4, channels=1, height=1, width=9)
    images, labels = next(iter(bundle.batches("train", 20)))
    assert model(images).shape == (20, 4)
    assert labels.dtype == torch.int64


def test_datasets_are_read_and_get_what_they_accept() -> None:
    bundle = load_dataset("my_data:datasets", valid_split=0.0, seed=7, data_dir="somewhere")
    assert sys.modules["my_data"].SEEN == {"seed": 7, "data_dir": "somewhere", "unknown": 3}
    assert (len(bundle.train), len(bundle.test)) == (20, 8)
    assert torch.equal(bundle.train.targets, torch.arange(20) % 4)


def test_pictures_become_tensors_channel_first() -> None:
    bundle = load_dataset("my_data:pictures", valid_split=0.0, seed=7)
    assert bundle.info.shape == (3, 4, 8)
    images, labels = next(iter(bundle.batches("test", 6)))
    torch.testing.assert_close(images[:, 0, 0, 0] * 255, torch.arange(6.0))
    torch.testing.assert_close(images[:, 2, 3, 7] * 255, torch.full((6,), 200.0))
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("my_dta:tensors", "module 'my_dta' does not import: ModuleNotFoundError"),
        ("my_data:tensor", "'my_data' has no 'tensor'"),
        ("my_data:SEEN", "it is not a function but of type dict"),
        ("my_data:fails", "calling it failed with RuntimeError: no such bucket"),
        ("my_data:nothing", r"it returned nothing, not \(train, test\)"),
        ("my_data:three", r"it returned an object of type tuple, not \(train, test\)"),
        ("my_data:numbers", "train is an object of type int, neither"),
        ("my_data:bare", "train is an object of type Tensor, neither"),
        ("my_data:other_shape", "train images are 3×8×6 but test images 3×8×5"),
        ("my_data:other_type", r"train images are torch\.float32 but test images torch\.uint8"),
        ("my_data:short", r"train has 20 inputs and labels of shape \(5,\), not one for each"),
        ("my_data:hot", r"train has 20 inputs and labels of shape \(20, 4\), not one for each"),
        ("my_data:fractions", r"train labels are not whole numbers from 0 \(torch\.float32"),
        ("my_data:negative", r"train labels are not whole numbers from 0 \(torch\.int64, least -1\)"),
        ("my_data:flat", "train inputs have 1 dimensions, not one of"),
        ("my_data:ragged", "item 2 of train is 1×4×5, but item 0 1×4×4"),
        ("my_data:failing", r"item 0 of train is not an \(image, label\): OSError: disk gone"),
        ("my_data:empty", "train is empty"),
        ("my_data:none_left", "train is empty"),
        ("my_data:words", "train inputs are an object of type list, not a tensor or array"),
    ],
)
def test_each_way_to_go_wrong_is_one_clear_error(reference: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(reference, valid_split=0.1, seed=0)
    assert "\n" not in str(caught.value)
    assert reference in str(caught.value)
