"""The catalogue: names in every spelling, fits, sizes, and how fast it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.catalogue import (
    DATASETS,
    MODELS,
    UnknownNameError,
    canonical_dataset,
    canonical_model,
    fit_problem,
    is_reference,
    steps_per_epoch,
    validation_size,
)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("ResNet34", "resnet-34"),
        ("ResNet18", "resnet-18"),
        ("resnet50", "resnet-50"),
        ("MLPCIFAR10", "mlp-cifar10"),
        ("lenet5", "lenet5"),
        ("LeNet-5", "lenet5"),
        ("LENET_300_100", "lenet300-100"),
        ("VGG_C", "vgg-c"),
        ("WRN-28-2", "wrn-28-2"),
        ("ResNet50-ImageNet", "resnet50-imagenet"),
    ],
)
def test_spellings_of_models(spelling: str, name: str) -> None:
    assert canonical_model(spelling) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("MNIST", "mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("fashion_mnist", "fashion-mnist"),
        ("fmnist", "fashion-mnist"),
        ("CIFAR-10", "cifar10"),
        ("cifar-100", "cifar100"),
        ("TinyImageNet", "tiny-imagenet"),
        ("ImageNet-1k", "imagenet"),
    ],
)
def test_spellings_of_data_sets(spelling: str, name: str) -> None:
    assert canonical_dataset(spelling) == name


def test_every_name_is_its_own_canonical_name() -> None:
    assert [canonical_model(name) for name in MODELS] == list(MODELS) == [info.name for info in MODELS.values()]
    assert [canonical_dataset(name) for name in DATASETS] == list(DATASETS)
    assert {info.default_dataset for info in MODELS.values()} <= set(DATASETS)


def test_a_reference_passes_as_it_is() -> None:
    for name in ("mine:net", "package.module:Face.build", "_a.b2:_c"):
        assert is_reference(name)
        assert canonical_model(name) == canonical_dataset(name) == name
    for name in ("vgg-c", "mine:", ":net", "mine:net:more", "my-net:net", "a..b:c", "mine:net\n", "1a:b"):
        assert not is_reference(name)


def test_an_unknown_name_is_told_the_nearest_and_all() -> None:
    with pytest.raises(LookupError) as caught:
        canonical_model("vggc2")
    assert str(caught.value).startswith(
        "unknown model 'vggc2': did you mean 'vgg-c'? known are lenet300-100, mlp-cifar10,"
    )
    with pytest.raises(UnknownNameError, match="unknown data set 'cifar11': did you mean 'cifar10'"):
        canonical_dataset("cifar11")
    with pytest.raises(UnknownNameError, match="unknown data set 'qqqq': known are digits, mnist"):
        canonical_dataset("qqqq")
    with pytest.raises(UnknownNameError, match=r"model 'my-net:f' is not of the form package.module:function"):
        canonical_model("my-net:f")


def test_what_does_not_fit_says_why() -> None:
    assert fit_problem("lenet300-100", "imagenet") is None
    assert fit_problem("lenet5", "digits") == (
        "lenet5 needs images of at least 16×16 pixels, because its poolings shrink smaller ones to nothing; "
        "digits has 8×8"
    )
    assert fit_problem("vgg-d", "mnist") is not None
    assert fit_problem("mine:net", "digits") is None
    assert fit_problem("vgg-d", "mine:data") is None


def test_validation_sizes() -> None:
    assert validation_size(50_000, 0.1) == 5_000
    assert validation_size(1_500, 0.1) == 150
    assert validation_size(60_000, 0.0) == 0
    assert validation_size(15, 0.1) == 2  # 1.5: a half goes up
    assert validation_size(10, 0.001) == 1
    assert validation_size(10, 0.999) == 9
    assert validation_size(1, 0.5) == 0


@given(st.integers(0, 100_000), st.floats(0, 0.99))
def test_validation_leaves_something_on_both_sides(n: int, share: float) -> None:
    held = validation_size(n, share)
    assert 0 <= held <= max(n - 1, 0)
    assert (held == 0) == (share <= 0 or n < 2)


def test_steps() -> None:
    assert steps_per_epoch(45_000, 128) == 352
    assert steps_per_epoch(1_350, 100) == 14
    assert steps_per_epoch(100, 100) == 1
    assert steps_per_epoch(101, 100) == 1  # the single image joins the hundred before it
    assert steps_per_epoch(102, 100) == 2
    assert steps_per_epoch(3, 1) == 3
    assert steps_per_epoch(1, 100) == 1
    assert steps_per_epoch(0, 100) == 0


def test_it_imports_in_milliseconds_and_without_torch() -> None:
    code = (
        "import sys, time; before = time.process_time(); import engine.config.catalogue; "
        "took = time.process_time() - before; print(took, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    took, *heavy = answer.stdout.split()
    assert heavy == ["False", "False"]
    assert float(took) < 0.25  # about 0.03 s of processor time; a slow machine gets eight times that
