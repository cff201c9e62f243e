"""FLOPs against torch's own counter; `python -m tests.engine.sparsity.flops_table` prints the table."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from engine.sparsity import flops

from .flops_table import OTHERS, CellGRU, CellLSTM, SmallGPT, attentive, built, compare, torchvision_names

FAST = (
    "alexnet",
    "convnext_tiny",
    "mobilenet_v2",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vit_b_32",
)
"""Models of torchvision that are counted quickly; the others are for `-m slow`."""


@pytest.mark.parametrize("name", [*FAST, *OTHERS])
def test_dense_flops_are_those_of_torchs_counter(name: str) -> None:
    one = compare(*built(name))
    assert one.ours == one.torchs > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in torchvision_names() if name not in FAST])
def test_dense_flops_of_every_model_of_torchvision_are_those_of_torchs_counter(name: str) -> None:
    """Swin's second version computes its position biases once a batch; torch counts them for one sample."""
    one = compare(*built(name))
    assert one.ours == pytest.approx(one.torchs, rel=0.005 if name.startswith("swin_v2") else 0)


def test_a_transformer_encoder_counts_the_same_whichever_way_torch_runs_it() -> None:
    model, inputs = built("nn.TransformerEncoder")
    trained = compare(model, inputs, training=True)
    # In each of two layers, of 12 tokens: four projections, QKᵀ and its product with V, and two linear layers.
    by_hand = 2 * 2 * 12 * (4 * 64 * 64 + 2 * 12 * 64 + 2 * 64 * 128)
    assert trained.ours == trained.torchs == by_hand
    on_cpu = OTHERS["nn.TransformerEncoder"][0]()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    report = flops.count(_LooksAtValues(on_cpu), (12, 64))
    assert torch.backends.mha.get_fastpath_enabled() == fast_path
    assert report.dense_forward == by_hand
    assert report.without_parameter == 2 * 2 * 12 * 2 * 12 * 64


@pytest.mark.parametrize(
    ("layer", "cell", "gates"),
    [(nn.LSTM(24, 48, batch_first=True), CellLSTM(24, 48), 4), (nn.GRU(24, 48, batch_first=True), CellGRU(24, 48), 3)],
    ids=["LSTM", "GRU"],
)
def test_a_recurrent_layer_counts_what_a_loop_of_its_cell_does(layer: nn.Module, cell: nn.Module, gates: int) -> None:
    """On a CPU torch runs the layer as one operation that its counter does not see, so the cells are the measure."""
    by_hand = 2 * 6 * gates * 48 * (24 + 48)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        cell(torch.zeros(1, 6, 24))
    assert counter.get_total_flops() == by_hand
    for model in (layer, cell, _LooksAtValues(layer), _LooksAtValues(cell)):
        assert flops.count(model, (6, 24)).dense_forward == by_hand


def test_torchs_counter_leaves_out_attention_where_a_cpu_runs_it_as_one_operation() -> None:
    """Its own products are counted on every device here, and named apart, so that both figures can be compared."""
    model = attentive(10, 1, 8, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 8, 8))
    report = flops.count(model, (1, 8, 8))
    assert report.dense_forward - report.without_parameter == counter.get_total_flops() == 337_152
    on_meta = compare(model, (1, 8, 8))
    assert on_meta.ours == on_meta.torchs == report.dense_forward == 337_152 + 16_384


def test_a_tied_output_layer_is_masked_under_any_of_its_names() -> None:
    model = SmallGPT()
    tokens = torch.zeros(1, 16, dtype=torch.int64)
    dense = flops.count(model, tokens)
    head = 2 * 16 * 32 * 101
    for name in ("tokens.weight", "head.weight"):
        assert dense.forward - dense.at({name: 0.25}).forward == 0.75 * head
    assert [one.dense for one in dense.per_layer if one.layer == "head.weight"] == [head]
    # Attention's own products: in two blocks of four heads of eight, 16 × 16 places, twice.
    assert dense.without_parameter == 2 * 2 * 2 * 4 * 16 * 16 * 8


class _LooksAtValues(nn.Module):
    """Runs only where tensors have values."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> object:
        assert inputs.sum().item() == 0
        return self.inner(inputs)
