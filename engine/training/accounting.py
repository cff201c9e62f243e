"""What training costs in FLOPs, counted as it goes, from the true layer shapes and masks."""

from __future__ import annotations

from typing import Any

from torch import nn

from engine.sparsity import LayerStats, Masking, SparsityConfig, flops, plan_layers

__all__ = ["FlopsMeter", "layer_stats"]


class FlopsMeter:
    """Adds up training FLOPs, a multiply and an add counting as two.

    Args:
        dense: The model's forward pass of one sample with all weights.
        masking: Its masks, None where it is dense.
    """

    def __init__(self, dense: flops.FlopsReport, masking: Masking | None) -> None:
        self._masking = masking
        self._report = dense
        self._dense = 3.0 * self._report.dense_forward
        self._per_sample = self._dense
        self.total = 0.0
        self.samples = 0
        self.masks_changed()

    @property
    def ratio(self) -> float | None:
        """FLOPs so far as a share of what dense training would have taken; None before the first step."""
        return self.total / (self.samples * self._dense) if self.samples else None

    def add(self, samples: int) -> None:
        """Count one step."""
        self.samples += samples
        self.total += samples * self._per_sample

    def masks_changed(self) -> None:
        """Take up the present masks; must be called after each mask update."""
        if self._masking is None:
            return
        report = self._report.at({one.layer: one.nonzeros / one.size for one in self._masking.layer_stats()})
        method = flops.method_of(self._masking.config)
        self._per_sample = flops.training_flops(
            method, report.dense_forward, report.forward, self._masking.config.update_frequency
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the sums."""
        return {"total": self.total, "samples": self.samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the sums."""
        self.total, self.samples = float(state["total"]), int(state["samples"])


def layer_stats(model: nn.Module) -> list[LayerStats]:
    """Return the maskable layers of a dense model, every weight of them active."""
    return [
        LayerStats(
            layer=layer.name,
            position=position,
            shape=layer.shape,
            size=layer.size,
            nonzeros=layer.size,
            pruned=0,
            grown=0,
            explored=layer.size,
            overlap_previous=1.0,
            overlap_first=1.0,
            survival=None,
            dead_inputs=0,
            dead_outputs=0,
        )
        for position, layer in enumerate(plan_layers(model, SparsityConfig(density=1.0)))
    ]
