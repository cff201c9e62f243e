"""The process of a further rank of a run on several devices: started by `engine.worker`, which is rank 0.

    python -m engine.rank RANK PARENT REPORT

It imports torch, reads its work from its standard input as one line of JSON, and trains its part of every batch. It
knows no database, records nothing and obeys no signal: whatever is asked of the run is asked of rank 0. It dies with
its parent. What went wrong here it reports as JSON to the open file REPORT.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, TypedDict

from engine.launch.rank_processes import die_with, report

__all__ = ["RankWork", "main"]


class RankWork(TypedDict):
    """What a rank is to do.

    Attributes:
        config: The run's settings.
        port: Where the ranks meet.
        device: Where this rank trains, as torch names it.
        checkpoint: The file to resume from and its SHA-256; None where the run starts.
        fork: Whether that checkpoint is another run's.
    """

    config: dict[str, Any]
    port: int
    device: str
    checkpoint: tuple[str, str] | None
    fork: bool


def main(arguments: list[str] | None = None) -> int:
    """Train as one rank; returns the exit code."""
    rank, parent, report_end = map(int, sys.argv[1:] if arguments is None else arguments)
    die_with(parent)
    os.set_inheritable(report_end, False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    sys.argv = [""]  # no code of a custom model or data set finds these arguments
    from engine.training import parallel, trainer  # noqa: F401 - imported while rank 0 reads the data
    from engine.worker_failures import failure_of

    line = sys.stdin.readline()
    if not line:  # rank 0 ended before there was anything to do
        return 0
    work: RankWork = json.loads(line)
    try:
        _train(rank, work)
    except BaseException as error:  # whatever happens, rank 0 is to know the reason
        failure, lost = failure_of(error), parallel.lost_contact(error)
        trace = None if failure.explains_itself or lost else traceback.format_exc()
        if not lost:
            sys.stderr.write(f"rank {rank} failed: {failure.reason}\n{trace or ''}")
        said = {"reason": failure.reason, "retry_may_help": failure.retry_may_help, "traceback": trace}
        report(report_end, {**said, "lost_contact": lost})
        return 1
    finally:
        parallel.leave()
    return 0


def _train(rank: int, work: RankWork) -> None:
    import torch

    from engine.config.run_config import RunConfig
    from engine.training import checkpoint, setup
    from engine.training.parallel import Group, seed_rank
    from engine.training.trainer import Trainer

    config, device = RunConfig.create(work["config"]), torch.device(work["device"])
    setup.prepare_process(config, device)
    data = setup.load_data(config, device)
    state = None
    if work["checkpoint"] is not None:
        path, sha256 = work["checkpoint"]
        state = checkpoint.read(Path(path), sha256=sha256)
    model = setup.make_model(config, data.info, load=state is None)
    if state is not None:
        setup.load_weights(model, state["model"], source="the checkpoint")
    ranks = Group(config.ranks, work["port"]).join(rank, device)
    trainer = Trainer(config, model, data, device, ranks=ranks)
    seed_rank(config.seed, rank)
    if state is not None:
        trainer.load_state_dict(state, fork=work["fork"])
    trainer.fit()


if __name__ == "__main__":
    sys.exit(main())
