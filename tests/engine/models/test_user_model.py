"""Models of the user's own: what is passed, and one clear error for each way to go wrong."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.models import ModelError, build_model

_SOURCE = """
import torch
from torch import nn

SEEN = {}
constant = 3

def tiny(classes, channels, height, width):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, classes))

def only_classes(classes, depth=2):
    SEEN.update(classes=classes, depth=depth)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

def everything(**options):
    SEEN.update(options)
    classes = options["classes"]
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(classes), nn.BatchNorm1d(classes))

class Face:
    @staticmethod
    def build(classes):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

def fails():
    raise KeyError("weights\\nare gone")

def a_dictionary():
    return {}

def ten_always():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))

def a_pair(classes):
    class Two(nn.Module):
        def forward(self, x):
            return x, x
    return Two()

def coloured():
    return nn.Conv2d(3, 1, 1)
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the user's module in it, as the current one, and not otherwise on the path."""
    (tmp_path / "my_models.py").write_text(_SOURCE)
    (tmp_path / "broken.py").write_text("import does_not_exist_anywhere")
    (tmp_path / "unreadable.py").write_text("def (")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry])
    for name in ("my_models", "broken", "unreadable"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def _build(reference: str) -> nn.Module:
    return build_model(reference, classes=7, channels=1, height=8, width=8)


def test_it_is_called_with_the_shape() -> None:
    assert _build("my_models:tiny")(torch.zeros(3, 1, 8, 8)).shape == (3, 7)


def test_only_what_it_accepts_is_passed() -> None:
    _build("my_models:only_classes")
    seen = importlib.import_module("my_models").SEEN
    assert seen == {"classes": 7, "depth": 2}
    _build("my_models:everything")
    assert seen == {"classes": 7, "depth": 2, "channels": 1, "height": 8, "width": 8}


def test_a_name_inside_a_class_is_found() -> None:
    assert isinstance(_build("my_models:Face.build"), nn.Module)


def test_the_trial_leaves_no_trace_and_repeats() -> None:
    torch.manual_seed(5)
    model = _build("my_models:everything")
    drawn = torch.rand(1)
    assert all(module.training for module in model.modules())
    norm = next(module for module in model.modules() if isinstance(module, nn.BatchNorm1d))
    assert norm.num_batches_tracked == 0
    torch.manual_seed(5)
    again = _build("my_models:everything")
    assert torch.equal(drawn, torch.rand(1))
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere_to_be_found:model", "module 'nowhere_to_be_found' does not import: ModuleNotFoundError"),
        ("broken:model", "module 'broken' does not import: .*does_not_exist_anywhere"),
        ("unreadable:model", "module 'unreadable' does not import: SyntaxError"),
        ("my_models:missing", "'my_models' has no 'missing'"),
        ("my_models:Face.missing", r"'my_models' has no 'Face.missing'"),
        ("my_models:constant", "it is not a function but of type int"),
        ("my_models:fails", r"calling it failed with KeyError: 'weights\\nare gone'"),
        ("my_models:a_dictionary", r"returned an object of type dict, not a torch\.nn\.Module"),
        ("my_models:ten_always", r"for 2 images it answers shape \(2, 10\), not \(2, 7\)"),
        ("my_models:a_pair", "it answers an object of type tuple, not one tensor"),
        ("my_models:coloured", "it does not take images of 1×8×8: RuntimeError"),
        ("my_models:", "is not of the form package.module:function"),
    ],
)
def test_each_way_to_go_wrong_is_one_clear_error(reference: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        _build(reference)
    assert "\n" not in str(caught.value)
    assert reference in str(caught.value)
