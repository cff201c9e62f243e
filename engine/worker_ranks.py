"""The other ranks of a run on several devices, as its worker sees them: rank 0 starts them and gives them their work.

Of a run on one device there are none, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.config.device_names import rank_count
from engine.launch.exit_reasons import Ending
from engine.launch.rank_processes import RankProcesses
from engine.worker_failures import failure_of

if TYPE_CHECKING:
    import torch

    from db.records import CheckpointRecord
    from engine.config.run_config import RunConfig
    from engine.training.parallel import Ranks

__all__ = ["OtherRanks"]

_DEATH_SECONDS = 4.0  # how long a lost contact may take to be explained by the death of another rank


class OtherRanks:
    """The ranks from 1 on, from their start to their end.

    Args:
        settings: The run's settings, as they are stored.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._size = rank_count(str(settings.get("devices") or "1"))
        self._processes: RankProcesses | None = None
        self._group: Any = None
        self._store: Any = None  # where the ranks meet, as long as they train

    def start(self) -> None:
        """Start them, before torch is imported here: they import it meanwhile.

        Raises:
            OSError: They cannot be started.
        """
        if self._size == 1:
            return
        # DDP warns of a search for unused parameters that finds none, as in some steps of some models.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        self._processes = RankProcesses(self._size)
        self._processes.start()

    def give_work(
        self, config: RunConfig, devices: Sequence[torch.device], checkpoint: CheckpointRecord | None, *, fork: bool
    ) -> None:
        """Let them read the data and build the model; what they need must be on this host by now. Once is enough.

        Args:
            config: The run's settings.
            devices: The device of each rank, of rank 0 too.
            checkpoint: What the run resumes from.
            fork: Whether that is another run's.

        Raises:
            SetupError: This torch cannot train on several devices.
        """
        if self._processes is None or self._group is not None:
            return
        from engine.rank import RankWork
        from engine.training import parallel

        self._group, self._store = parallel.offer(self._size)
        work = RankWork(
            config=config.as_dict(),
            port=self._group.port,
            device="",
            checkpoint=None if checkpoint is None else (checkpoint.path, checkpoint.sha256),
            fork=fork,
        )
        self._processes.send(lambda rank: {**work, "device": str(devices[rank])})

    def join(self, device: torch.device, ended: Callable[[Ending], None]) -> Ranks:
        """Meet them; from now on their end is this process's too.

        Args:
            device: Where rank 0 trains.
            ended: Called on another thread where one died and this process did not notice; see `RankProcesses.watch`.
        """
        from engine.training import parallel

        if self._processes is None:
            return parallel.Ranks()
        self._processes.watch(ended)
        joined: Ranks = self._group.join(0, device, store=self._store)
        return joined

    def death_behind(self, error: BaseException) -> Ending | None:
        """How one of them died, where that is what an error of this process comes from."""
        if self._processes is None:
            return None
        from engine.training.parallel import lost_contact

        lost = lost_contact(error)
        ending = self._processes.cause(_DEATH_SECONDS if lost else 0.0)
        return ending if lost or not failure_of(error).explains_itself else None

    def leave(self, *, done: bool = False) -> None:
        """End them; may be called again.

        Args:
            done: Whether they have nothing left to do, and end by themselves.
        """
        if self._processes is None:
            return
        self._processes.close(done=done)
        self._processes = None
        if self._group is not None:
            from engine.training import parallel

            parallel.leave()
        self._group = self._store = None
