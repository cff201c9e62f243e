"""A sparse layer is a linear layer with zeros, in all that can be seen of it, but for what it stores."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from engine.sparsity.kernels import Products
from engine.sparsity.kernels import products as chosen_products
from engine.sparsity.kernels.products import TorchProducts
from engine.sparsity.sparse_linear import Keeping, SparseLinear, make_dense, make_sparse, number_of_parameters
from engine.sparsity.trial_pass import products_of

MASK = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 0, 1]], dtype=torch.bool)
ACTIVE = MASK.view(-1).nonzero().view(-1)


@pytest.fixture(params=["c", "torch"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Products:
    made: Products = chosen_products() if request.param == "c" else TorchProducts()
    monkeypatch.setattr("engine.sparsity.sparse_linear.products", lambda: made)
    return made


def pair(
    dtype: torch.dtype = torch.float64, *, bias: bool = True, momentum: float = 0.9
) -> tuple[nn.Linear, SparseLinear, torch.optim.Optimizer]:
    """A linear layer with zeros, the sparse one of the same weights, and the optimizer of the latter."""
    torch.manual_seed(1)
    dense = nn.Linear(5, 3, bias=bias, dtype=dtype)
    with torch.no_grad():
        dense.weight.mul_(MASK)
    module = copy.deepcopy(dense)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=momentum)
    return dense, make_sparse(module, ACTIVE, optimizer, Keeping()), optimizer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("feature_major", [True, False])
@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (2, 3, 5), (5,)])
def test_output_and_gradients_are_those_of_a_linear_layer(
    kernels: Products, shape: tuple[int, ...], feature_major: bool, bias: bool
) -> None:
    dense, module, _ = pair(bias=bias)
    module.compact.feature_major = feature_major
    one, other = (torch.linspace(-1, 1, torch.Size(shape).numel(), dtype=torch.float64).view(shape) for _ in range(2))
    expected, output = dense(one.requires_grad_()), module(other.requires_grad_())
    torch.testing.assert_close(output, expected)
    with torch.no_grad():
        torch.testing.assert_close(module(other), expected)
    torch.autograd.backward(expected.square().sum())
    torch.autograd.backward(output.square().sum())
    torch.testing.assert_close(other.grad, one.grad)
    assert dense.weight.grad is not None
    torch.testing.assert_close(module.values.grad, dense.weight.grad[MASK])
    if bias:
        assert module.bias is not None
        torch.testing.assert_close(module.bias.grad, dense.bias.grad)


def test_gradients_agree_with_finite_differences(kernels: Products) -> None:
    _, module, _ = pair()
    inputs = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    weights = module.values.detach().clone().requires_grad_()
    assert module.bias is not None

    def output(inputs: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
        parameters = {"weight": weights, "bias": bias}
        result: Tensor = torch.func.functional_call(module, parameters, (inputs,))
        return result

    assert torch.autograd.gradcheck(output, (inputs, weights, module.bias.detach().clone().requires_grad_()))


def test_the_whole_matrix_can_be_read_and_is_differentiable() -> None:
    dense, module, _ = pair()
    assert torch.equal(module.weight, dense.weight)
    torch.autograd.backward(module.weight.square().sum())
    torch.testing.assert_close(module.values.grad, 2 * module.values.detach())


def test_only_active_weights_are_stored() -> None:
    _, module, optimizer = pair()
    torch.autograd.backward(module(torch.ones(2, 5, dtype=torch.float64)).sum())
    optimizer.step()
    count = len(ACTIVE)
    assert {name: tuple(one.shape) for name, one in module.named_parameters()} == {"weight": (count,), "bias": (3,)}
    assert optimizer.state[module.values]["momentum_buffer"].shape == (count,)
    assert number_of_parameters(module) == 15 + 3


def test_states_are_those_of_a_linear_layer() -> None:
    dense, module, _ = pair()
    state = module.state_dict()
    assert torch.equal(state["weight"], dense.weight)
    other = nn.Linear(5, 3, dtype=torch.float64)
    other.load_state_dict(state)
    assert torch.equal(other.weight, dense.weight)
    module.load_state_dict({name: tensor * 2 for name, tensor in state.items()})
    assert torch.equal(module.values, 2 * dense.weight[MASK])
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        module.load_state_dict({**state, "weight": torch.zeros(3, 4)})


def test_a_loaded_state_of_another_mask_is_computed_with_until_the_layer_trains() -> None:
    dense, module, _ = pair()
    own = copy.deepcopy(module.state_dict())
    other = nn.Linear(5, 3, dtype=torch.float64)
    inputs = torch.randn(4, 5, dtype=torch.float64)
    module.load_state_dict(other.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(module(inputs), other(inputs))
    assert torch.equal(module.state_dict()["weight"], other.weight)
    module.load_state_dict(own)
    with torch.no_grad():
        torch.testing.assert_close(module(inputs), dense(inputs))

    module.load_state_dict(other.state_dict())
    module(inputs)  # with gradients: it is trained by its own mask
    assert torch.equal(module.weight, other.weight * MASK)


@pytest.mark.parametrize("count", [0, 3, 15])
def test_other_weights_become_active_while_an_older_loss_is_alive(count: int) -> None:
    _, module, optimizer = pair()
    inputs = torch.ones(2, 5, dtype=torch.float64)
    loss = module(inputs).square().sum()
    torch.autograd.backward(loss)
    optimizer.step()
    before = module.weight.detach()
    momentum = torch.zeros(15, dtype=torch.float64)
    momentum[ACTIVE] = optimizer.state[module.values]["momentum_buffer"]
    active = torch.arange(15)[-count:] if count else ACTIVE[:0]
    module.move(active, optimizer)
    kept = torch.zeros(15, dtype=torch.bool)
    kept[active] = True
    assert torch.equal(module.weight, before * kept.view(3, 5))
    assert torch.equal(optimizer.state[module.values]["momentum_buffer"], momentum[active])
    optimizer.zero_grad()
    torch.autograd.backward(module(inputs).square().sum())
    optimizer.step()
    assert module.values.shape == (count,)
    assert loss.grad_fn is not None


def test_a_dense_layer_again() -> None:
    _, module, optimizer = pair()
    torch.autograd.backward(module(torch.ones(2, 5, dtype=torch.float64)).sum())
    optimizer.step()
    weight, parameter = module.weight.detach(), module.values
    momentum = optimizer.state[parameter]["momentum_buffer"]
    again = make_dense(module, optimizer)
    assert again is module
    assert type(again) is nn.Linear
    assert again.weight is parameter
    assert torch.equal(again.weight, weight)
    whole = optimizer.state[parameter]["momentum_buffer"]
    assert torch.equal(whole[MASK], momentum)
    assert not whole[~MASK].any()


def test_copies_and_saved_modules_compute_the_same() -> None:
    _, module, _ = pair()
    inputs = torch.randn(4, 5, dtype=torch.float64)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (copy.deepcopy(module), torch.load(file, weights_only=False)):
        torch.testing.assert_close(other(inputs), module(inputs))


def test_products_are_counted_under_the_name_of_the_weight() -> None:
    _, module, _ = pair()
    counted = products_of(nn.Sequential(module), (5,), 1)
    assert [(dict(one.shares), one.flops) for one in counted] == [({"0.weight": 1.0}, 2 * 15)]


def test_a_layer_without_an_active_weight_computes_its_bias(kernels: Products) -> None:
    _, module, optimizer = pair()
    module.move(ACTIVE[:0], optimizer)
    assert module.bias is not None
    output = module(torch.ones(2, 5, dtype=torch.float64))
    torch.testing.assert_close(output, module.bias.expand(2, 3))
    torch.autograd.backward(output.sum())
