"""Metrics: means over an epoch, throughput, and delivery in order (on CUDA: without a wait)."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from engine.training.evaluate import Interrupted, evaluate
from engine.training.results import EpochSums, MetricStream, StepHeader, Throughput


def header(step: int) -> StepHeader:
    return StepHeader(step, 1, 4, 0.1, 0.5, 0.05, 0.06, 1000.0, 0.0)


Delivered = list[tuple[int, dict[str, float]]]


def stream_into(delivered: Delivered, device: str, **options: int) -> MetricStream:
    return MetricStream(
        torch.device(device), lambda head, values: delivered.append((head.step, dict(values))), **options
    )


def test_cpu_metrics_are_delivered_at_once() -> None:
    delivered: Delivered = []
    stream = stream_into(delivered, "cpu")
    stream.push(header(1), {"loss": torch.tensor(0.5), "correct": torch.tensor(3), "percolated": 0.25})
    assert delivered == [(1, {"loss": 0.5, "correct": 3.0, "percolated": 0.25})]
    stream.flush()
    assert len(delivered) == 1


class Arrival:
    """An event of CUDA that has happened when it is said so, or when it is waited for."""

    happened = 0
    recorded = 0
    waited = 0

    def record(self) -> None:
        Arrival.recorded += 1
        self.number = Arrival.recorded

    def query(self) -> bool:
        return self.number <= Arrival.happened

    def synchronize(self) -> None:
        Arrival.waited += 1
        Arrival.happened = max(Arrival.happened, self.number)


class OnDevice(torch.Tensor):
    """A tensor that says that it is on CUDA, where there is none."""

    is_cuda = True


def on_device(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64).as_subclass(OnDevice)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA as far as the stream uses it."""
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, pin_memory, **options: empty(*size, **options))
    monkeypatch.setattr(torch.cuda, "Event", Arrival)
    for count in ("happened", "recorded", "waited"):
        monkeypatch.setattr(Arrival, count, 0)


@pytest.mark.usefixtures("pretended")
def test_any_number_of_scalars_leaves_the_device_by_one_event_a_step_and_is_waited_for_by_none() -> None:
    delivered: Delivered = []
    stream = stream_into(delivered, "cuda", depth=8, width=2)
    expected: Delivered = []
    for step in range(1, 7):
        values = {f"metric_{number}": step + number / 10 for number in range(2 if step < 4 else 50)}
        expected.append((step, values | {"host": 7.0, "whole": 3.0}))
        stream.push(
            header(step),
            {name: on_device(value) for name, value in values.items()} | {"host": 7.0, "whole": torch.tensor(3)},
        )
        assert Arrival.recorded == step
        # Growing the buffers, at step 4, waits for the three steps before it; nothing else waits.
        assert len(delivered) == (3 if step >= 4 else 0)
    assert Arrival.waited == 3
    Arrival.happened = 5
    stream.poll()
    assert len(delivered) == 5
    stream.flush()
    assert delivered == expected


@pytest.mark.usefixtures("pretended")
def test_a_full_stream_waits_for_its_oldest_step_alone() -> None:
    delivered: Delivered = []
    stream = stream_into(delivered, "cuda", depth=4)
    for step in range(1, 7):
        stream.push(header(step), {"loss": on_device(step / 2)})
        assert len(delivered) == Arrival.waited == max(0, step - 4)
    stream.flush()
    assert delivered == [(step, {"loss": step / 2}) for step in range(1, 7)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_metrics_arrive_in_order_and_all_of_them_by_flush() -> None:
    device = torch.device("cuda")
    delivered: Delivered = []
    stream = stream_into(delivered, "cuda", depth=8)
    for step in range(1, 101):
        loss, correct = torch.full((), step / 2, device=device), torch.full((), step % 5, device=device)
        stream.push(header(step), {"loss": loss, "correct": correct})
        assert step - len(delivered) <= 8
    stream.flush()
    assert delivered == [(step, {"loss": step / 2, "correct": float(step % 5)}) for step in range(1, 101)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_push_never_synchronises() -> None:
    device = torch.device("cuda")
    stream = MetricStream(device, lambda head, values: None, depth=64)
    scalars: dict[str, torch.Tensor | float] = {f"metric_{n}": torch.zeros((), device=device) for n in range(20)}
    scalars |= {"loss": torch.zeros((), device=device), "correct": torch.zeros((), device=device, dtype=torch.int64)}
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(1, 65):
            stream.push(header(step), scalars | {"host": 1.0})
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


def test_throughput_of_fast_steps_does_not_follow_a_few_of_them() -> None:
    """Five hundred steps a second of which a tenth of a second is slow: the time left must not jump."""
    now = [0.0]
    throughput = Throughput(clock=lambda: now[0])
    throughput.restart()
    rates = []
    for step in range(10_000):
        now[0] += 0.008 if 5_000 <= step < 5_025 else 0.002
        rates.append(throughput.tick(32)[1])
    assert min(rates[1:]) > 0.97 * 16_000
    assert max(rates[1:]) < 1.03 * 16_000


def test_throughput_is_that_of_steps_of_unequal_length_together() -> None:
    now = [0.0]
    throughput = Throughput(clock=lambda: now[0])
    throughput.restart()
    for _ in range(5_000):
        for seconds in (0.001, 0.009):
            now[0] += seconds
            rate = throughput.tick(10)[1]
    assert rate == pytest.approx(10 / 0.005, rel=0.01)


def test_throughput_follows_a_change_and_forgets_the_first_step() -> None:
    now = [0.0]
    throughput = Throughput(clock=lambda: now[0])
    throughput.restart()
    now[0] += 60.0
    throughput.tick(10)
    for _ in range(200):
        now[0] += 1.0
        rate = throughput.tick(10)[1]
    assert rate == pytest.approx(10.0)
    for _ in range(200):
        now[0] += 2.0
        rate = throughput.tick(10)[1]
    assert rate == pytest.approx(5.0, rel=0.01)


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
