"""Every built-in model: its published size, its logits, and the images it takes."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from engine.config.catalogue import DATASETS, MODELS, DatasetInfo
from engine.models import BUILDERS, ModelError, build_model
from engine.models.shape import InputShape

_MASKABLE = (nn.Linear, nn.Conv2d)


def _build(name: str, data: DatasetInfo, *, classes: int | None = None) -> nn.Module:
    return build_model(
        name, classes=classes or data.classes, channels=data.channels, height=data.height, width=data.width
    )


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _maskable(model: nn.Module) -> int:
    return sum(module.weight.numel() for module in model.modules() if isinstance(module, _MASKABLE))


# Published sizes, written out once more here: a slip in the catalogue must not agree with itself.
_PUBLISHED = {
    "lenet5": ("mnist", 431_080, 430_500),
    "lenet300-100": ("mnist", 266_610, 266_200),
    "mlp-cifar10": ("cifar10", 3_676_682, 3_675_136),
    "alexnet-s": ("cifar10", 5_077_066, 5_066_784),
    "alexnet-b": ("cifar10", 8_501_322, 8_484_896),
    "vgg-c": ("cifar10", 11_323_466, 11_307_712),
    "vgg-d": ("cifar10", 15_255_626, 15_239_872),
    "vgg-like": ("cifar10", 14_991_946, 14_977_728),
    "wrn-28-2": ("cifar10", 1_467_610, 1_463_984),
    "wrn-22-8": ("cifar10", 17_158_106, 17_147_312),
    "wrn-16-8": ("cifar10", 10_961_370, 10_954_160),
    "wrn-16-10": ("cifar10", 17_116_634, 17_107_632),
    "resnet-18": ("cifar10", 11_173_952, 11_164_352),
    "resnet-34": ("cifar100", 21_328_192, 21_311_168),
    "resnet-50": ("cifar10", 23_520_832, 23_467_712),
    "resnet50-imagenet": ("imagenet", 25_557_032, 25_502_912),
}


def test_catalogue_and_builders_name_the_same_models() -> None:
    assert set(MODELS) == set(BUILDERS) == set(_PUBLISHED)


@pytest.mark.parametrize("name", _PUBLISHED)
def test_published_size(name: str) -> None:
    data, parameters, maskable = _PUBLISHED[name]
    with torch.device("meta"):
        model = _build(name, DATASETS[data])
    assert (_parameters(model), _maskable(model)) == (parameters, maskable)
    info = MODELS[name]
    assert (info.default_dataset, info.parameters, info.maskable) == (data, parameters, maskable)


@pytest.mark.parametrize("data", DATASETS)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_on_every_data_set_fits_or_says_why(name: str, data: str) -> None:
    info = DATASETS[data]
    problem = MODELS[name].fits(info)
    if problem is None:
        with torch.device("meta"):
            model = _build(name, info).train()
            logits = model(torch.empty(2, *info.shape))
        assert logits.shape == (2, info.classes)
    else:
        assert data in ("digits", "mnist", "fashion-mnist")
        with pytest.raises(ModelError, match=f"{name} needs images of at least"):
            _build(name, info)


@pytest.mark.parametrize("name", MODELS)
def test_minimum_size_is_the_true_one(name: str) -> None:
    least = MODELS[name].minimum_size
    with torch.device("meta"):
        assert build_model(name, classes=3, channels=1, height=least, width=least)(
            torch.empty(2, 1, least, least)
        ).shape == (2, 3)
    if least > 1:
        # Built behind build_model's back, one pixel less leaves some layer nothing to work on.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a linear layer of no inputs, the shape such images would leave
            model = BUILDERS[name](InputShape(3, 1, least - 1, least - 1))
            images = torch.empty(2, 1, least - 1, least - 1)
            with pytest.raises(RuntimeError):
                model(images)


def test_images_need_not_be_square() -> None:
    with torch.device("meta"):
        for name in MODELS:
            model = build_model(name, classes=4, channels=2, height=40, width=56)
            assert model(torch.empty(2, 2, 40, 56)).shape == (2, 4)
    with pytest.raises(ModelError, match=r"at least 32×32 pixels.*these are 40×28"):
        build_model("vgg-d", classes=4, channels=2, height=40, width=28)


@pytest.mark.parametrize("name", ["lenet300-100", "lenet5", "alexnet-s", "vgg-c", "wrn-28-2", "resnet-18"])
def test_a_step_of_training_reaches_every_weight(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, classes=5, channels=3, height=32, width=32)
    logits = model(torch.randn(4, 3, 32, 32))
    torch.autograd.backward(nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 3])))
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
    # Logits, not log-probabilities: their exponentials do not sum to one.
    assert not torch.allclose(logits.exp().sum(1), torch.ones(4))


def test_layers_have_names_that_a_table_can_show() -> None:
    expected = {
        "lenet300-100": ["hidden1", "hidden2", "classifier"],
        "lenet5": ["conv1", "conv2", "hidden", "classifier"],
        "alexnet-s": ["conv1", "conv5", "hidden1", "hidden2", "classifier"],
        "vgg-like": ["conv1_1", "conv1_2", "conv2_1", "hidden1", "classifier"],
        "wrn-16-8": ["stem", "blocks.block1_1.conv1", "blocks.block2_1.shortcut", "classifier"],
        "resnet-50": ["stem.conv", "blocks.block1_1.residual.conv1", "blocks.block4_3.residual.conv3"],
    }
    for name, some in expected.items():
        with torch.device("meta"):
            model = _build(name, DATASETS["cifar10"])
        names = [path for path, module in model.named_modules() if isinstance(module, _MASKABLE)]
        assert [path for path in names if path in some] == some
        assert not any(part.isdecimal() for path in names for part in path.split("."))


def test_equal_seeds_build_equal_weights() -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(build_model("wrn-28-2", classes=10, channels=3, height=32, width=32))
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_wide_residual_networks_drop_three_tenths() -> None:
    with torch.device("meta"):
        model = build_model("wrn-16-10", classes=10, channels=3, height=32, width=32)
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.3] * 6


def test_an_unknown_name_is_one_clear_error() -> None:
    with pytest.raises(ModelError, match="unknown model 'resnet-19': did you mean 'resnet-18'"):
        build_model("resnet-19", classes=10, channels=3, height=32, width=32)


def test_the_imagenet_resnet_computes_what_torchvisions_does() -> None:
    from torchvision.models import resnet50

    torch.manual_seed(0)
    model = build_model("resnet50-imagenet", classes=7, channels=3, height=64, width=64)
    reference = resnet50(num_classes=7)
    mine, theirs = model.state_dict(), reference.state_dict()
    assert [tuple(value.shape) for value in mine.values()] == [tuple(value.shape) for value in theirs.values()]
    model.load_state_dict(dict(zip(mine, theirs.values(), strict=True)))
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model(images), reference(images))
