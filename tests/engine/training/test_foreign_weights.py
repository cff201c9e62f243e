"""Weights that other programs wrote: containers, prefixes, formats, and one message for what cannot be used."""

from __future__ import annotations

import argparse
import builtins
import pickle
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.optim.swa_utils import AveragedModel

from engine.config.run_config import RunConfig
from engine.config.weights_file import WeightsFileError
from engine.models import build_model
from engine.training.foreign_weights import fitted, read_weights
from engine.training.setup import SetupError, load_weights
from engine.training.tensors import flattened


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def _same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _fits(path: Path, model: nn.Module | None = None) -> Mapping[str, Tensor]:
    """What a new model holds after the file was loaded into it."""
    fresh = _net() if model is None else model
    load_weights(fresh, read_weights(path), source=str(path))
    return fresh.state_dict()


def _prefixed(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {
            "state_dict": w,
            "epoch": 3,
            "arch": "mlp",
            "best_acc1": np.float64(93.1),
            "optimizer": {"state": {}},
        },
        lambda w: {"model_state_dict": w, "epoch": 3},
        lambda w: {"model": w, "args": argparse.Namespace(lr=0.1), "scaler": None},
        lambda w: {"net": w, "acc": 93.1},
        lambda w: {"module": w, "global_step": 7},
        lambda w: {"ema": w},
        lambda w: {"model": {"state_dict": w}},
        lambda w: {"model": w, "ema": {name: value * 0 for name, value in w.items()}},
        lambda w: _prefixed("module.", w),
        lambda w: _prefixed("_orig_mod.", w),
        lambda w: _prefixed("module._orig_mod.", w),
        lambda w: _prefixed("_orig_mod.module.", w),
        lambda w: {"state_dict": _prefixed("module.module.", w)},
        lambda w: {"state_dict": _prefixed("model.", w)},
        lambda w: {name.replace(".", ".module.", 1): value for name, value in w.items()},
        lambda w: {name.replace(".", "._orig_mod.", 1): value for name, value in w.items()},
        lambda w: {name: value for name, value in w.items() if not name.endswith("num_batches_tracked")},
        lambda w: {name: value.half() if value.is_floating_point() else value for name, value in w.items()},
    ],
)
def test_usual_files_of_torch(tmp_path: Path, wrap: Callable[[Mapping[str, Tensor]], Any]) -> None:
    weights = _rounded(_net().state_dict())
    torch.save(wrap(weights), tmp_path / "a.pth")
    assert _same(_fits(tmp_path / "a.pth"), weights)
    torch.save(wrap(weights), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert _same(_fits(tmp_path / "old.pth"), weights)


def test_a_model_that_is_wrapped_itself_keeps_its_names(tmp_path: Path) -> None:
    wrapped = nn.DataParallel(_net())
    torch.save(wrapped.state_dict(), tmp_path / "a.pth")
    assert _same(_fits(tmp_path / "a.pth", nn.DataParallel(_net())), wrapped.state_dict())
    torch.save(wrapped.module.state_dict(), tmp_path / "b.pth")
    assert _same(_fits(tmp_path / "b.pth", nn.DataParallel(_net())), wrapped.state_dict())
    two = nn.ModuleDict({"module": nn.ModuleDict({"fc": nn.Linear(2, 2)}), "fc": nn.Linear(2, 2)})
    torch.save(two.state_dict(), tmp_path / "two.pth")
    other = nn.ModuleDict({"module": nn.ModuleDict({"fc": nn.Linear(2, 2)}), "fc": nn.Linear(2, 2)})
    assert _same(_fits(tmp_path / "two.pth", other), two.state_dict())


def test_a_running_mean_of_a_model(tmp_path: Path) -> None:
    net = _net()
    torch.save(AveragedModel(net).state_dict(), tmp_path / "a.pth")
    assert _same(_fits(tmp_path / "a.pth"), net.state_dict())


def test_a_pruned_model_is_its_weights_under_its_masks(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 3))
    prune.random_unstructured(net[0], "weight", 6)  # type: ignore[no-untyped-call]
    stored = net.state_dict()
    expected = stored["0.weight_orig"] * stored["0.weight_mask"]
    torch.save(net.state_dict(), tmp_path / "a.pth")
    assert torch.equal(_fits(tmp_path / "a.pth", nn.Sequential(nn.Linear(4, 3)))["0.weight"], expected)
    assert int(expected.count_nonzero()) == 6


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_safetensors_by_suffix_or_by_content(tmp_path: Path, name: str) -> None:
    weights = _net().state_dict()
    save_file(_prefixed("module.", weights), tmp_path / name)
    assert _same(_fits(tmp_path / name), weights)


def test_what_itop_exports_is_read_again(tmp_path: Path) -> None:
    weights = _net().state_dict()
    masks = {"0.weight": torch.ones(3, 4, dtype=torch.bool)}
    save_file(flattened({"model": weights, "masking": {"masks": masks, "explored": masks}}), tmp_path / "a.safetensors")
    assert _same(_fits(tmp_path / "a.safetensors"), weights)


