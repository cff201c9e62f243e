"""What stays dense is counted: which matrices, what share, and the density over all of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.sparsity import Coverage, Masking, SparsityConfig
from engine.sparsity.layers import choose

from .helpers import make_optimizer, masked, network, train
from .networks import kind_of_network, train_on_sequences


class Words(nn.Module):
    """An embedding, a position table, a norm of two dimensions, a frozen layer and two that are masked."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 10)
        self.places = nn.Parameter(torch.randn(1, 5, 10))
        self.norm = nn.LayerNorm((5, 10))
        self.frozen = nn.Linear(10, 4).requires_grad_(False)
        self.body = nn.Linear(10, 10)
        self.head = nn.Linear(10, 3)


def masking_of(model: nn.Module, **chosen: object) -> Masking:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    config = SparsityConfig.create(**{"density": 0.1, "seed": 1, **chosen})
    return Masking(model, torch.optim.SGD(trained, 0.1), config, total_steps=9)


def test_what_stays_dense_is_named_with_its_reason() -> None:
    coverage = masking_of(Words(), exclude="head").coverage
    assert [(one.name, one.shape, one.why) for one in coverage.dense] == [
        ("places", (1, 5, 10), "of Words"),
        ("words.weight", (30, 10), "embedding"),
        ("norm.weight", (5, 10), "of LayerNorm"),
        ("norm.bias", (5, 10), "of LayerNorm"),
        ("frozen.weight", (4, 10), "frozen"),
        ("head.weight", (3, 10), "excluded"),
    ]
    assert (coverage.dense_weights, coverage.matrix_weights) == (300 + 150 + 40 + 30, 620)
    assert coverage.dense_share == 520 / 620
    assert coverage.density == (520 + 10) / 620


def test_the_density_over_all_matrices_is_that_of_the_parameters_themselves() -> None:
    model = Words()
    masking = masking_of(model, growth="random", update_frequency=1, include="norm.weight")
    for _ in range(3):
        matrices = [one.detach() for one in model.parameters() if one.dim() > 1]
        active = sum(
            int(masking.masks[name].sum()) if name in masking.masks else one.numel()
            for name, one in model.named_parameters()
            if one.dim() > 1
        )
        assert masking.coverage.density == active / sum(one.numel() for one in matrices)
        masking.update()


def test_a_network_that_is_masked_whole_has_one_density() -> None:
    _, masking = masked(SparsityConfig(density=0.2, seed=1))
    assert masking.coverage.dense == ()
    assert masking.coverage.density == masking.density
    assert masking.coverage.dense_share == 0
    assert repr(masking) == (
        "Masking(3 layers, 88 of 441 maskable weights active, density 0.1995; no weight matrix stays dense)"
    )


def test_masked_vectors_are_no_matrix_weights() -> None:
    masking = masking_of(nn.Sequential(nn.Linear(10, 10), nn.LayerNorm(10)), include="1.weight")
    assert (masking.maskable, masking.coverage.matrix_weights) == (110, 100)


def test_the_summary_says_both_densities() -> None:
    said = repr(masking_of(Words()))
    assert said == (
        "Masking(2 layers, 13 of 130 maskable weights active, density 0.1; 79.0% of all 620 matrix weights stay dense "
        "(words.weight (embedding), places (of Words), norm.weight (of LayerNorm) and 2 more); density 0.8113 over all "
        "of them)"
    )


def test_a_tied_embedding_is_masked_with_its_layer() -> None:
    model = nn.ModuleDict({"words": nn.Embedding(7, 5), "head": nn.Linear(5, 7, bias=False)})
    model["head"].weight = model["words"].weight
    masking = masking_of(model, density=0.4)
    assert list(masking.masks) == ["head.weight"]
    assert masking.coverage.dense == ()


def test_an_embedding_can_be_included_by_the_name_of_its_module() -> None:
    masking = masking_of(Words(), include="words")
    assert list(masking.masks) == ["words.weight", "body.weight", "head.weight"]


def test_plain_values_hold_everything() -> None:
    coverage = masking_of(Words()).coverage
    plain = coverage.as_dict()
    assert plain["dense"][1] == {"name": "words.weight", "shape": [30, 10], "weights": 300, "why": "embedding"}
    assert (plain["dense_weights"], plain["matrix_weights"]) == (490, 620)
    assert Coverage(0, 0, ()).density == 1.0


