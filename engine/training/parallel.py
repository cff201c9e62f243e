"""Several processes that train one run together, each on a device and a part of every batch (data-parallel training).

Each process, a *rank*, has the whole model, the same masks and the same order of images. It computes the gradient of
its part of a batch; DistributedDataParallel adds the parts up, so that every rank takes the same step. Rank 0 alone has
callbacks: it records, saves and listens. What it wants to do between two steps, all ranks do at one step: with the sums
of a step they exchange whether somebody wants to meet, and meet after the next one. `Ranks` of one process is the
ordinary case, in which there is nothing to exchange.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from enum import IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from engine.data.order import WHOLE, Share, derive_seed
from engine.training import checkpoint
from engine.training.results import StepHeader
from engine.training.setup import SetupError, seed_everything

if TYPE_CHECKING:  # not every build of torch has it
    from torch.distributed.distributed_c10d import Store

__all__ = [
    "Group",
    "JoinedRanks",
    "Ranks",
    "Size",
    "Step",
    "Wish",
    "leave",
    "lost_contact",
    "offer",
    "seed_rank",
    "stay_local",
    "synchronised",
]

_PATIENCE = timedelta(days=30)
"""How long ranks wait for each other: a paused run waits for a person. A rank that died is noticed by its process."""

_ORDER_GO, _ORDER_STOP, _ORDER_RANDOM = 0, 1, 2
_MEET, _DIVERGED, _LOSS, _CORRECT = range(4)
_LOST = ("gloo/", "Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "socket")


Step = tuple[StepHeader, dict[str, Tensor | float]]
"""A step and its metrics by name, among them its mean loss and its number of correct answers."""


class Wish(IntFlag):
    """What a rank wants all ranks to do."""

    NOTHING = 0
    MEET = 1
    """Stand between two steps, where rank 0 may save, wait or stop."""
    DIVERGED = 2
    """End the run, whose loss or weights became NaN or infinite."""


class Size(NamedTuple):
    """How many samples of a batch count on this rank, and how many it has in all."""

    own: int
    whole: int


class Ranks:
    """A process that trains alone.

    Attributes:
        rank: Its number, from 0.
        size: How many ranks there are.
        share: Which part of every batch it computes.
    """

    rank = 0
    size = 1
    share: Share = WHOLE

    def around(self, forward: nn.Module, shape: tuple[int, ...], *, compiled: bool) -> nn.Module:
        """Return a model whose backward pass adds up the gradients of all ranks.

        Args:
            forward: The model, on its device.
            shape: That of one input.
            compiled: Whether torch.compile made it.
        """
        return forward

    def unsynced(self, forward: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Return the context of a forward and backward pass: gradients are added up after the last one of a step."""
        return nullcontext()

    def weighted(self, loss: Tensor, size: Size) -> Tensor:
        """Return the mean loss of this rank's part, scaled so that the gradients add up to that of the whole batch."""
        return loss

    def counted(self, value: Tensor, size: Size, *, mean: bool) -> Tensor:
        """Return what this rank's part adds to a sum over the ranks; `mean` where the value is a mean over its part."""
        return value

    def push(self, step: Step, wish: Callable[[], Wish]) -> list[Step]:
        """Add up a step's loss and correct answers over the ranks; returns the steps for which that is done."""
        return [step]

    def drain(self) -> list[Step]:
        """Wait for the sums of the step that is still on its way, and return it."""
        return []

    def agreed(self, wish: Wish) -> bool:
        """Whether all ranks know that one of them wants this; alone, a process may always act."""
        return True

    def together(self, lead: Callable[[], None], stops: Callable[[], bool]) -> bool:
        """Let rank 0 do something while the others serve it; returns whether the run is to stop, on every rank."""
        lead()
        return stops()

    def anyone(self, wish: bool) -> bool:
        """Whether a rank says so; every rank must ask."""
        return wish

    def total(self, values: Tensor) -> Tensor:
        """Return the sums of values over all ranks."""
        return values

    def share_buffers(self, model: nn.Module) -> None:
        """Give every rank the buffers that rank 0 has, such as the running means of batch norm."""

    def random_states(self, device: torch.device) -> list[dict[str, Any]]:
        """Return the states of the generators of every rank, rank 0 first; only where the others serve rank 0."""
        return [checkpoint.random_state(device)]


