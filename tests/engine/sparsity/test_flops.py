"""FLOPs by hand, against the published table, and without a trace in the model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from engine.sparsity import Masking, SparsityConfig, expected_itop_rate, flops, plan_layers

from .helpers import masked, network, train


def test_a_small_network_by_hand() -> None:
    report = flops.count(network(), (2, 5, 5))
    # Convolution: 72 weights at 3×3 places; then 36·9 and 9·5; twice each.
    assert [(one.layer, one.dense) for one in report.per_layer] == [
        ("0.weight", 2 * 72 * 9),
        ("4.weight", 2 * 324),
        ("6.weight", 2 * 45),
    ]
    assert report.dense_forward == report.forward == 1296 + 648 + 90
    assert report.ratio == 1.0


def test_masks_and_densities_by_hand() -> None:
    mask = torch.zeros(9, 36, dtype=torch.bool)
    mask[0] = True
    report = flops.count(network(), (2, 5, 5), {"0.weight": 0.5, "4.weight": mask})
    assert report.forward == 648 + 72 + 90
    assert report.at({"0.weight": 0.25}).forward == 324 + 648 + 90


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 8, 8), 2 * 3 * 8 * 9 * 16),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 5, 5), 2 * 8 * 9 * 9),
        (nn.Conv1d(2, 3, 5, dilation=2), (2, 12), 2 * 2 * 3 * 5 * 4),
        (nn.Conv3d(1, 2, 2), (1, 3, 3, 3), 2 * 2 * 8 * 8),
        (nn.ConvTranspose2d(4, 2, 3, stride=2), (4, 5, 5), 2 * 4 * 2 * 9 * 25),
        (nn.Linear(6, 4), (7, 6), 2 * 24 * 7),  # seven tokens
    ],
    ids=str,
)
def test_each_type_by_hand(module: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert flops.count(module, shape).dense_forward == expected


def test_a_transposed_convolution_costs_what_its_weights_do() -> None:
    """The sum of products, counted by letting every input, weight and output be 1."""
    module = nn.ConvTranspose1d(2, 3, 4, stride=3, bias=False)
    nn.init.ones_(module.weight)
    products = module(torch.ones(1, 2, 5)).sum()
    assert flops.count(module, (2, 5)).dense_forward == 2 * int(products)


class Odd(nn.Module):
    """Uses one layer twice, ties another, and makes a tensor on the CPU by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.second = nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, inputs: Tensor) -> Tensor:
        noise = torch.zeros(4, device="cpu").tolist()  # a meta tensor has no values to give
        hidden = self.first(self.first(inputs + torch.tensor(noise)))
        output: Tensor = self.second(hidden)
        assert output.sum().item() == output.sum().item()
        return output


def test_a_layer_used_twice_counts_twice_and_tied_ones_share_a_name() -> None:
    report = flops.count(Odd(), (4,), {"first.weight": 0.5})
    assert [one.layer for one in report.per_layer] == ["first.weight"] * 3
    assert report.dense_forward == 3 * 32
    assert report.forward == 48


def test_token_models_take_a_tensor() -> None:
    model = nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 3))
    assert flops.count(model, torch.zeros(1, 5, dtype=torch.int64)).dense_forward == 2 * 24 * 5


def test_counting_leaves_no_trace() -> None:
    model = network()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    flops.count(model, (2, 5, 5))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())


def test_training_flops_by_hand() -> None:
    dense, sparse = 100.0, 20.0
    assert flops.training_flops("dense", dense, sparse, 9) == 300
    for method in ("static", "SET", "SET-ITOP", "GMP", "random_unfired+magnitude", "random"):
        assert flops.training_flops(method, dense, sparse, 9) == 60
    for method in ("SNFS", "snfs", "momentum+magnitude", "momentum_neuron+SET"):
        assert flops.training_flops(method, dense, sparse, 9) == 140
    for method in ("RigL", "RigL-ITOP", "gradient+SET"):
        assert flops.training_flops(method, dense, sparse, 9) == (3 * 20 * 9 + 40 + 100) / 10
    with pytest.raises(ValueError, match=r"method: 'RigLL' is not known. Did you mean 'RigL'"):
        flops.training_flops("RigLL", dense, sparse, 9)


