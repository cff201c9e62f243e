"""A small network for each kind of layer that is masked, all of them for 6 sequences of 5 steps of 8 numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from engine.sparsity import Masking

__all__ = ["KINDS", "Conv1D", "kind_of_network", "sequences", "train_on_sequences"]


class Conv1D(nn.Module):
    """As transformers has it: a linear layer whose weight is (inputs, outputs)."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.2)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.shape[:-1], self.nf)


class _Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)[0]
        return out


class _Cell(nn.Module):
    def __init__(self, layer: nn.RNNCellBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        state, outs = None, []
        for step in x.unbind(1):
            state = self.layer(step, state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs, dim=1)


class _Attention(nn.Module):
    def __init__(self, **options: int) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True, **options)
        self.key = nn.Linear(8, options.get("kdim", 8))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x, self.key(x), self.key(x), need_weights=False)[0]
        return out


class _Bilinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Bilinear(8, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x, x.flip(1))
        return out


class _Steps(nn.Module):
    """Gives a convolution its channels second."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x.transpose(1, 2)).transpose(1, 2)
        return out


def _old(norm: Callable[..., nn.Module], layer: nn.Module, *names: str) -> nn.Module:
    """Applies a norm by hooks, which torch calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for name in names or ("weight",):
            norm(layer, name)
    return layer


def _normed_attention() -> nn.Module:
    attention = _Attention()
    parametrizations.weight_norm(attention.layer, "in_proj_weight")
    return attention


KINDS: dict[str, Callable[[], nn.Module]] = {
    "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True),
    "attention": _Attention,
    "attention-kdim": lambda: _Attention(kdim=6, vdim=6),
    "lstm": lambda: _Recurrent(nn.LSTM(8, 8, num_layers=2, batch_first=True)),
    "lstm-both-ways": lambda: _Recurrent(nn.LSTM(8, 6, batch_first=True, bidirectional=True, proj_size=4)),
    "gru": lambda: _Recurrent(nn.GRU(8, 8, batch_first=True)),
    "rnn": lambda: _Recurrent(nn.RNN(8, 8, batch_first=True)),
    "lstm-cell": lambda: _Cell(nn.LSTMCell(8, 8)),
    "gru-cell": lambda: _Cell(nn.GRUCell(8, 8)),
    "bilinear": _Bilinear,
    "conv1d-of-transformers": lambda: Conv1D(8, 8),
    "weight-norm": lambda: parametrizations.weight_norm(nn.Linear(8, 8)),
    "weight-norm-all": lambda: parametrizations.weight_norm(nn.Linear(8, 8), dim=-1),
    "weight-norm-conv": lambda: _Steps(parametrizations.weight_norm(nn.Conv1d(8, 8, 3, padding=1))),
    "weight-norm-transposed": lambda: _Steps(
        parametrizations.weight_norm(nn.ConvTranspose1d(8, 8, 3, padding=1), dim=1)
    ),
    "weight-norm-hook": lambda: _old(nn.utils.weight_norm, nn.Linear(8, 8)),
    "weight-norm-hook-lstm": lambda: _Recurrent(
        _old(nn.utils.weight_norm, nn.LSTM(8, 8, batch_first=True), "weight_hh_l0", "weight_ih_l0")
    ),
    "weight-norm-lstm": lambda: _Recurrent(
        parametrizations.weight_norm(nn.LSTM(8, 8, batch_first=True), "weight_hh_l0")
    ),
    "weight-norm-attention": _normed_attention,
    "spectral-norm": lambda: parametrizations.spectral_norm(nn.Linear(8, 8)),
    "spectral-norm-conv": lambda: _Steps(parametrizations.spectral_norm(nn.Conv1d(8, 8, 3, padding=1))),
    "spectral-norm-hook": lambda: _old(nn.utils.spectral_norm, nn.Linear(8, 8)),
    "both-norms": lambda: parametrizations.spectral_norm(parametrizations.weight_norm(nn.Linear(8, 8))),
}
"""Name → a layer that maps (batch, 5, 8) to the same shape."""


def kind_of_network(kind: str, seed: int = 0) -> nn.Sequential:
    """A layer of a kind between two linear ones; its names begin with "1."."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 8), KINDS[kind](), nn.ReLU(), nn.Flatten(), nn.Linear(40, 4))


def sequences(step: int) -> tuple[Tensor, Tensor]:
    """A batch that depends on the step alone."""
    generator = torch.Generator().manual_seed(2000 + step)
    return torch.randn(6, 5, 8, generator=generator), torch.randint(4, (6,), generator=generator)


def train_on_sequences(model: nn.Module, masking: Masking, steps: int, *, start: int = 0) -> None:
    """Trains some steps."""
    for step in range(start, start + steps):
        inputs, targets = sequences(step)
        masking.optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(model(inputs), targets))
        masking.step()