@dataclass(slots=True)
class _Pending:
    """A step whose sums are on their way to all ranks."""

    header: StepHeader
    scalars: dict[str, Tensor | float]
    sums: Tensor
    work: distributed.Work
    delivered: bool = False

    def wish(self) -> Wish:
        """What ranks wanted when they sent it."""
        self.work.wait()
        meet, diverged = self.sums[:_LOSS].tolist()
        return (Wish.MEET if meet else Wish.NOTHING) | (Wish.DIVERGED if diverged else Wish.NOTHING)

    def take(self) -> list[Step]:
        """The step with its sums, once."""
        if self.delivered:
            return []
        self.work.wait()
        self.delivered = True
        if len(self.sums) > _LOSS:
            _, _, loss, correct = self.sums.tolist()
            self.scalars |= {"loss": loss, "correct": correct}
        return [(self.header, self.scalars)]


class JoinedRanks(Ranks):
    """One of several ranks, as `Group.join` makes it.

    Args:
        rank: Its number, from 0.
        size: How many there are.
        device: Where it trains.
        side: The group for what travels beside the gradients; its members wait without using a processor.
    """

    def __init__(self, rank: int, size: int, device: torch.device, side: distributed.ProcessGroup) -> None:
        self.rank = rank
        self.size = size
        self.share = Share(rank, size)
        self._device = device
        self._side = side
        self._pending: _Pending | None = None
        self._agreed = Wish.NOTHING
        self._leads = False

    def around(self, forward: nn.Module, shape: tuple[int, ...], *, compiled: bool) -> nn.Module:
        """Wrap a model, whose weights become those of rank 0.

        DDP moves gradients to other buckets after its first step, and so adds them up in another order. A resumed run
        would do so a step later than one that was not interrupted. It is made to do it now, by a pass that leaves
        nothing behind. Where parameters are not used it must look for them at every step, and moves nothing; so it does
        for a compiled model, which would be compiled again for the inputs of that pass.
        """
        ids = [self._device] if self._device.type == "cuda" else None
        if compiled:
            return DistributedDataParallel(forward, device_ids=ids, find_unused_parameters=True)
        inputs = torch.zeros(2, *shape, device=self._device)
        with _leaving_nothing(forward, self._device):
            forward(inputs).sum().backward()
            unused = any(one.requires_grad and one.grad is None for one in forward.parameters())
        search = self.anyone(unused)
        wrapped = DistributedDataParallel(forward, device_ids=ids, find_unused_parameters=search)
        if not search:
            with _leaving_nothing(forward, self._device):
                wrapped(inputs).sum().backward()
        return wrapped

    def unsynced(self, forward: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Keep gradients to this rank until the last pass of a step."""
        if last:
            return nullcontext()
        assert isinstance(forward, DistributedDataParallel)
        context: AbstractContextManager[None] = forward.no_sync()
        return context

    def weighted(self, loss: Tensor, size: Size) -> Tensor:
        """Scale by the part's share of the batch, and by the ranks, over which DDP takes the mean."""
        return loss * (size.own * self.size / size.whole)

    def counted(self, value: Tensor, size: Size, *, mean: bool) -> Tensor:
        """Count a mean by the part's share of the batch; a sum whole, unless nothing of the batch counts here."""
        return value * (size.own / size.whole if mean else float(size.own > 0))

    def push(self, step: Step, wish: Callable[[], Wish]) -> list[Step]:
        """Send a step's sums on their way, with what this rank wants; take up those of the step before.

        On a GPU loss and correct answers are added up there, and nothing waits for them.
        """
        (header, scalars), wanted = step, wish()
        sent = [float(Wish.MEET in wanted), float(Wish.DIVERGED in wanted)]
        names = ("loss", "correct")
        if self._device.type == "cuda":
            parts = torch.stack([torch.as_tensor(scalars[name], device=self._device).double() for name in names])
            distributed.all_reduce(parts)
            scalars = {**scalars, "loss": parts[0], "correct": parts[1]}
        else:
            sent += [float(scalars[name]) for name in names]
        sums = torch.tensor(sent, dtype=torch.float64)
        work = distributed.all_reduce(sums, group=self._side, async_op=True)
        assert work is not None
        before, self._pending = self._pending, _Pending(header, scalars, sums, work)
        ready = [] if before is None else before.take()
        self._agreed = Wish.NOTHING if before is None else before.wish()
        if self._device.type == "cuda":
            self._pending.delivered = True
            ready.append((header, scalars))
        return ready

    def drain(self) -> list[Step]:
        """Wait for the sums of the last step. What ranks wanted with it counts at the next one, on all of them."""
        return [] if self._pending is None else self._pending.take()

    def agreed(self, wish: Wish) -> bool:
        """Whether a rank wanted this when the step before the last one ended."""
        return wish in self._agreed

    def together(self, lead: Callable[[], None], stops: Callable[[], bool]) -> bool:
        """Lead, as rank 0, or serve it until it lets this rank go on."""
        if self.rank == 0:
            self._leads = True
            lead()
            self._leads = False
            stop = stops()
            self._order(_ORDER_STOP if stop else _ORDER_GO)
            return stop
        while (order := self._order()) == _ORDER_RANDOM:
            self._gather()
        return order == _ORDER_STOP

    def anyone(self, wish: bool) -> bool:
        """Ask all ranks."""
        flag = torch.tensor([int(wish)])
        distributed.all_reduce(flag, distributed.ReduceOp.MAX, group=self._side)
        return bool(flag)

    def total(self, values: Tensor) -> Tensor:
        """Add values up over the ranks."""
        sums = values.cpu()
        distributed.all_reduce(sums, group=self._side)
        return sums

    def share_buffers(self, model: nn.Module) -> None:
        """Take over the buffers of rank 0."""
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)

    def random_states(self, device: torch.device) -> list[dict[str, Any]]:
        """Ask the others for the states of their generators.

        Raises:
            RuntimeError: They are training meanwhile, and would not answer.
        """
        if not self._leads:
            raise RuntimeError("the state of a run on several devices can be taken only where all of them meet")
        self._order(_ORDER_RANDOM)
        return self._gather()

    def _order(self, order: int = 0) -> int:
        """Send an order as rank 0, or receive one."""
        sent = torch.tensor([order])
        distributed.broadcast(sent, src=0, group=self._side)
        return int(sent)

    def _gather(self) -> list[dict[str, Any]]:
        found: list[Any] | None = [None] * self.size if self.rank == 0 else None
        distributed.gather_object(checkpoint.random_state(self._device), found, dst=0, group=self._side)
        return found or []


