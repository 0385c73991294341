"""The processes of one run: one alone, or those that torchrun started (gloo on CPU, NCCL on GPU)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, TCPStore  # pyright: ignore[reportPrivateImportUsage]

from sphereface_plus.common_start import common_start
from sphereface_plus.errors import UserError, memory_is_short
from sphereface_plus.words import counted


class DeviceError(UserError):
    """A device that is not there."""


class OthersEndedError(UserError):
    """Other processes that do not answer any more."""


LONGEST_START = timedelta(minutes=30)
"""That processes wait for each other to begin: a slow disk may keep one from importing torch for minutes."""

SECONDS_TO_BE_ENDED = 5.0
"""In which torchrun ends the processes that are left, without a word of theirs, where one has failed."""


@contextmanager
def reaching_others() -> Iterator[None]:
    """Raises OthersEndedError where the processes cannot do together what is done inside."""
    try:
        yield
    except RuntimeError as error:  # of gloo or NCCL: a connection that is closed
        if memory_is_short(error):
            raise
        raise _others_ended(error) from error


@contextmanager
def naming_lost_others() -> Iterator[None]:
    """The same around code that may raise other RuntimeErrors, too: only what gloo or NCCL says of a
    connection is taken for it."""
    try:
        yield
    except RuntimeError as error:
        of_a_connection = isinstance(error, dist.DistBackendError | dist.DistNetworkError)
        if memory_is_short(error) or not (of_a_connection or "gloo/transport" in str(error)):
            raise
        raise _others_ended(error) from error


def _others_ended(error: RuntimeError) -> OthersEndedError:
    time.sleep(SECONDS_TO_BE_ENDED)
    return OthersEndedError(
        f"another process of this torchrun does not answer any more ({_reason(error)}); what it said last "
        "tells why, or the system has ended it, as it does where memory is short"
    )


def _reason(error: RuntimeError) -> str:
    """The first sentence of gloo, NCCL or the store, which say a page."""
    return str(error).partition("\n")[0].partition(". ")[0][:200]


class _Total(torch.autograd.Function):
    """The sum of a tensor over the processes, and in backward of its gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Total.forward(ctx, gradient)


@dataclass(frozen=True)
class Processes:
    """This process among those of the run; all call its methods on tensors and flags together."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks to the user."""
        return self.rank == 0

    def describe(self) -> str:
        """What a run's bits depend on beside its config: `1 x cpu with AVX512, 2 threads, torch 2.15.0`."""
        if self.device.type == "cpu":
            capability = torch.backends.cpu.get_cpu_capability()
            place = f"cpu with {capability}, {counted(torch.get_num_threads(), 'thread')}"
        else:
            place = torch.cuda.get_device_name(self.device)
        return f"{self.world_size} x {place}, torch {torch.__version__}"

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes, the same bits in each."""
        if self.world_size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.world_size

    def total(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes: of whole numbers, such as counts, exactly."""
        if self.world_size == 1:
            return value
        total = value.detach().clone()
        with reaching_others():
            dist.all_reduce(total)
        return total

    def largest(self, value: Tensor) -> Tensor:
        """The largest of the processes' values, number by number."""
        if self.world_size == 1:
            return value
        largest = value.detach().clone()
        with reaching_others():
            dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return largest

    def stacked(self, value: Tensor) -> Tensor:
        """A tensor of each process, in the order of their ranks: (world_size, *shape), the same bits in each.

        Differentiable, of the sum of the processes' losses; all then call backward together.
        """
        if self.world_size == 1:
            return value[None]
        rows = [value if rank == self.rank else torch.zeros_like(value) for rank in range(self.world_size)]
        total = _Total.apply
        if torch.compiler.is_compiling():  # as a decorator, `disable` would load the whole compiler at import
            total = torch.compiler.disable()(total)
        return total(torch.stack(rows))

    def average(self, value: Tensor) -> None:
        """Makes a tensor its mean over the processes, in place: for the large ones, such as gradients."""
        if self.world_size > 1:
            dist.all_reduce(value)
            value.div_(self.world_size)

    def take_mains(self, value: Tensor) -> None:
        """Makes a tensor what it is in the main process, in place."""
        if self.world_size > 1:
            dist.broadcast(value, src=0)

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one of the processes."""
        if self.world_size == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        with reaching_others():
            dist.all_reduce(flags, op=dist.ReduceOp.MAX)
            return bool(flags.item())

    def mains(self, value: Any) -> Any:
        """What the main process gives, which pickle has to know; of the others nothing is taken."""
        if self.world_size == 1:
            return value
        held = [value]
        with reaching_others():
            dist.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def wait_for_all(self) -> None:
        self.any(False)


@torch.no_grad()
def gathered(values: Tensor) -> Tensor:
    """values (B, ...) of all processes, in the order of their ranks: (world_size * B, ...), detached.

    What a loss's running statistics need when several processes share a batch; losses/exchange.py has the
    same in the graph. Each process must call it, with the same shape; alone it returns its own.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return values.detach()
    everybodys = values.new_empty(len(values) * dist.get_world_size(), *values.shape[1:])
    with reaching_others():
        dist.all_gather_into_tensor(everybodys, values.detach().contiguous())
    return everybodys


