"""The hash by which ranks compare their masks; that they do is tested with true ranks in tests/engine/training."""

from __future__ import annotations

import torch

from engine.sparsity import Masking, SparsityConfig
from engine.sparsity.ranks import masks_hash
from tests.engine.sparsity.helpers import network


def hashed(masking: Masking) -> int:
    return int(masks_hash(masking._layers))


def masked(seed: int) -> Masking:
    model = network(seed=3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return Masking(model, optimizer, SparsityConfig(density=0.2, seed=seed), total_steps=9)


def test_the_hash_follows_from_the_masks_alone() -> None:
    one, same, other = masked(4), masked(4), masked(5)
    same.optimizer.param_groups[0]["lr"] = 7.0
    assert hashed(one) == hashed(same) != hashed(other)
    one.update()
    assert hashed(one) != hashed(same)


def test_every_weight_that_moves_changes_it() -> None:
    masking = masked(4)
    first = hashed(masking)
    seen = {first}
    for layer in masking._layers:
        for active in range(0, len(layer.active), 7):
            was = int(layer.active[active])
            layer.active[active] = int((~layer.mask).nonzero()[0])
            seen.add(hashed(masking))
            layer.active[active] = was
    assert len(seen) > 10
    assert hashed(masking) == first
    assert len(seen) == 1 + sum(len(range(0, len(layer.active), 7)) for layer in masking._layers)