@contextmanager
def _leaving_nothing(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Train for a moment, and put buffers, gradients and generators back as they were."""
    random = checkpoint.random_state(device)
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    was_training = model.training
    model.train()
    try:
        yield
    finally:
        model.train(was_training)
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        checkpoint.restore_random_state(random, device)


# ------------------------------------------------------------------ joining


@dataclass(frozen=True, slots=True)
class Group:
    """Where the ranks of a run on this host meet.

    Attributes:
        size: How many they are.
        port: The port of rank 0's store, on this host's loopback.
    """

    size: int
    port: int

    def join(self, rank: int, device: torch.device, *, store: Store | None = None) -> JoinedRanks:
        """Become one of the ranks; returns when all have.

        Args:
            rank: Which one.
            device: Where it trains.
            store: The store, for rank 0, which has it.

        Raises:
            SetupError: This torch cannot do it.
        """
        stay_local(os.environ)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if store is None:
            from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not say that it is exported

            store = TCPStore("127.0.0.1", self.port, self.size, is_master=False)
        backend = "nccl" if device.type == "cuda" and distributed.is_nccl_available() else "gloo"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=self.size, timeout=_PATIENCE)
        side = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        assert isinstance(side, distributed.ProcessGroup)
        return JoinedRanks(rank, self.size, device, side)


def offer(size: int) -> tuple[Group, Store]:
    """Open the place where the ranks of a run meet; keep the store as long as they train.

    Raises:
        SetupError: This torch cannot train on several devices.
    """
    if not distributed.is_available() or not distributed.is_gloo_available():
        raise SetupError(f"devices = {size}: this torch was built without torch.distributed and gloo")
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not say that it is exported

    store = TCPStore("127.0.0.1", 0, size, is_master=True, wait_for_workers=False)
    return Group(size, store.port), store


def leave() -> None:
    """Leave the group, if this process is in one."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def seed_rank(seed: int, rank: int) -> None:
    """Let the generators of a further rank draw something else than those of rank 0, such as another dropout."""
    if rank:
        seed_everything(derive_seed(seed, "rank", rank) % 2**32)


def stay_local(environment: MutableMapping[str, str]) -> None:
    """Let gloo use the loopback, unless the user chose an interface: else it asks what address the host's name has."""
    environment.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")


def lost_contact(error: BaseException) -> bool:
    """Whether an error may only say that another rank is gone."""
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and any(part in str(error) for part in _LOST)


def synchronised(model: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norm see the batch of all ranks.

    Raises:
        SetupError: The ranks train on the CPU, for which torch has no such batch norm.
    """
    if device.type == "cpu":
        raise SetupError("sync_batchnorm = True: torch's SyncBatchNorm computes on GPUs only; this run is on the CPU")
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return converted
