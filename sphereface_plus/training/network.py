"""A network as it is trained: where and in which number type it runs, and what of it learns from when on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sphereface_plus.losses.loss import Loss
from sphereface_plus.precision import DTYPES
from sphereface_plus.processes import Processes
from sphereface_plus.training import compiled_code


class TrainedNetwork:
    """Crops -> embeddings, the network on the device of its process.

    module: images (B, ...) -> embeddings (B, D); it is moved, and stays the caller's to keep and to load.
    prepare: what turns a batch's crops, on the device, into images.
    precision: fp32, bf16 or fp16, in which it runs under autocast.
    frozen: parts that do not learn (finetuning/freezing.py).
    head_steps: updates, from the first one on, in which none of it learns.
    """

    def __init__(
        self,
        module: nn.Module,
        prepare: Callable[[Tensor], Tensor],
        processes: Processes,
        *,
        precision: str = "fp32",
        channels_last: bool = False,
        compile: bool = False,
        frozen: Sequence[nn.Module] = (),
        head_steps: int = 0,
    ) -> None:
        self.module, self.prepare, self.precision = module, prepare, precision
        self.frozen, self.head_steps = frozen, head_steps
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        module.to(processes.device).to(memory_format=self.layout)  # pyright: ignore[reportCallIssue]
        if compile:
            compiled_code.keep_apart()
            module.compile()  # in place: the names in the state dict stay
        device = processes.device.type
        self.autocast = partial(torch.autocast, device, DTYPES[precision], enabled=precision != "fp32")
        learns = any(parameter.requires_grad for parameter in module.parameters())
        # What makes the gradients, and takes their mean over the processes as the backward goes.
        self.replica = _replica(module, device) if processes.world_size > 1 and learns else module

    def embed(self, crops: Tensor) -> Tensor:
        """Embeddings (B, D) of crops on the device, to be trained; float32 whatever the precision."""
        with self.autocast():
            embeddings = self.replica(self.prepare(crops).contiguous(memory_format=self.layout))
        return embeddings.float()

    @torch.no_grad()
    def embed_for_validation(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) float32 of prepared images, in evaluation mode and the training's precision."""
        self.module.eval()
        with self.autocast():
            embeddings = self.module(images.contiguous(memory_format=self.layout)).float()
        self.module.train()
        return embeddings

    def set_modes(self, step: int) -> None:
        """What does not learn does not follow the batches with its normalisation either."""
        self.module.train()
        for part in [self.module] if step < self.head_steps else self.frozen:
            part.eval()

    def joining(self, last_part: bool) -> AbstractContextManager[object]:
        """Around forward and backward of a part: processes join the accumulated gradients with the last."""
        if isinstance(self.replica, DistributedDataParallel) and not last_part:
            return self.replica.no_sync()
        return nullcontext()

    def drop_gradients(self, step: int) -> None:
        """While only the head learns; after the backward, in which DDP waits for every gradient."""
        if step < self.head_steps:
            for parameter in self.module.parameters():
                parameter.grad = None


def _replica(module: nn.Module, device: str) -> DistributedDataParallel:
    """A network whose gradients are their mean over the processes.

    On a CPU that mean has the same bits in every step. gloo's order of adding hangs on a number's place in
    what is joined at once, and DDP, which joins several gradients, puts them in another order after its first
    backward: a resumed run would not repeat one that was not stopped (findings/ddp_first_step.sh).
    """
    replica = DistributedDataParallel(module)
    if device == "cpu":
        replica.register_comm_hook(None, _mean_of_each)
    return replica


def _mean_of_each(_, bucket):  # DDP refuses annotations that are strings, as all in this file are
    sums = []
    for gradient in bucket.gradients():
        gradient.div_(dist.get_world_size())
        work = dist.all_reduce(gradient, async_op=True)
        assert work is not None
        sums.append(work.get_future())
    return torch.futures.collect_all(sums).then(lambda _: bucket.buffer())


def parameters_in_words(network: nn.Module, loss: Loss, name: str) -> str:
    """`1,584,720 parameters, and 96 of the a_softmax loss`: how many there are, and how many of them learn.

    name: of the loss.
    """
    total = sum(parameter.numel() for parameter in network.parameters())
    learnt = sum(p.numel() for p in network.parameters() if p.requires_grad)
    words = f"{total:,} parameters" + ("" if learnt == total else f", of which {learnt:,} learn")
    head = loss.num_parameters()
    return words + (f", and {head:,} of the {name} loss" if head else "")
