"""A recipe is made of the settings that differ from their defaults, so that a setting of a later version changes none.

Until here it was made of all settings. Two runs that were of one recipe have equal settings, so they stay of one; a run
of an older version, which knew fewer settings, joins those that have the defaults in them.

`_DEFAULTS` and `_NOT_IN_RECIPE` are those of this revision: a migration must not change with the code.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DEFAULTS: dict[str, Any] = {
    "model": "lenet300-100",
    "data": "mnist",
    "valid_split": 0.1,
    "augment": True,
    "sparse": False,
    "fix": False,
    "density": 0.33,
    "sparse_init": "ERK",
    "dense_first_layer": False,
    "growth": "random",
    "death": "magnitude",
    "redistribution": "none",
    "death_rate": 0.5,
    "decay_schedule": "cosine",
    "update_frequency": 100,
    "last_update": None,
    "threshold": 0.001,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "l2": 0.0005,
    "l1": 0.0,
    "batch_size": 100,
    "accumulate": 1,
    "epochs": 250,
    "multiplier": 1,
    "decay_frequency": None,
    "lr_decay": 0.1,
    "warmup_epochs": 0,
    "label_smoothing": 0.0,
    "clip_norm": None,
    "precision": "fp32",
    "channels_last": False,
    "compile": False,
    "deterministic": False,
    "max_steps": None,
    "weights": None,
    "start_epoch": 1,
}
_NOT_IN_RECIPE = frozenset(
    {
        "data_dir",
        "test_batch_size",
        "seed",
        "device",
        "loader_workers",
        "checkpoint_every",
        "keep_last",
        "keep_best",
        "stop_on_nonfinite",
        "save",
        "time_limit",
        "log_interval",
    }
)


def upgrade() -> None:
    _rename(_differences)


def downgrade() -> None:
    _rename(_settings)


def _differences(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in _settings(config).items() if value != _DEFAULTS.get(name)}


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _NOT_IN_RECIPE and value is not None}


def _rename(kept: Any) -> None:
    runs = sa.table("runs", sa.column("id", sa.Integer), sa.column("config", sa.JSON), sa.column("recipe", sa.String))
    connection = op.get_bind()
    for run_id, config in connection.execute(sa.select(runs.c.id, runs.c.config)).all():
        text = json.dumps(kept(config), sort_keys=True, separators=(",", ":"))
        recipe = hashlib.sha256(text.encode()).hexdigest()[:16]
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(recipe=recipe))
