"""The background process of one run: ``python -m engine.worker RUN_ID --attempt ATTEMPT_ID``.

It trains one reserved run and writes down what became of it. Besides the training there are three threads: the metric
writer of the database; a listener that keeps the heartbeat and hands commands to the training, which obeys signals too
(`engine.training.listener`); and one that reads what the run uses of its machine (`engine.training.usage_recorder`).
Exit codes: 0 completed, 3 stopped, 1 failed, 75 where the database did not answer. Without ``--attempt`` it reserves
the run for itself, for debugging by hand.

Torch is imported only after the signal handlers are in place, so that a stop is never lost to a slow import.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import paths
from db.errors import DatabaseUnavailable, HomeGone, StoreError
from db.records import AttemptRecord, CheckpointRecord, CodeFile, RunRecord, RunStatus
from db.retrying import tries
from db.runs import attempts, checkpoints, dense_matrices, removal, runs, saved_files
from db.session import Database
from engine.config import continuation
from engine.config.run_config import ConfigError, RunConfig
from engine.config.save_target import in_the_way, target, unwritable
from engine.launch import settle, submit
from engine.launch.attempt_files import write_json
from engine.launch.exit_reasons import EXIT_NO_DATABASE, Ending, out_of_time, own_modules
from engine.launch.machine import attempt_age, this_host
from engine.launch.machine_usage import UsageReader
from engine.launch.processes import ProcessIdentity
from engine.launch.start_files import absence
from engine.training.console import say
from engine.training.control import Control
from engine.training.listener import Listener, obey_signals
from engine.worker_failures import StartError, failure_of, is_over
from engine.worker_ranks import OtherRanks

if TYPE_CHECKING:
    import torch

    from engine.training.outcome import Outcome

__all__ = ["EXIT_COMPLETED", "EXIT_FAILED", "EXIT_STOPPED", "main"]

EXIT_COMPLETED, EXIT_FAILED, EXIT_STOPPED = 0, 1, 3

_GIT_SECONDS = 0.1  # how much longer than torch git may take to say of which code this is
_RETRY_SECONDS = 0.2  # between two tries to tell the database something
_FINISH_SECONDS = 30.0  # how long an unavailable database is waited for; after that the warden takes over


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run; returns the exit code."""
    options = _parse(arguments)
    control = Control()
    obey_signals(control)
    try:
        db = Database.open(make=False)
    except StoreError as error:
        say(f"cannot open the database: {error}")
        return EXIT_NO_DATABASE if isinstance(error, DatabaseUnavailable) else EXIT_FAILED
    try:
        run, attempt = _claim(db, options.run_id, options.attempt)
        return _Work(db, run, attempt, control, by_hand=options.attempt is None).do()
    except (StoreError, StartError) as error:
        say(str(error))
        return EXIT_NO_DATABASE if isinstance(error, DatabaseUnavailable) else EXIT_FAILED
    finally:
        db.close()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.worker", description="Train one run.")
    parser.add_argument("run_id", type=int, metavar="RUN_ID")
    parser.add_argument("--attempt", type=int, metavar="ID", help="the reserved attempt; without it one is made")
    options = parser.parse_args(arguments)
    if arguments is None:
        sys.argv = [""]  # no code of a custom model or data set finds the worker's arguments
    return options


def _claim(db: Database, run_id: int, attempt_id: int | None) -> tuple[RunRecord, AttemptRecord]:
    if attempt_id is None:
        if "TORCHELASTIC_RUN_ID" in os.environ:
            raise StartError("itop starts the processes of a run itself: set devices, and do not use torchrun")
        wanted = str(runs.get(db, run_id).config.get("device", "auto"))
        device = _device_names(wanted, str(runs.get(db, run_id).config.get("devices", "1")))
        attempt = runs.reserve(db, run_id, host=this_host(), device=device, slots=sys.maxsize, launched=True)
        if attempt is None:
            raise StartError(f"run {run_id} is {runs.get(db, run_id).status}: only a queued run can be started")
        settle.claim_by_hand(db, attempt)
    else:
        attempt = attempts.get(db, attempt_id)
        if attempt.run_id != run_id:
            raise StartError(f"attempt {attempt_id} belongs to run {attempt.run_id}, not to run {run_id}")
    return runs.get(db, run_id), attempt


