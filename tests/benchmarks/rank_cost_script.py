"""One of two ranks that time a step of the trainer beside one of plain DDP, for `test_rank_cost`.

python -P -m tests.benchmarks.rank_cost_script RANK PORT OUT
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from engine.config.catalogue import DATASETS
from engine.config.run_config import RunConfig
from engine.data import DataBundle, TensorSplit
from engine.training import setup
from engine.training.optim import build_optimizer
from engine.training.parallel import Group, Ranks, Size, leave
from engine.training.trainer import Trainer

CPU = torch.device("cpu")
CASES = {  # model: data set, batch, steps a block, blocks; an update in each block
    "lenet300-100": ("mnist", 100, 100, 12),
    "wrn-16-8": ("cifar10", 4, 2, 2),
}


def noise(data: str, images: int) -> DataBundle:
    """As many images of noise."""
    info = DATASETS[data]
    split = TensorSplit(torch.rand(images, *info.shape), torch.randint(0, info.classes, (images,)))
    return DataBundle(info, split, None, split, seed=1)


def ours(config: RunConfig, data: DataBundle, ranks: Ranks) -> Iterator[None]:
    """Steps of the trainer."""
    trainer = Trainer(config, setup.make_model(config, data.info), data, CPU, ranks=ranks)
    trainer.model.train()
    while True:
        for inputs, targets, size in trainer._batches("train", config.batch_size, epoch=1):
            trainer._train_step([(inputs, targets, Size(*size))])
            trainer._between_steps()
            yield


def plain(config: RunConfig, data: DataBundle, ranks: Ranks) -> Iterator[None]:
    """Steps of a loop with DDP and `Masking` alone, whose masks are not compared."""
    model: nn.Module = DistributedDataParallel(setup.make_model(config, data.info))
    optimizer = build_optimizer(model, config)
    masking = setup.make_masking(config, model, optimizer, total_steps=10_000)
    criterion, shared = nn.CrossEntropyLoss(), data.shared(ranks.share)
    assert masking is not None
    model.train()
    while True:
        for inputs, targets in shared.batches("train", config.batch_size, epoch=1):
            optimizer.zero_grad(set_to_none=True)
            loss: Tensor = criterion(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            with patch("engine.sparsity.masking.check_same_masks"):
                masking.step()
            loss.item()
            yield


def main() -> None:
    """Time blocks of both, in turns: on the wall, and of this rank's processor time."""
    torch.set_num_threads(1)
    rank, port, out = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    store = torch.distributed.TCPStore("127.0.0.1", port, 2, is_master=rank == 0)  # type: ignore[attr-defined]
    ranks = Group(2, port).join(rank, CPU, store=store)
    measured: dict[str, list[list[tuple[float, float]]]] = {}
    for model, (name, batch, steps, blocks) in CASES.items():
        config = RunConfig.create(
            model=model, data=name, batch_size=batch, sparse=True, density=0.1, growth="gradient", devices="2",
            update_frequency=steps, device="cpu",
        )  # fmt: skip
        data = noise(name, 10 * batch)
        kinds: tuple[Callable[[RunConfig, DataBundle, Ranks], Iterator[None]], ...] = (plain, ours)
        loops = [kind(config, data, ranks) for kind in kinds]
        measured[model] = []
        for block in range(blocks + 1):
            seconds = []
            for loop in loops:
                ranks.anyone(False)
                began, busy = time.perf_counter(), time.process_time()
                for _ in islice(loop, steps):
                    pass
                seconds.append(((time.perf_counter() - began) / steps, (time.process_time() - busy) / steps))
            if block:  # in the first everything warms up
                measured[model].append(seconds)
    if rank == 0:
        out.write_text(json.dumps(measured))
    leave()


if __name__ == "__main__":
    main()
