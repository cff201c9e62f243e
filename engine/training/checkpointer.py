"""When a run's state is saved, and which of its checkpoints stay.

The order of things makes a kill at any instant harmless. A file is written whole, then its row is committed together
with the end of the rows it replaces, after all metrics that belong before it; then the files that no row names any
more are removed. So for every row a reader sees, its file and the history up to it are there. What a kill leaves
behind is at worst a file without a row, which the next start of the run removes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from db.errors import DatabaseUnavailable, HomeGone, StoreError
from db.paths import run_folder
from db.records import CheckpointKind, CheckpointRecord
from db.retrying import lengthening, tries
from db.runs import attempts, checkpoints, removal, saved_files
from db.runs.checkpoint_places import stored
from db.session import Database
from engine.config.save_target import in_the_way, target
from engine.training import checkpoint
from engine.training.callbacks import Callback
from engine.training.console import say

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig
    from engine.training.outcome import Outcome
    from engine.training.results import EpochResult
    from engine.training.training import Training

__all__ = ["Checkpointer"]

Answer = TypeVar("Answer")

# As the metric writer's: a database, or a home, that is not there for a while must not end a training.
_PATIENCE_SECONDS = 3600.0
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.1, 2.0


class Checkpointer(Callback):
    """Saves the state: at the start, after each epoch (last, best, and each N-th), at a stop, and when asked.

    Args:
        db: Where the rows go.
        run_id: The run.
        attempt_id: The present attempt of it.
        uid: The run's, by which its folder is found; the files go to `checkpoints` in it.
        config: The run's settings: `checkpoint_every`, `keep_last`, `keep_best`, `save`.
        flush: Waits until all metrics handed over are committed.
        at_start: Whether to save before the first step, so that a run can be continued from any moment on.
    """

    def __init__(
        self,
        db: Database,
        run_id: int,
        attempt_id: int,
        uid: str,
        config: RunConfig,
        *,
        flush: Callable[[], None],
        at_start: bool = True,
    ) -> None:
        self._db = db
        self._run_id = run_id
        self._attempt_id = attempt_id
        self._uid = uid
        self._folder = run_folder(uid) / "checkpoints"
        self._said: set[str] = set()
        self._config = config
        self._flush = flush
        self._at_start = at_start

    def on_start(self, trainer: Training) -> None:
        """Remove what killed writers left, and save the state that training starts from."""
        self._remove_leftovers("which a killed writer left behind")
        if self._at_start:
            self.save(trainer, ["last"])

    def on_epoch_end(self, trainer: Training, figures: EpochResult, best: bool) -> None:
        """Save the epoch; a diverged state is not saved, so that the checkpoint before it stays."""
        if trainer.diverged is not None and self._config.stop_on_nonfinite:
            return
        kinds: list[CheckpointKind] = ["last"]
        if best and self._config.keep_best:
            kinds.append("best")
        if self._config.checkpoint_every and figures.epoch % self._config.checkpoint_every == 0:
            kinds.append("epoch")
        self.save(trainer, kinds, epoch=figures.epoch, val_accuracy=figures.val_accuracy)

    def on_end(self, trainer: Training, outcome: Outcome) -> None:
        """Save the state a stopped run resumes from; write a completed one's best weights where the user wants them."""
        if outcome.status == "stopped":
            self.save(trainer, ["stop"])
        with contextlib.suppress(StoreError):  # an attempt that is over removes nothing; the next start does
            attempts.confirm_open(self._db, self._run_id, self._attempt_id)
            self._remove_leftovers("which could not be removed before")
        if outcome.status == "completed" and self._config.save is not None:
            self._patiently(lambda: attempts.confirm_open(self._db, self._run_id, self._attempt_id))
            self._save_best(target(self._config.save), trainer)

    def _save_best(self, wanted: Path, trainer: Training) -> None:
        """Write the best weights for the user, beside a file that something else has put there meanwhile."""
        own = self._patiently(lambda: saved_files.find(self._db, self._run_id))
        path, number = wanted, 1
        while in_the_way(path, None if own is None else own.path, None if own is None else own.sha256):
            ending = f"-{number}" if number > 1 else ""
            path = wanted.with_name(f"{wanted.stem}-run-{self._run_id}{ending}{wanted.suffix}")
            number += 1
        if path != wanted:
            say(f"{wanted} was written by something else meanwhile: the best weights are in {path}")
        self._patiently(lambda: saved_files.announce(self._db, self._run_id, path))
        file = checkpoint.write(path, {"model": trainer.best_weights()}, private=False)
        self._patiently(lambda: saved_files.keep(self._db, self._run_id, path, file.sha256))

    def save_now(self, trainer: Training) -> str:
        """Save on request; return what to answer."""
        record = self.save(trainer, ["manual"])
        return f"checkpoint {record.id} at step {record.step}"

    def save(
        self,
        trainer: Training,
        kinds: list[CheckpointKind],
        *,
        epoch: int | None = None,
        val_accuracy: float | None = None,
    ) -> CheckpointRecord:
        """Write the state once, and name it as each of the kinds.

        Args:
            trainer: Whose state.
            kinds: What the checkpoint is; at least one.
            epoch: The epoch it was written after; None: within the present one.
            val_accuracy: Validation accuracy of that epoch.

        Returns:
            The checkpoint of the first kind.

        Raises:
            OSError: The disk is full, or the folder cannot be written. No file of this state is left, and all
                checkpoints from before are.
            StoreError: The home was gone, or the database took no row, for an hour; or the run was started elsewhere.
        """
        trainer.flush()
        self._flush()
        number = min(trainer.epoch, trainer.config.total_epochs) if epoch is None else epoch
        first, *others = kinds
        path, state = self._free_path(trainer.step, first), trainer.state_dict()
        file = self._put(partial(checkpoint.write, path, state))
        names = [file.path]
        try:
            wanted = (self._free_path(trainer.step, kind) for kind in others)
            names.extend(self._put(partial(checkpoint.link, file, path)).path for path in wanted)
        except OSError:
            self._remove([str(name) for name in names])
            raise
        before = self._patiently(lambda: checkpoints.for_run(self._db, self._run_id))
        record = self._patiently(
            lambda: checkpoints.add(
                self._db,
                run_id=self._run_id,
                attempt_id=self._attempt_id,
                step=trainer.step,
                epoch=number,
                kind=first,
                path=str(file.path),
                bytes=file.bytes,
                sha256=file.sha256,
                val_accuracy=val_accuracy,
                also={kind: str(name) for kind, name in zip(others, names[1:], strict=True)},
                keep={"last": self._config.keep_last, "best": self._config.keep_best},
            )
        )
        self._remove_files([one.path for one in before])
        return record

    def _put(self, write: Callable[[], Answer]) -> Answer:
        return self._patiently(lambda: _in_home(write))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        waits = False
        for last in tries(_PATIENCE_SECONDS, lengthening(_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS)):
            try:
                return ask()
            except DatabaseUnavailable as error:
                if last:
                    raise
                if not waits:
                    say(f"a checkpoint waits: {error}")
                waits = True
        raise AssertionError("the last try either answers or raises")

    def _remove_files(self, paths: list[str]) -> None:
        """Remove those files that no row names any more; where that cannot be done now, the next start does it."""
        with contextlib.suppress(DatabaseUnavailable):
            self._say_all(removal.remove(checkpoints.unreferenced(self._db, self._run_id, paths)))

    def _remove_leftovers(self, why: str) -> None:
        """Remove the files that no row names: of a killed writer, or replaced while the home was moved."""
        # By name: the folder may be reached by another path than the rows were written under.
        named = {Path(record.path).name for record in checkpoints.for_run(self._db, self._run_id)}
        for left in checkpoint.leftovers(self._folder, named):
            if not self._remove([str(left)]):
                say(f"removed {left.name}, {why}")

    def _remove(self, paths: list[str]) -> list[str]:
        """Remove files of this run that never got a row; gives, and says, why some stay."""
        problems = removal.remove(removal.Remains(self._uid, tuple(stored(self._uid, path) for path in paths)))
        self._say_all(problems)
        return problems

    def _say_all(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._said:
                self._said.add(problem)
                say(problem)

    def _free_path(self, step: int, kind: str) -> Path:
        """A name no file has: a file is never replaced under a row that still names it."""
        path = self._folder / checkpoint.file_name(step, kind)
        number = 2
        while path.exists():
            path = self._folder / checkpoint.file_name(step, f"{kind}-{number}")
            number += 1
        return path


def _in_home(write: Callable[[], Answer]) -> Answer:
    """Write to the run's folder, which is made where it is missing.

    Raises:
        HomeGone: Something vanished meanwhile, as where the home is moved; later it may be there.
    """
    try:
        return write()
    except FileNotFoundError as error:
        raise HomeGone(f"{error.filename} vanished while it was written: was the home moved?") from error