def test_tied_weights_that_were_saved_once(tmp_path: Path) -> None:
    def tied() -> nn.Module:
        net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
        net[1].weight = net[0].weight
        return net

    save_file({"0.weight": torch.eye(3)}, tmp_path / "a.safetensors")
    loaded = _fits(tmp_path / "a.safetensors", tied())
    assert torch.equal(loaded["1.weight"], torch.eye(3))


def test_safetensors_that_is_not_installed_has_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *rest, **named)

    save_file(_net().state_dict(), tmp_path / "a.safetensors")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(WeightsFileError, match=r"safetensors is not installed: python -m pip install 'itop\[export\]'"):
        read_weights(tmp_path / "a.safetensors")


def test_what_does_not_fit_is_named_three_of_each() -> None:
    expected = {name: torch.empty(2, device="meta") for name in "abcdefgh"}
    expected |= {"x": torch.empty(3, 4), "y": torch.empty(2)}
    given = {name: torch.zeros(2) for name in "cdeUVWZ"}
    given |= {"x": torch.zeros(4, 3), "y": torch.zeros(2, dtype=torch.int8)}
    _, problems = fitted(given, expected)
    assert problems == [
        "missing: a, b, f and 2 more",
        "unexpected: U, V, W and 1 more",
        "other shape: x is [4, 3], the model's is [3, 4]",
        "other kind of numbers: y is int8, the model's is float32",
    ]
    _, problems = fitted({"module." + name: value for name, value in given.items()}, expected)
    assert problems[1] == "unexpected: module.U, module.V, module.W and 1 more"


def test_the_message_names_the_setting_and_the_shapes(tmp_path: Path) -> None:
    sizes = {"channels": 1, "height": 8, "width": 8}
    torch.save(build_model("lenet300-100", classes=5, **sizes).state_dict(), tmp_path / "five.pth")
    model = build_model("lenet300-100", classes=10, **sizes)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(SetupError) as caught:
        load_weights(model, read_weights(tmp_path / "five.pth"), source="five.pth")
    assert str(caught.value) == (
        "weights = 'five.pth': do not fit the model: other shape: classifier.weight is [5, 100], the model's is "
        "[10, 100], classifier.bias is [5], the model's is [10]"
    )
    assert _same(model.state_dict(), before)


class _Runs:
    """Runs code when it is loaded by pickle."""

    def __reduce__(self) -> tuple[Any, Sequence[Any]]:
        return Path.touch, (Path("/tmp/itop-was-executed"),)


def _rounded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that half precision holds exactly."""
    return {name: value.half().float() if value.is_floating_point() else value for name, value in weights.items()}


def _whole(path: Path) -> None:
    torch.save(_net(), path)


def _script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(_net().eval(), torch.zeros(2, 4)), str(path))  # type: ignore[no-untyped-call]


def _numpy_zip(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


def _plain_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def _cut(path: Path) -> None:
    torch.save(_net().state_dict(), path)
    path.write_bytes(path.read_bytes()[:900])


def _cut_old(path: Path) -> None:
    torch.save(_net().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:600])


def _cut_safetensors(path: Path) -> None:
    save_file(_net().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_whole, r"holds an object of torch\.nn\.modules\.container\.Sequential, .* save its state_dict"),
        (lambda path: torch.save({"model": _Runs()}, path), "holds an object of .*loading it would run code"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "is a pickle that torch.save did not write"),
        (_script, "is a TorchScript archive"),
        (_numpy_zip, "is a zip archive that torch.save did not write"),
        (_plain_zip, "is a zip archive that torch.save did not write"),
        (_cut, "is cut off or damaged: its 900 bytes are not all of it"),
        (_cut_old, "is damaged or cut off"),
        (_cut_safetensors, "is a safetensors file that is damaged"),
        (lambda path: torch.save({}, path), "holds an empty dictionary"),
        (lambda path: torch.save([torch.zeros(2)], path), "holds a list, not a state_dict"),
        (
            lambda path: torch.save({"epoch": 3, "student": {"a": torch.zeros(1)}}, path),
            "its keys are epoch, student; a",
        ),
        (
            lambda path: torch.save({"a": torch.zeros(1), "epoch": 3}, path),
            r"entries that are no tensors: epoch \(int\)",
        ),
    ],
)
def test_what_cannot_be_used_has_one_message(tmp_path: Path, write: Callable[[Path], Any], message: str) -> None:
    write(tmp_path / "a.pth")
    with pytest.raises(WeightsFileError, match=message) as caught:
        read_weights(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)
    assert not Path("/tmp/itop-was-executed").exists()


def test_a_run_that_resumes_does_not_read_the_file(tmp_path: Path) -> None:
    from engine.config.catalogue import DATASETS
    from engine.training.setup import make_model

    config = RunConfig.create(data="digits", weights=str(tmp_path / "gone.pth"))
    with pytest.raises(SetupError, match="there is no such file"):
        make_model(config, DATASETS["digits"])
    assert isinstance(make_model(config, DATASETS["digits"], load=False), nn.Module)
