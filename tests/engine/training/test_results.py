"""Figures: means over an epoch, throughput, and delivery in order (on CUDA: without a wait)."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from engine.training.evaluate import Interrupted, evaluate
from engine.training.results import EpochSums, FigureStream, StepHeader, Throughput


def header(step: int) -> StepHeader:
    return StepHeader(step, 1, 4, 0.1, 0.5, 0.05, 0.06, 1000.0, 0.0)


def test_cpu_figures_are_delivered_at_once() -> None:
    delivered: list[tuple[int, float, float]] = []
    stream = FigureStream(torch.device("cpu"), lambda head, loss, correct: delivered.append((head.step, loss, correct)))
    stream.push(header(1), torch.tensor(0.5), torch.tensor(3))
    assert delivered == [(1, 0.5, 3.0)]
    stream.flush()
    assert len(delivered) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_figures_arrive_in_order_and_all_of_them_by_flush() -> None:
    device = torch.device("cuda")
    delivered: list[tuple[int, float, float]] = []
    stream = FigureStream(device, lambda head, loss, correct: delivered.append((head.step, loss, correct)), depth=8)
    for step in range(1, 101):
        stream.push(header(step), torch.full((), step / 2, device=device), torch.full((), step % 5, device=device))
        assert step - len(delivered) <= 8
    stream.flush()
    assert delivered == [(step, step / 2, float(step % 5)) for step in range(1, 101)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_push_never_synchronises() -> None:
    device = torch.device("cuda")
    stream = FigureStream(device, lambda head, loss, correct: None, depth=64)
    loss, correct = torch.zeros((), device=device), torch.zeros((), device=device, dtype=torch.int64)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(1, 65):
            stream.push(header(step), loss, correct)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_epoch_means_weigh_a_smaller_last_batch_by_its_samples() -> None:
    sums = EpochSums()
    sums.add(loss=1.0, correct=2.0, samples=4)
    sums.add(loss=4.0, correct=2.0, samples=2)
    assert sums.mean_loss == pytest.approx((4 * 1.0 + 2 * 4.0) / 6)
    assert sums.accuracy == pytest.approx(4 / 6)


def test_throughput_leaves_pauses_out() -> None:
    now = [0.0]
    throughput = Throughput(clock=lambda: now[0])
    throughput.restart()
    now[0] = 0.5
    assert throughput.tick(100) == pytest.approx((0.5, 200.0))
    now[0] = 500.0
    throughput.restart()
    now[0] = 500.5
    assert throughput.tick(100) == pytest.approx((0.5, 200.0))


class Echo(nn.Module):
    """Its input is its logits."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs


def test_evaluation_by_hand() -> None:
    # Two classes, equal logits: the loss of each sample is log 2; argmax answers class 0.
    batches = [
        (torch.zeros(3, 2), torch.tensor([0, 0, 1])),
        (torch.zeros(1, 2), torch.tensor([1])),
    ]
    model = Echo()
    model.train()
    result = evaluate(model, batches, autocast=nullcontext)
    assert result.loss == pytest.approx(0.6931472, abs=1e-6)
    assert result.accuracy == 0.5
    assert model.training


def test_evaluation_can_be_broken_off() -> None:
    asked = iter([False, True])
    batches = [(torch.zeros(1, 2), torch.tensor([0]))] * 3
    model = Echo()
    with pytest.raises(Interrupted):
        evaluate(model, batches, autocast=nullcontext, interrupted=lambda: next(asked))
    assert model.training