@pytest.mark.parametrize(
    ("settings", "method"),
    [
        ({"fixed": True, "growth": "gradient"}, "static"),
        ({"density": 1.0}, "static"),
        ({"growth": "random_unfired"}, "SET"),
        ({"growth": "gradient"}, "RigL"),
        ({"growth": "momentum_neuron"}, "SNFS"),
        ({"growth": "gradient", "distribution": "gmp"}, "GMP"),
    ],
)
def test_the_method_follows_from_the_rules(settings: dict[str, object], method: str) -> None:
    assert flops.method_of(SparsityConfig.create(**settings)) == method


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    """ImageNet's ResNet-50 as shapes only."""
    torchvision = pytest.importorskip("torchvision")
    with torch.device("meta"):
        model = torchvision.models.resnet50(weights=None)
    assert isinstance(model, nn.Module)
    return model


def resnet50_report(model: nn.Module, density: float, distribution: str) -> flops.FlopsReport:
    config = SparsityConfig(density=density, distribution=distribution, dense_first_layer=distribution == "uniform")
    plan = plan_layers(model, config)
    assert sum(one.nonzeros for one in plan) == round(density * 25_502_912)
    return flops.count(model, (3, 224, 224), {one.name: one.density for one in plan})


@pytest.mark.parametrize(
    ("density", "distribution", "share"),
    [(0.2, "erk", 0.42), (0.1, "erk", 0.24), (0.2, "uniform", 0.23), (0.1, "uniform", 0.13)],
)
def test_resnet50_agrees_with_the_published_table(
    resnet50: nn.Module, density: float, distribution: str, share: float
) -> None:
    report = resnet50_report(resnet50, density, distribution)
    assert report.dense_forward == pytest.approx(8.2e9, abs=0.05e9)
    assert report.ratio == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(("density", "share"), [(0.2, 0.61), (0.1, 0.50)])
def test_snfs_training_agrees_with_the_published_table(resnet50: nn.Module, density: float, share: float) -> None:
    report = resnet50_report(resnet50, density, "erk")
    training = flops.training_flops("SNFS", report.dense_forward, report.forward, 4000)
    assert training / (3 * report.dense_forward) == pytest.approx(share, abs=0.01)


def itop_rates(config: SparsityConfig, steps: int) -> tuple[float, float]:
    """(Measured over three seeds, expected) R_s of a training of some steps."""
    measured = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(100, 60), nn.ReLU(), nn.Linear(60, 20))
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        seeded = SparsityConfig.create(**{**as_dict(config), "seed": seed})
        masking = Masking(model, optimizer, seeded, total_steps=steps)
        for _ in range(steps):
            optimizer.zero_grad()
            model(torch.randn(4, 100)).square().mean().backward()
            masking.step()
        measured.append(masking.itop_rate)
    expected = expected_itop_rate(plan_layers(model, config), config, steps)
    assert expected is not None
    return sum(measured) / len(measured), expected


def as_dict(config: SparsityConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in SparsityConfig.__dataclass_fields__}


@pytest.mark.parametrize("death_rate", [0.1, 0.5])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_expected_itop_rate_is_that_of_random_growth(death_rate: float, schedule: str) -> None:
    config = SparsityConfig(density=0.1, death_rate=death_rate, schedule=schedule, update_frequency=5)
    measured, expected = itop_rates(config, 100)
    assert 0.15 < expected < 0.999
    assert measured == pytest.approx(expected, abs=0.01)


def test_the_expected_itop_rate_of_random_unfired_is_reached_to_the_weight() -> None:
    config = SparsityConfig(density=0.1, death_rate=0.3, growth="random_unfired", update_frequency=10)
    measured, expected = itop_rates(config, 100)
    assert measured == pytest.approx(expected, abs=1e-12)


def test_the_expected_itop_rate_of_gradient_growth_is_an_upper_estimate() -> None:
    config = SparsityConfig(density=0.1, death_rate=0.5, growth="gradient", update_frequency=5)
    measured, expected = itop_rates(config, 100)
    assert 0.1 < measured <= expected


def test_the_expected_itop_rate_where_nothing_is_to_be_computed() -> None:
    plan = plan_layers(network(), SparsityConfig(density=0.2))
    assert expected_itop_rate(plan, SparsityConfig(density=0.2, fixed=True), 10_000) == pytest.approx(88 / 441)
    assert expected_itop_rate(plan, SparsityConfig(distribution="gmp"), 10_000) == 1.0
    assert expected_itop_rate(plan, SparsityConfig(density=0.2, death="threshold"), 10_000) is None


def test_flops_of_a_masked_network_are_those_of_its_masks() -> None:
    model, masking = masked(SparsityConfig(density=0.2, growth="gradient", update_frequency=2, seed=1))
    train(model, masking, 5)
    report = flops.count(model, (2, 5, 5), masking.masks)
    shares = {layer.layer: layer.nonzeros / layer.size for layer in masking.layer_stats()}
    assert report == flops.count(model, (2, 5, 5)).at(shares)
