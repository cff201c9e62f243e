"""The background process of one run: ``python -m engine.worker RUN_ID --attempt ATTEMPT_ID``.

It trains one reserved run and writes down what became of it. Besides the training there are two threads: the metric
writer of the database, and a listener that keeps the heartbeat and hands commands to the training. SIGTERM and SIGINT
mean stop: a checkpoint is written first. Exit codes: 0 completed, 3 stopped, 1 failed. Without ``--attempt`` it
reserves the run for itself, for debugging by hand.

Torch is imported only after the signal handlers are in place, so that a stop is never lost to a slow import.
"""

from __future__ import annotations

import argparse
import errno
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import attempts, checkpoints, commands, paths, runs
from db.errors import StoreError
from db.records import AttemptRecord, CheckpointRecord, CommandRecord, RunRecord, RunStatus
from db.session import Database
from engine.config import ConfigError, RunConfig
from engine.launch import settle, submit
from engine.launch.processes import ProcessIdentity, host_name
from engine.training.console import say
from engine.training.control import Control

if TYPE_CHECKING:
    import torch

    from engine.training.outcome import Outcome

__all__ = ["EXIT_COMPLETED", "EXIT_FAILED", "EXIT_STOPPED", "Listener", "main"]

EXIT_COMPLETED, EXIT_FAILED, EXIT_STOPPED = 0, 1, 3

_POLL_SECONDS = 0.2
_HEARTBEAT_SECONDS = 1.0
_FINISH_SECONDS = 30.0  # how long a database that is away is waited for at the end; the warden goes on after that


class StartError(Exception):
    """The run cannot start for a reason a person understands; the message is one line."""


