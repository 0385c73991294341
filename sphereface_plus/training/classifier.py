"""The classifier's learner: embeddings, a loss on their products with prototypes, MHE, SGD.

    total = classification loss + weighted energies      (Eq. (4) and (8) of the paper, arXiv:1805.09298)

Which energies, and of which weights, is the task's: energies.py.

A batch comes in parts of equal size, [(crops, labels), ...]. Loss and Eq. (8) are means over images, and the
other energies do not depend on the batch: the mean of the parts' gradients is the whole batch's gradient, and
so is the mean over processes, which DDP takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sphereface_plus.config import FinetuneConfig, OptimizerConfig
from sphereface_plus.networks import parameter_groups
from sphereface_plus.processes import Processes
from sphereface_plus.training import compiled_code
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.finetuning.adapters import add_adapters, load_network_state, network_state
from sphereface_plus.training.finetuning.freezing import freeze, network_groups
from sphereface_plus.training.precision import DTYPES
from sphereface_plus.training.schedules import learning_rate

Batch = Sequence[tuple[Tensor, Tensor]]


class Energies(Protocol):
    """What MHE adds to a task's loss and log (energies.py)."""

    def penalty(self, labels: Tensor, step: int) -> Tensor | None:
        """The weighted energies at this step, for a batch's labels (B,): a scalar, or None for none."""
        ...

    def measure(
        self, embeddings: Tensor, labels: Tensor, step: int, mean: Callable[[Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """Named scalars for the log; mean is that over processes."""
        ...


class Output(NamedTuple):
    """One part of a batch, forward."""

    total: Tensor  # scalar, differentiated
    classification: Tensor  # scalar
    terms: dict[str, Tensor]  # the loss's own scalars
    embeddings: Tensor  # (B, D) float32, detached


class Model(nn.Module):
    """Network, loss and energies in one forward, so that DDP averages the energies' gradients too."""

    def __init__(
        self, network: nn.Module, loss: nn.Module, energies: Energies, autocast: Callable[[], Any]
    ) -> None:
        super().__init__()
        self.network, self.loss, self.energies, self.autocast = network, loss, energies, autocast

    def forward(self, images: Tensor, labels: Tensor, step: int) -> Output:
        with self.autocast():
            embeddings = self.network(images)  # (B, D)
        embeddings = embeddings.float()  # losses and energies are fp32 whatever the network's precision
        output = self.loss(embeddings, labels, step)
        total = output.loss
        penalty = self.energies.penalty(labels, step)
        if penalty is not None:
            total = total + penalty
        return Output(total, output.loss.detach(), output.terms, embeddings.detach())


class ClassifierLearner:
    """Trains a network and the prototypes of its loss by SGD with momentum.

    network: images (B, ...) -> embeddings (B, D).
    loss: (embeddings, labels, step) -> LossOutput; has `prototypes` (C, D).
    energies: what MHE adds, of the same network's and loss's weights.
    prepare: what turns a batch's crops, on the device, into images.
    measure_every: steps between those whose update also measures the prototypes (the log steps).
    finetune: what of the network learns, and from when on; all of it from the start if not given.
    precision: fp32, bf16 or fp16, in which the network runs under autocast; fp16 scales the loss.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        *,
        prepare: Callable[[Tensor], Tensor],
        optimizer: OptimizerConfig,
        energies: Energies,
        processes: Processes,
        measure_every: int,
        finetune: FinetuneConfig | None = None,
        precision: str = "fp32",
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        device = processes.device
        finetune = finetune or FinetuneConfig()
        self.head_steps = finetune.head_steps
        self.frozen = freeze(network, finetune)
        if finetune.lora_rank is not None:
            self.frozen += add_adapters(network, finetune.lora_rank, finetune.lora_alpha)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        network.to(device).to(memory_format=self.layout)
        if compile:
            compiled_code.keep_apart()
            network.compile()  # in place: the names in the state dict stay
        autocast = partial(torch.autocast, device.type, DTYPES[precision], enabled=precision != "fp32")
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self.model = Model(network, loss.to(device), energies, autocast)
        self.replica = (
            DistributedDataParallel(self.model) if processes.world_size > 1 else self.model
        )  # what makes the gradients
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.SGD(
            [
                *network_groups(network, optimizer, finetune.layer_decay),
                *parameter_groups(
                    loss, learning_rate=optimizer.learning_rate, weight_decay=optimizer.weight_decay
                ),
            ],
            lr=optimizer.learning_rate,
            momentum=optimizer.momentum,
            fused=True,  # one pass over the weights instead of four
        )
        self.rate = partial(
            learning_rate,
            base=optimizer.learning_rate,
            milestones=optimizer.milestones,
            decay=optimizer.decay,
            warmup_steps=optimizer.warmup_steps,
        )
        self.clip_norm = optimizer.clip_norm
        self.prepare, self.processes, self.measure_every = prepare, processes, measure_every

    def update(self, batch: Batch, step: int) -> Mapping[str, float | Tensor]:
        """One SGD step. Raises NonFiniteError, in every process, before it would change the weights."""
        rate = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["lr_multiplier"]
        self.optimizer.zero_grad(set_to_none=True)
        self._set_modes(step)
        device = self.processes.device
        parts = [(crops.to(device, non_blocking=True), labels.to(device)) for crops, labels in batch]
        outputs: list[Output] = []
        for number, (crops, labels) in enumerate(parts, start=1):
            with self._averaging(number == len(parts)):
                output = self.replica(self._images(crops), labels, step)
                self.scaler.scale(output.total / len(parts)).backward()
            outputs.append(output)
        if step < self.head_steps:  # after the backward, in which DDP waits for every gradient
            for parameter in self.model.network.parameters():
                parameter.grad = None
        total = _mean([output.total.detach() for output in outputs])
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        takes_step = self._is_finite(step, total, norm)
        scalars = {"loss": self.processes.mean(total), "learning_rate": rate}
        if takes_step:
            scalars["gradient_norm"] = norm
        if self.scaler.is_enabled():
            scalars["loss_scale"] = self.scaler.get_scale()
        if step % self.measure_every == 0:
            scalars |= self._measure(outputs, torch.cat([labels for _, labels in parts]), step)
        if takes_step:
            if self.clip_norm is not None:
                torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip_norm, norm)
            # Not GradScaler.step: fused SGD, told to skip its first step, leaves its momentum uninitialised.
            self.optimizer.step()
        self.scaler.update()
        return scalars

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) float32 of prepared images, for validation: in the precision of the training."""
        self.model.eval()
        with torch.no_grad(), self.model.autocast():
            embeddings = self.model.network(images.contiguous(memory_format=self.layout)).float()
        self.model.train()
        return embeddings

    def state_dict(self) -> dict[str, Any]:
        return {
            **network_state(self.model.network),
            "loss": self.model.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "loss_scaling": self.scaler.state_dict(),  # empty but in fp16
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_network_state(self.model.network, state)
        self.model.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(state["loss_scaling"])

    def _images(self, crops: Tensor) -> Tensor:
        return self.prepare(crops).contiguous(memory_format=self.layout)

    def _set_modes(self, step: int) -> None:
        """What does not learn does not follow the batches with its normalisation either."""
        self.model.train()
        for part in [self.model.network] if step < self.head_steps else self.frozen:
            part.eval()

    def _averaging(self, last_part: bool) -> Any:
        """DDP averages the accumulated gradients once, with the last part."""
        if isinstance(self.replica, DistributedDataParallel) and not last_part:
            return self.replica.no_sync()
        return nullcontext()

    def _is_finite(self, step: int, total: Tensor, norm: Tensor) -> bool:
        """Whether the update may be made; False where a scaled loss was scaled too far, which costs a step.

        Raises NonFiniteError where scaling is not to blame: the numbers of all processes are alike in this.
        """
        # Reading waits for the GPU once a step; for that, a bad step never reaches the weights.
        loss_is_bad = not bool(torch.isfinite(total))
        if not self.processes.any(loss_is_bad or not bool(torch.isfinite(norm))):
            return True
        if self.processes.any(loss_is_bad):
            raise NonFiniteError(step, "loss")
        if self.scaler.is_enabled() and self.scaler.get_scale() > 1:
            return False
        raise NonFiniteError(step, "gradient")

    def _measure(self, outputs: list[Output], labels: Tensor, step: int) -> dict[str, Tensor]:
        scalars = {
            name: self.processes.mean(_mean([output.terms[name].to(labels.device) for output in outputs]))
            for name in outputs[0].terms
        }
        classification = _mean([output.classification for output in outputs])
        embeddings = torch.cat([output.embeddings for output in outputs])
        return (
            {"classification_loss": self.processes.mean(classification)}
            | scalars
            | self.model.energies.measure(embeddings, labels, step, self.processes.mean)
        )


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()