def _device_names(wanted: str, devices: str) -> tuple[str, ...]:
    from engine.training.setup import SetupError, reservable

    try:
        return reservable(wanted, devices)
    except SetupError as error:
        raise StartError(str(error)) from None


class _Work:
    """One attempt, from claim to ending."""

    def __init__(
        self, db: Database, run: RunRecord, attempt: AttemptRecord, control: Control, *, by_hand: bool
    ) -> None:
        self._db = db
        self._run = run
        self._attempt = attempt
        self._control = control
        self._by_hand = by_hand
        self._others = OtherRanks(run.config)

    def do(self) -> int:
        """Train, and write down the ending whatever it is."""
        try:
            outcome = self._train()
        except _DamagedError as damage:
            self._fall_back(damage)
            return EXIT_FAILED
        except BaseException as error:  # whatever happens, an exit that somebody's code asked for too, has its reason
            if (over := is_over(error)) is not None:
                say(f"{over} This process records nothing more and ends.")
                return EXIT_FAILED
            if (ending := self._others.death_behind(error)) is not None:
                self._end(ending)
                return EXIT_FAILED
            failure, trace = failure_of(error, own_modules(self._run.config)), traceback.format_exc()
            say(f"failed: {failure.reason}" if failure.explains_itself else f"{trace}failed: {failure.reason}")
            retry_may_help = failure.retry_may_help
            self._finish(RunStatus.FAILED, failure.reason, EXIT_FAILED, trace, retry_may_help=retry_may_help)
            return EXIT_FAILED
        finally:
            self._others.leave()
        if outcome is None:
            return EXIT_FAILED
        code = {"completed": EXIT_COMPLETED, "stopped": EXIT_STOPPED, "failed": EXIT_FAILED}[outcome.status]
        self._finish(RunStatus(outcome.status), outcome.reason, code)
        return code

    def _end(self, ending: Ending) -> None:
        say(f"{ending.status}: {ending.reason}")
        self._finish(
            ending.status,
            ending.reason,
            EXIT_FAILED,
            ending.traceback,
            signal=ending.signal,
            retry_may_help=ending.retry_may_help,
        )

    def _end_from_outside(self, ending: Ending) -> None:
        """End this process where a rank died and the main thread waits for something that will not come."""
        self._end(ending)
        os._exit(EXIT_FAILED)

    def _train(self) -> Outcome | None:
        self._others.start()
        from engine.training import code_files
        from engine.training.code_state import Inquiry, places, program_checkout

        # First of all, so that git answers while torch is imported.
        named = str(self._run.config.get("model", "")), str(self._run.config.get("data", ""))
        files = code_files.snapshot(*named)
        code = Inquiry(places(*named), program=program_checkout(), files=[file.path for file in files])

        from db.history.writer import MetricWriter
        from engine.alarms.watching import watch_of
        from engine.config.user_imports import executed
        from engine.data.load import is_here
        from engine.training import provenance, setup
        from engine.training.checkpointer import Checkpointer
        from engine.training.console import Console
        from engine.training.mask_history import HISTORY_FILE
        from engine.training.mask_history_keeper import MaskHistoryKeeper
        from engine.training.recorder import Recorder
        from engine.training.trainer import Trainer
        from engine.training.usage_recorder import UsageRecorder

        try:
            config = RunConfig.create(self._run.config)
        except ConfigError as error:
            raise StartError("; ".join(str(error).splitlines())) from None
        if config.save is not None:
            self._check_save(config.save)
        if config.time_limit is not None:
            left = config.time_limit - attempt_age(self._attempt)
            self._control.stop_after(left, out_of_time(config.time_limit))
        devices = self._devices(config)
        device = devices[0]
        me, git = ProcessIdentity.current(), code.answer(_GIT_SECONDS)
        alive = attempts.running(
            self._db,
            self._attempt.id,
            pid=me.pid,
            start_time=me.start_time,
            boot_id=me.boot_id,
            versions=provenance.versions(device, program=git.program),
            commit=git.commit,
            dirty=git.dirty,
            command_line=provenance.command_line(self._run.id, self._attempt.id),
            diff=git.diff,
            environment=provenance.environment(os.environ),
        )
        if not alive:
            say("this attempt has already ended, or another process makes it: nothing is trained")
            return None
        self._keep_code(code_files.with_tracked(files, git.tracked), said=True)
        writer = MetricWriter(self._db, self._run.id, self._attempt.id)
        listener = Listener(self._db, self._attempt, self._control, beat=writer.progress)
        listener.start()
        usage = UsageRecorder(UsageReader(self._attempt.device.split(",")), writer.progress)
        usage.start()
        try:
            start = self._start()
            setup.prepare_process(config, device)
            own = start is not None and start[0].run_id == self._run.id
            give_work = partial(
                self._others.give_work, config, devices, None if start is None else start[0], fork=not own
            )
            if is_here(config.data, config.data_dir):  # else they wait until it has been downloaded, once
                give_work()
            data = setup.load_data(config, device)
            model = setup.make_model(config, data.info, load=start is None)
            built_from = code_files.snapshot(*named, ran=executed())
            if built_from != files:  # some are imported in a way that no statement shows
                self._keep_code(code_files.with_tracked(built_from, git.tracked))
            if start is not None:
                setup.load_weights(model, start[1]["model"], source=f"checkpoint {start[0].id}")
            keeper = Checkpointer(
                self._db,
                self._run.id,
                self._attempt.id,
                self._run.uid,
                config,
                flush=writer.flush,
                at_start=not own,
            )
            recorder = Recorder(writer, record_layers=not own, watch=watch_of(self._db, self._run.id))
            history = MaskHistoryKeeper(
                paths.run_folder(self._run.uid) / HISTORY_FILE, config.mask_history_limit * 2**20, say
            )
            console = Console(config.log_interval)
            callbacks = [recorder, history, keeper, console, usage, self._control]
            give_work()
            trainer = Trainer(config, model, data, device, callbacks, self._others.join(device, self._end_from_outside))
            if start is not None:
                trainer.load_state_dict(start[1], fork=not own)
                say(f"resuming from checkpoint {start[0].id}, step {trainer.step}, epoch {trainer.epoch}")
                for line in continuation.differences(config, start[1]["config"]):
                    say(f"  {line}")
                if (before := 1 + len(start[1].get("ranks", ()))) != config.ranks:
                    say(f"  saved by {before} ranks, resumed by {config.ranks}: sums are rounded in another order")
            if trainer.masking is not None:
                coverage = {**trainer.masking.coverage.as_dict(), "execution": trainer.masking.execution_summary}
                dense_matrices.note(self._db, self._run.id, coverage)
            self._control.save = keeper.save_now
            self._control.on_pause = lambda paused: say("paused (memory still allocated)" if paused else "resumed")
            outcome = trainer.fit()
            self._others.leave(done=True)
        except BaseException:
            usage.close()
            listener.close()
            with contextlib.suppress(StoreError):  # the reason is what ended the training, not what that leaves undone
                writer.close()
            raise
        usage.close()
        listener.close()
        writer.close()
        return outcome

    def _check_save(self, save: str) -> None:
        """Refuse to train what could not be saved where the user wants it, or only over something else.

        Raises:
            StartError: It could not.
        """
        path, own = target(save), saved_files.find(self._db, self._run.id)
        problem = unwritable(path)
        if problem is None and in_the_way(path, None if own is None else own.path, None if own is None else own.sha256):
            problem = "there is a file already, which is not this run's"
        if problem is not None:
            raise StartError(f"save = {save!r}: {problem}")

    def _keep_code(self, files: Sequence[CodeFile], *, said: bool = False) -> None:
        """Keep the user's code with the attempt; say where it is not what it was when the run was queued."""
        from db.runs import code
        from engine.training import code_files

        number = self._attempt.number
        if files:
            code.keep(self._db, self._run.id, number, files)
        if said:
            queued = code_files.queued_for(code.for_run(self._db, self._run.id), number)
            names = code_files.short_names(file.path for file in queued)
            for change in code_files.changes(queued, files):
                gone = " (it is not used any more)" if change.after is None else ""
                say(f"the code has changed since the run was queued: {names[change.path]}{gone}")

    def _devices(self, config: RunConfig) -> list[torch.device]:
        """The device of each rank: those that the attempt was reserved for, numbered from 0 where no other is visible.

        Raises:
            StartError: They are not as many as the run asks for.
        """
        import torch

        from engine.training import setup

        names = self._attempt.device.split(",")
        if all(name.startswith("cuda") for name in names) and torch.cuda.device_count() == len(names):
            names = [f"cuda:{index}" for index in range(len(names))]
        if names == ["cpu"]:
            names *= config.ranks
        if len(names) != config.ranks:
            raise StartError(f"devices = {config.devices!r}: the run was given {self._attempt.device}")
        return [setup.resolve_device(name) for name in names]

    def _start(self) -> tuple[CheckpointRecord, dict[str, Any]] | None:
        """The state to resume from; None where the run starts from the beginning."""
        from engine.training import checkpoint

        if self._run.start_checkpoint_id is None:
            return None
        record = checkpoints.get(self._db, self._run.start_checkpoint_id)
        try:
            return record, checkpoint.read(Path(record.path), sha256=record.sha256)
        except checkpoint.CheckpointDamagedError as damage:
            if not paths.home().is_dir():
                raise HomeGone(f"The home {paths.home()} is not there any more: was it moved?") from None
            raise _DamagedError(record, str(damage)) from None

    def _finish(
        self,
        status: RunStatus,
        reason: str | None,
        code: int,
        trace: str | None = None,
        *,
        signal: int | None = None,
        retry_may_help: bool = False,
    ) -> None:
        # Started by hand, for debugging: the failure itself is wanted, not its repetition.
        retry_may_help = retry_may_help and not self._by_hand
        said = settle.attempt_files_of(self._run.uid, self._attempt).said
        word = Ending(status, reason or "", code, signal, time.time(), trace, retry_may_help)
        with contextlib.suppress(OSError):  # for an unavailable database: the warden passes it on
            write_json(said, word.as_dict())
        taken = self._insist(
            lambda: attempts.finish(
                self._db,
                self._attempt.id,
                status=status,
                reason=reason,
                exit_code=code,
                signal=signal,
                traceback=trace,
                retry_may_help=retry_may_help,
            ),
            "the ending",
            Exception,  # whatever the driver raises; the warden knows the exit code
        )
        if taken:
            removal.remove_files(said.parent, said.name)

    def _insist(self, tell: Callable[[], object], what: str, failure: type[Exception]) -> bool:
        """Write something to the database, again and again while it is unavailable; False where time ran out."""
        for last in tries(_FINISH_SECONDS, _RETRY_SECONDS):
            try:
                tell()
            except failure as error:
                if last:
                    say(f"the database does not take {what}: {type(error).__name__}: {error}")
            else:
                return True
        return False

    def _fall_back(self, damage: _DamagedError) -> None:
        """Queue the run again from the best checkpoint there is before a damaged one, and say so."""
        from engine.training import checkpoint

        attempts.confirm_open(self._db, self._run.id, self._attempt.id)
        bad = damage.record
        for record in checkpoints.before(self._db, bad.id) if bad.run_id == self._run.id else ():
            try:
                intact = checkpoint.checksum(Path(record.path)) == record.sha256
            except OSError:
                intact = False
            if intact:
                reason = f"{damage}; the run resumes from checkpoint {record.id} of step {record.step}"
                say(reason)
                self._finish(RunStatus.FAILED, reason, EXIT_FAILED)
                runs.requeue_resume(self._db, self._run.id, record.id, reason=reason)
                if self._attempt.warden_pid is not None:
                    submit.ensure_scheduler(self._db)
                return
        say(f"failed: {damage}")
        self._finish(RunStatus.FAILED, f"{damage}; there is no other to resume from", EXIT_FAILED)


class _DamagedError(Exception):
    """The checkpoint to resume from cannot be used."""

    def __init__(self, record: CheckpointRecord, why: str) -> None:
        missing = absence(record)
        super().__init__(missing or f"checkpoint {record.id} of step {record.step} is damaged: {why}")
        self.record = record


if __name__ == "__main__":
    sys.exit(main())
