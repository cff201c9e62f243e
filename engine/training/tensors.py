"""A checkpoint's weights and masks as one safetensors file, for other programs to read.

    python -m engine.training.tensors CHECKPOINT OUT [--sha256 HEX] [--metadata JSON]

The file holds `weights.NAME` for everything in the model's state, and of a sparse run `masks.NAME` and `explored.NAME`
(the weights ever active) as booleans. The torch-free caller is `itop_tui.export.safetensors_export`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.training.checkpoint import CheckpointDamagedError, read

__all__ = ["flattened", "main"]


def flattened(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint that another program can use, by the names they get.

    Args:
        state: What `engine.training.checkpoint.read` returned.
    """
    masking = state.get("masking") or {"masks": {}, "explored": {}}
    parts = {"weights": state["model"], "masks": masking["masks"], "explored": masking["explored"]}
    return {
        f"{kind}.{name}": tensor.detach().cpu().clone().contiguous()  # tied weights share memory; a file cannot
        for kind, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; returns 0, or 1 after a line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.training.tensors", description="A checkpoint as safetensors."
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sha256")
    parser.add_argument("--metadata", type=json.loads, default={})
    given = parser.parse_args(arguments)
    try:
        from safetensors.torch import save_file
    except ImportError:
        sys.stderr.write("safetensors is not installed: python -m pip install 'itop[export]' brings it\n")
        return 1
    try:
        state = read(given.checkpoint, sha256=given.sha256)
        metadata = {"step": str(state["step"]), "epoch": str(state["epoch"]), **given.metadata}
        save_file(flattened(state), str(given.out), metadata)
    except (CheckpointDamagedError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