def takes_cuda(device: str) -> bool:
    """Whether train.device (`auto`, `cpu` or `cuda`) means a GPU here. Raises DeviceError if none is."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "train.device is cuda, and torch finds no CUDA device here; set train.device=auto or cpu"
        )
    return device != "cpu" and torch.cuda.is_available()


def use_whole_fp32() -> None:
    """On NVIDIA GPUs torch lets convolutions in fp32 run in TF32, with 10 bits of mantissa; products of
    matrices it does not. From now on fp32 is fp32, and what is faster is asked for as bf16 or fp16."""
    torch.backends.cudnn.allow_tf32 = False


def start(device: str) -> Processes:
    """Joins the processes that torchrun started, if it did, and picks the device: `auto`, `cpu` or `cuda`."""
    use_whole_fp32()
    cuda = takes_cuda(device)
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    place = take_own_gpu() if cuda else torch.device("cpu")
    if cuda:
        torch.backends.cudnn.deterministic = True  # a resumed run repeats the uninterrupted one
    if world_size > 1 and not dist.is_initialized():
        _join("nccl" if cuda else "gloo", world_size)
    return Processes(dist.get_rank() if world_size > 1 else 0, world_size, place)


def _join(backend: str, world_size: int) -> None:
    """Joins the group that torchrun has started, by names of this start only (common_start.py)."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        dist.init_process_group(backend)
        return
    address, port, rank = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), int(os.environ["RANK"])
    try:
        store = TCPStore(address, port, world_size, is_master=False, timeout=LONGEST_START)
        store = PrefixStore(common_start(store, rank, world_size, LONGEST_START), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world_size)
    except RuntimeError as error:  # of the store, or of gloo or NCCL
        if memory_is_short(error):
            raise
        raise OthersEndedError(
            f"not all of the {world_size} processes of this torchrun began together ({_reason(error)}); "
            "what they said last, or torchrun on the other machines, tells why"
        ) from error


def take_own_gpu() -> torch.device:
    """The GPU of this process among those of its machine, which `cuda` means from now on. Raises DeviceError
    where there are fewer than processes."""
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if local_rank >= torch.cuda.device_count():
        raise DeviceError(
            f"process {local_rank} has no GPU of its own, there are {torch.cuda.device_count()}; "
            f"start torchrun with --nproc-per-node {torch.cuda.device_count()}"
        )
    place = torch.device("cuda", local_rank)
    torch.cuda.set_device(place)
    return place


def leave(code: int) -> NoReturn:
    """Ends a process that torchrun started.

    Not by sys.exit: gloo's threads abort at the interpreter's end now and then (pytorch issue 190489).
    """
    if code == 0 and dist.is_initialized():
        dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