# Names.


@pytest.mark.parametrize("field", ["include", "exclude", "layer_densities"])
def test_a_name_may_be_a_module_at_any_depth(field: str) -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3))), nn.Linear(3, 3))
    chosen = choose(model, SparsityConfig.create(**{field: {"0": 0.5} if field == "layer_densities" else "0"}))
    expected = ["1.weight"] if field == "exclude" else ["0.0.weight", "0.1.0.weight", "1.weight"]
    assert [one.name for one in chosen.maskable] == expected


def test_the_density_of_a_module_is_that_of_its_layers() -> None:
    model = kind_of_network("weight-norm")
    config = SparsityConfig(density=0.3, layer_densities={"0": 0.5, "1.weight": 0.25}, seed=1)
    masking = Masking(model, make_optimizer("sgd", model), config, total_steps=9)
    active = {name: int(mask.sum()) for name, mask in masking.masks.items()}
    assert (active["0.weight"], active["1.parametrizations.weight.original1"]) == (32, 16)
    assert masking.nonzeros == round(0.3 * masking.maskable)


def test_a_wrong_name_is_answered_with_the_nearest_ones() -> None:
    with pytest.raises(
        ValueError, match=r"exclude: 'wrods' is not known\. Did you mean 'words'\? Near it: words\.weight"
    ):
        masking_of(Words(), exclude="wrods")
    with pytest.raises(ValueError, match=r"include: 'zzz' is not known\. Allowed: body\.bias, body\.weight, "):
        masking_of(Words(), include="zzz")


def test_a_name_that_the_field_is_not_about_says_what_to_name() -> None:
    with pytest.raises(ValueError, match=r"layer_densities: 'words' has no mask.*; name it in include too"):
        masking_of(Words(), layer_densities={"words": 0.5})
    vectors = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    with pytest.raises(ValueError, match=r"include: '1' has no parameter of two or more.*such as 1\.weight"):
        masking_of(vectors, include="1")


@pytest.mark.parametrize("name", ["1", "1.weight", "1.parametrizations.weight"])
def test_including_a_weight_behind_a_norm_does_not_include_its_scale(name: str) -> None:
    masking = masking_of(kind_of_network("weight-norm"), include=name)
    assert list(masking.masks) == ["0.weight", "1.parametrizations.weight.original1", "4.weight"]
    assert [one.why for one in masking.coverage.dense] == ["scale of weight_norm"]


# Averages of weights.


def test_an_average_of_differently_masked_weights_is_denser_until_it_is_masked() -> None:
    model, masking = masked(SparsityConfig(density=0.2, update_frequency=2, seed=1))
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))  # type: ignore[no-untyped-call]
    for step in range(7):
        train(model, masking, 1, start=step)
        averaged.update_parameters(model)
    weights = dict(averaged.module.named_parameters())
    nonzero = sum(int((weights[name] != 0).sum()) for name in masking.masks)
    assert nonzero > masking.nonzeros
    masking.apply_to(averaged)
    assert sum(int((weights[name] != 0).sum()) for name in masking.masks) <= masking.nonzeros == round(0.2 * 441)
    for name, mask in masking.masks.items():
        assert not weights[name][~mask].any()
        assert weights[name][mask].any()
    assert torch.equal(averaged(torch.zeros(2, 2, 5, 5)), averaged.module(torch.zeros(2, 2, 5, 5)))


def test_the_average_of_a_norm_made_before_the_masks_has_no_nan() -> None:
    model = kind_of_network("weight-norm")
    averaged = AveragedModel(model)
    masking = Masking(
        model, make_optimizer("sgd", model), SparsityConfig(density=0.05, update_frequency=2, seed=1), total_steps=9
    )
    train_on_sequences(model, masking, 5)
    averaged.update_parameters(model)
    masking.apply_to(averaged)
    assert averaged(torch.zeros(2, 5, 8)).isfinite().all()


def test_another_model_cannot_be_masked() -> None:
    _, masking = masked(SparsityConfig(density=0.2, seed=1))
    other = network()
    other[6] = nn.Linear(9, 4)
    with pytest.raises(ValueError, match=r"modules: the shape of 6\.weight is \(4, 9\)"):
        masking.apply_to(other)
    with pytest.raises(ValueError, match=r"modules: '4\.weight' is not known"):
        masking.apply_to(network()[:3])
