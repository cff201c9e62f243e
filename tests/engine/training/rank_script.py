"""Trains as one of three ranks, for `test_ranks`: `python -P -m tests.engine.training.rank_script RANK FOLDER`.

Everything that needs ranks happens here, so that torch is imported once in each. Rank 0 writes what came of each case
to FOLDER, the others what they themselves have of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from engine.sparsity.ranks import MasksDifferError
from engine.training import setup
from engine.training.callbacks import Callback
from engine.training.control import Control
from engine.training.parallel import Group, Ranks, leave, seed_rank
from engine.training.results import StepResult
from engine.training.trainer import Trainer
from engine.training.training import Training
from tests.engine.training.helpers import CPU, Rows, config
from tests.engine.training.rank_cases import ACTIVE, ALONE_TOO, MODEL, NOISY, SIZES, Case
from tests.patience import wait_for


class State(Callback):
    """Keeps the state at the end, where all ranks meet."""

    value: dict[str, Any] | None = None

    def on_end(self, trainer: Training, outcome: object) -> None:
        self.value = trainer.state_dict()


class StopAfter(Callback):
    """Asks a control for a checkpoint and to stop when the results of a step arrive."""

    def __init__(self, control: Control, step: int) -> None:
        self.control, self.step = control, step
        self.answers: list[str] = []

    def on_step(self, trainer: Training, figures: StepResult) -> None:
        if figures.header.step == self.step:
            self.control.request_checkpoint(self.answers.append)
            self.control.request_stop("as the test wishes")


class Laboratory:
    """One rank, which joins a group for each case."""

    def __init__(self, rank: int, folder: Path) -> None:
        self.rank = rank
        self.folder = folder
        self.joined = 0
        self.read = setup.load_data(config(), CPU)
        where = folder / "port"
        if rank == 0:
            self.store = distributed.TCPStore("127.0.0.1", 0, max(SIZES), is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
            (folder / "port.part").write_text(str(self.store.port))
            (folder / "port.part").rename(where)
        else:
            port = int(wait_for(lambda: where.read_text() if where.exists() else None, "the port of rank 0"))
            self.store = distributed.TCPStore("127.0.0.1", port, max(SIZES), is_master=False)  # type: ignore[attr-defined]

    @contextmanager
    def group(self, size: int) -> Iterator[Ranks | None]:
        """The group of the first ranks; None for those that are not in it."""
        self.joined += 1
        if self.rank >= size:
            yield None
            return
        if size == 1:
            yield Ranks()
            return
        store = distributed.PrefixStore(str(self.joined), self.store)  # type: ignore[attr-defined]
        yield Group(size, 0).join(self.rank, CPU, store=store)
        leave()

    def trainer(self, case: Case, ranks: Ranks, callbacks: Sequence[Callback] = ()) -> Trainer:
        """A trainer made as `engine.rank` makes it; rank 0 alone has callbacks."""
        settings = config(**case.settings, devices=str(ranks.size))
        setup.prepare_process(settings, CPU)
        model = setup.make_model(settings, self.read.info)
        trainer = Trainer(settings, model, self.read, CPU, callbacks if ranks.rank == 0 else (), ranks)
        seed_rank(settings.seed, ranks.rank)
        return trainer

    def train(self, name: str, case: Case, size: int) -> None:
        """Train a case to its end, and write down the state, what would be recorded, and this rank's masks."""
        with self.group(size) as ranks:
            if ranks is None:
                return
            rows, state = Rows(), State()
            trainer = self.trainer(case, ranks, [rows, state])
            trainer.fit()
            self.write(name, size, ranks, trainer, rows, state)

    def write(
        self, name: str, size: int, ranks: Ranks, trainer: Trainer, rows: Rows | None = None, state: State | None = None
    ) -> None:
        masks = {} if trainer.masking is None else trainer.masking.masks
        weights = {key: value.clone() for key, value in trainer.model.state_dict().items()}
        result: dict[str, Any] = {"masks": masks, "weights": weights, "step": trainer.step}
        if rows is not None and ranks.rank == 0:
            assert state is not None
            result |= {"steps": rows.steps, "epochs": rows.epochs, "state": state.value}
            result["outcome"] = None if rows.outcome is None else (rows.outcome.status, rows.outcome.reason)
        torch.save(result, self.folder / f"{name}-{size}-{ranks.rank}.pt")

    def stop_and_resume(self, size: int) -> None:
        """Stop a run by its control, and let new trainers end it."""
        with self.group(size) as ranks:
            if ranks is None:
                return
            control, first = Control(), State()
            stop = StopAfter(control, 2)
            trainer = self.trainer(NOISY, ranks, [Rows(), control, stop, first])
            trainer.fit()
            torch.save(trainer.step, self.folder / f"stopped-{ranks.rank}.pt")
            saved = self.folder / "stopped.pt"
            if ranks.rank == 0:
                torch.save({"state": first.value, "answers": stop.answers}, saved)
            ranks.anyone(False)  # the file is there
            rows, state = Rows(), State()
            trainer = self.trainer(NOISY, ranks, [rows, state])
            trainer.load_state_dict(torch.load(saved, weights_only=False)["state"])
            trainer.fit()
            self.write("resumed", size, ranks, trainer, rows, state)

    def differ(self, size: int) -> None:
        """Give one rank other masks, as a fault of a rule or of a device would."""
        with self.group(size) as ranks:
            if ranks is None:
                return
            trainer = self.trainer(Case(dict(MODEL, sparse=True)), ranks)
            masking = trainer.masking
            assert masking is not None
            if ranks.rank == 1:
                torch.manual_seed(1)
                masking._generator.manual_seed(99)
            said = ""
            try:
                masking.update()
            except MasksDifferError as error:
                said = str(error)
            torch.save(said, self.folder / f"differ-{size}-{ranks.rank}.pt")


def main() -> None:
    laboratory = Laboratory(int(sys.argv[1]), Path(sys.argv[2]))
    torch.set_num_threads(1)
    for name, case in ALONE_TOO.items():
        for size in SIZES:
            laboratory.train(name, case, size)
    for name, case in ACTIVE.items():
        for part, extra in (("dense", False), ("active", True)):
            laboratory.train(f"{name}-{part}", Case({**case.settings, "reduce_active": extra}), 2)
    laboratory.train("whole", NOISY, 3)
    laboratory.stop_and_resume(3)
    laboratory.differ(2)
    laboratory.differ(3)


if __name__ == "__main__":
    main()