class Listener(threading.Thread):
    """Keeps the heartbeat, and hands commands from the database to the training.

    Args:
        db: The database.
        attempt: The attempt that is being made.
        control: Where wishes go.
        beat: Keeps the heartbeat.
    """

    def __init__(self, db: Database, attempt: AttemptRecord, control: Control, beat: Callable[[], None]) -> None:
        super().__init__(name="listener", daemon=True)
        self._db = db
        self._attempt = attempt
        self._control = control
        self._beat = beat
        self._done = threading.Event()
        self._taken: set[int] = set()
        self._stopping = False

    def close(self) -> None:
        """Stop listening; returns when the thread has ended."""
        self._done.set()
        self.join()

    def run(self) -> None:
        """Listen until closed."""
        last_beat = 0.0
        while not self._done.wait(_POLL_SECONDS):
            try:
                for command in commands.pending(self._db, self._attempt.run_id):
                    if command.id not in self._taken:
                        self._taken.add(command.id)
                        self._obey(command)
                if self._control.stop_reason is not None and not self._stopping:
                    self._stopping = attempts.set_status(self._db, self._attempt.id, RunStatus.STOPPING)
                if time.monotonic() - last_beat >= _HEARTBEAT_SECONDS:
                    last_beat = time.monotonic()
                    self._beat()
            except Exception as error:  # a database that is away for a while must not end the training
                say(f"the database does not answer: {type(error).__name__}: {error}")
                self._done.wait(_HEARTBEAT_SECONDS)

    def _obey(self, command: CommandRecord) -> None:
        def answer(outcome: str) -> None:
            commands.acknowledge(self._db, command.id, outcome)

        if command.kind == "stop":
            self._control.request_stop("stopped by user")
            answer("stopping: a checkpoint is written first")
        elif command.kind == "pause":
            self._control.request_pause(answer)
        elif command.kind == "unpause":
            self._control.request_unpause()
            answer("going on")
        else:
            self._control.request_checkpoint(answer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train one run; returns the exit code."""
    options = _parse(arguments)
    control = Control()
    for number in (signal.SIGTERM, signal.SIGINT):
        name = number.name
        signal.signal(number, lambda *_, name=name: control.request_stop(f"stopped by {name}"))
    try:
        db = Database.open()
    except StoreError as error:
        say(f"cannot open the database: {error}")
        return EXIT_FAILED
    try:
        run, attempt = _claim(db, options.run_id, options.attempt)
        return _Work(db, run, attempt, control).do()
    except (StoreError, StartError) as error:
        say(str(error))
        return EXIT_FAILED
    finally:
        db.close()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.worker", description="Train one run.")
    parser.add_argument("run_id", type=int, metavar="RUN_ID")
    parser.add_argument("--attempt", type=int, metavar="ID", help="the reserved attempt; without it one is made")
    return parser.parse_args(arguments)


def _claim(db: Database, run_id: int, attempt_id: int | None) -> tuple[RunRecord, AttemptRecord]:
    if attempt_id is None:
        wanted = str(runs.get(db, run_id).config.get("device", "auto"))
        device = _device_name(wanted)
        attempt = runs.reserve(db, run_id, host=host_name(), device=device, slots=sys.maxsize)
        if attempt is None:
            raise StartError(f"run {run_id} is {runs.get(db, run_id).status}: only a queued run can be started")
        settle.claim_by_hand(db, attempt)
    else:
        attempt = attempts.get(db, attempt_id)
        if attempt.run_id != run_id:
            raise StartError(f"attempt {attempt_id} belongs to run {attempt.run_id}, not to run {run_id}")
    return runs.get(db, run_id), attempt


def _device_name(wanted: str) -> str:
    from engine.training.setup import SetupError, resolve_device

    try:
        return str(resolve_device(wanted))
    except SetupError as error:
        raise StartError(str(error)) from None


class _Work:
    """One attempt, from claim to ending."""

    def __init__(self, db: Database, run: RunRecord, attempt: AttemptRecord, control: Control) -> None:
        self._db = db
        self._run = run
        self._attempt = attempt
        self._control = control

    def do(self) -> int:
        """Train, and write down the ending whatever it is."""
        try:
            outcome = self._train()
        except _DamagedError as damage:
            self._fall_back(damage)
            return EXIT_FAILED
        except Exception as error:  # whatever happens, the run gets its reason
            reason, expected = _reason(error)
            trace = traceback.format_exc()
            say(f"failed: {reason}" if expected else f"{trace}failed: {reason}")
            self._finish(RunStatus.FAILED, reason, EXIT_FAILED, trace)
            return EXIT_FAILED
        if outcome is None:
            return EXIT_FAILED
        code = {"completed": EXIT_COMPLETED, "stopped": EXIT_STOPPED, "failed": EXIT_FAILED}[outcome.status]
        self._finish(RunStatus(outcome.status), outcome.reason, code)
        return code

    def _train(self) -> Outcome | None:
        from db.writer import MetricWriter
        from engine.training import provenance, setup
        from engine.training.checkpointer import Checkpointer
        from engine.training.console import Console
        from engine.training.recorder import Recorder
        from engine.training.trainer import Trainer

        try:
            config = RunConfig.create(self._run.config)
        except ConfigError as error:
            raise StartError("; ".join(str(error).splitlines())) from None
        device = self._device()
        me, git = ProcessIdentity.current(), provenance.git_state()
        alive = attempts.running(
            self._db,
            self._attempt.id,
            pid=me.pid,
            start_time=me.start_time,
            boot_id=me.boot_id,
            versions=provenance.versions(device),
            commit=git.commit,
            dirty=git.dirty,
            command_line=provenance.command_line(),
        )
        if not alive:
            say("this attempt has already ended: nothing is trained")
            return None
        writer = MetricWriter(self._db, self._run.id, self._attempt.id)
        listener = Listener(self._db, self._attempt, self._control, beat=writer.progress)
        listener.start()
        try:
            start = self._start()
            setup.prepare_process(config, device)
            data = setup.load_data(config, device)
            model = setup.make_model(config, data.info)
            own = start is not None and start[0].run_id == self._run.id
            if start is not None:
                setup.load_weights(model, start[1]["model"], source=f"checkpoint {start[0].id}")
            folder = paths.run_folder(self._run.uid) / "checkpoints"
            keeper = Checkpointer(
                self._db,
                self._run.id,
                self._attempt.id,
                folder,
                config,
                flush=writer.flush,
                at_start=not own,
            )
            recorder = Recorder(writer, record_layers=not own)
            console = Console(config.log_interval)
            trainer = Trainer(config, model, data, device, [recorder, keeper, console, self._control])
            setup.set_threads(config, device, trainer.flops.dense_forward)
            if start is not None:
                trainer.load_state_dict(start[1], fork=not own)
                say(f"going on from checkpoint {start[0].id}, step {trainer.step}, epoch {trainer.epoch}")
            self._control.save = keeper.save_now
            self._control.on_pause = self._paused
            return trainer.fit()
        finally:
            listener.close()
            writer.close()

    def _device(self) -> torch.device:
        """The device the attempt was reserved for: where only that one is visible, it is number 0."""
        import torch

        from engine.training import setup

        reserved = self._attempt.device
        if reserved.startswith("cuda") and torch.cuda.device_count() == 1:
            reserved = "cuda:0"
        return setup.resolve_device(reserved)

    def _start(self) -> tuple[CheckpointRecord, dict[str, Any]] | None:
        """The state to go on from; None where the run starts afresh."""
        from engine.training import checkpoint

        if self._run.start_checkpoint_id is None:
            return None
        record = checkpoints.get(self._db, self._run.start_checkpoint_id)
        try:
            return record, checkpoint.read(Path(record.path), sha256=record.sha256)
        except checkpoint.CheckpointDamagedError as damage:
            raise _DamagedError(record, str(damage)) from None

    def _paused(self, paused: bool) -> None:
        status = RunStatus.PAUSED if paused else RunStatus.RUNNING
        say("paused; its memory stays held" if paused else "going on")
        attempts.set_status(self._db, self._attempt.id, status)

    def _finish(self, status: RunStatus, reason: str | None, code: int, trace: str | None = None) -> None:
        deadline = time.monotonic() + _FINISH_SECONDS
        while True:
            try:
                attempts.finish(
                    self._db, self._attempt.id, status=status, reason=reason, exit_code=code, traceback=trace
                )
            except Exception as error:  # whatever the driver raises; the warden knows the exit code
                if time.monotonic() > deadline:
                    say(f"the database does not take the ending: {type(error).__name__}: {error}")
                    return
                time.sleep(0.2)
            else:
                return

    def _fall_back(self, damage: _DamagedError) -> None:
        """Queue the run again from the best checkpoint there is before a damaged one, and say so."""
        from engine.training import checkpoint

        bad = damage.record
        history = attempts.for_run(self._db, self._run.id)
        for record in reversed(checkpoints.for_run(self._db, self._run.id)):
            given_up = any(one.id > (record.attempt_id or 0) and one.start_step < record.step for one in history)
            if record.id == bad.id or record.step > bad.step or given_up or bad.run_id != self._run.id:
                continue
            try:
                intact = checkpoint.checksum(Path(record.path)) == record.sha256
            except OSError:
                intact = False
            if intact:
                reason = f"{damage}; the one to go on from is checkpoint {record.id} of step {record.step}"
                say(reason)
                self._finish(RunStatus.FAILED, reason, EXIT_FAILED)
                runs.requeue_resume(self._db, self._run.id, record.id, reason=reason)
                if self._attempt.warden_pid is not None:
                    submit.ensure_scheduler(self._db)
                return
        say(f"failed: {damage}")
        self._finish(RunStatus.FAILED, f"{damage}; there is no other to go on from", EXIT_FAILED)


class _DamagedError(Exception):
    """The checkpoint to go on from cannot be used."""

    def __init__(self, record: CheckpointRecord, why: str) -> None:
        super().__init__(f"checkpoint {record.id} of step {record.step} is damaged: {why}")
        self.record = record


def _reason(error: Exception) -> tuple[str, bool]:
    """Say in one line why a run failed; True where a person needs no traceback to understand it."""
    import torch

    from engine.data import DataError
    from engine.models import ModelError
    from engine.training.setup import SetupError
    from engine.training.state import TrainingError

    text = str(error).strip()
    if isinstance(error, torch.OutOfMemoryError):
        return f"out of GPU memory: {_sentences(text, 2)}", True
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return f"out of memory: {_sentences(text, 1) or 'an allocation failed'}", True
    if isinstance(error, (DataError, ModelError, SetupError, StartError, StoreError, TrainingError)):
        return " ".join(text.split()), True
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f" while writing {error.filename}" if error.filename else f" (in {paths.home()})"
        return f"disk full{where}", True
    last = text.splitlines()[-1].strip() if text else ""
    return f"{type(error).__name__}: {last}".rstrip(": "), False


def _sentences(text: str, number: int) -> str:
    """The first sentences of a long message, on one line."""
    parts = " ".join(text.split()).split(". ")
    return ". ".join(parts[:number]).rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
