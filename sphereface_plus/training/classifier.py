"""The classifier's learner: embeddings, a loss on their products with prototypes, MHE, SGD.

    total = classification loss + weighted energies      (Eq. (4) and (8) of the paper, arXiv:1805.09298)

Which energies, and of which weights, is the task's: energies.py.

A batch comes in parts of equal size, [(crops, labels), ...]. Loss and Eq. (8) are means over images: the mean
of the parts' gradients is the whole batch's gradient, and so is the mean over processes. Energies that do not
depend on the batch are added to its last part. DDP joins the network's gradients over the processes, those of
energies among them, which are in the same backward; the loss joins its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sphereface_plus.config import FaceConfig, ImageConfig
from sphereface_plus.losses.loss import Loss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.processes import Processes
from sphereface_plus.training.energies import Energies
from sphereface_plus.training.failures import NonFiniteError
from sphereface_plus.training.finetuning.adapters import load_network_state, network_state
from sphereface_plus.training.network import TrainedNetwork
from sphereface_plus.training.sgd import ScheduledSGD
from sphereface_plus.training.sizes import size_of

Batch = Sequence[tuple[Tensor, Tensor]]


class Output(NamedTuple):
    """One part of a batch, after its backward; detached."""

    total: Tensor  # scalar, with the energies that depend on the batch
    scalars: dict[str, Tensor]  # for the log; empty in steps that are not measured


class ClassifierLearner:
    """Trains a network and the prototypes of its loss.

    loss: (embeddings, labels, step) -> LossOutput, with its parameters; the head on the network.
    energies: what MHE adds, of the same network's and loss's weights.
    optimizer: of the network's and the loss's parameters.
    measure_every: steps between those whose update also measures the prototypes (the log steps).
    """

    def __init__(
        self,
        network: TrainedNetwork,
        loss: Loss,
        *,
        energies: Energies,
        optimizer: ScheduledSGD,
        processes: Processes,
        measure_every: int,
    ) -> None:
        self.network, self.loss, self.energies = network, loss.to(processes.device), energies
        self.optimizer, self.processes, self.measure_every = optimizer, processes, measure_every
        loss.begin_alike(processes)

    def update(self, batch: Batch, step: int) -> Mapping[str, float | Tensor]:
        """One SGD step. Raises NonFiniteError, in every process, before it would change the weights."""
        rate = self.optimizer.begin(step)
        self.network.set_modes(step)
        self.loss.train()
        parts = self._on_device(batch)
        self.loss.begin(step, torch.cat([labels for _, labels in parts]))
        outputs, penalty, gradient = self._backward(parts, step)
        self._join_gradients(step)
        total = _mean([output.total for output in outputs])
        if penalty is not None:
            total = total + penalty
        norm = self.optimizer.unscale()
        takes_step = self._is_finite(step, total, norm)
        scalars = {"loss": self.processes.mean(total), "learning_rate": rate}
        if takes_step:
            scalars["gradient_norm"] = norm
        if self.optimizer.scale is not None:
            scalars["loss_scale"] = self.optimizer.scale
        if self._is_measured(step):
            scalars |= self._measure(outputs, gradient, torch.cat([labels for _, labels in parts]), step)
        if takes_step:
            self.optimizer.step(norm)
        else:
            self.optimizer.skip()
        return scalars

    def is_healthy(self, part: tuple[Tensor, Tensor]) -> bool:
        """Whether the network gives finite embeddings of one part's crops."""
        crops, _ = part
        embeddings = self.embed(self.network.prepare(crops.to(self.processes.device)))
        return bool(torch.isfinite(embeddings).all())

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) float32 of prepared images, for validation: in the precision of the training."""
        return self.network.embed_for_validation(images)

    def state_dict(self) -> dict[str, Any]:
        energies = self.energies.state_dict()
        return {
            **network_state(self.network.module),
            "loss": self.loss.kept_state(),
            **self.optimizer.state_dict(),
            **({"energies": energies} if energies else {}),
        }

    def state_size(self) -> int:
        weights = network_state(self.network.module), self.loss.kept_state()
        return size_of([*weights, self.energies.state_dict()]) + self.optimizer.state_size()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_network_state(self.network.module, state)
        self.loss.load_kept_state(state["loss"])
        self.optimizer.load_state_dict(state)
        if "energies" in state:  # checkpoints of older versions have none
            self.energies.load_state_dict(state["energies"])

    def _on_device(self, batch: Batch) -> Batch:
        device = self.processes.device
        return [(crops.to(device, non_blocking=True), labels.to(device)) for crops, labels in batch]

    def _backward(self, parts: Batch, step: int) -> tuple[list[Output], Tensor | None, Tensor | None]:
        """Gradients of the mean over the parts. Returns the parts, the energies that do not depend on the
        batch, and, in measured steps, the mean of what Energies.gradient_of gives."""
        outputs, penalty, gradient = [], None, None
        for number, (crops, labels) in enumerate(parts, start=1):
            is_last = number == len(parts)
            with self.network.joining(is_last):
                output = self.loss(self.network.embed(crops), labels, step)
                scalars = {}
                if self._is_measured(step):
                    scalars = self._look_at(output)
                    gradient = _sum(gradient, self.energies.gradient_of(output.loss))
                total, seen = output.loss, output.seen
                del output  # with it the head, whose products (B, C) the backward would keep alive
                of_batch = self.energies.of_batch(seen, step)
                if of_batch is not None:
                    total = total + of_batch
                share = total / len(parts)
                if is_last:  # after the forward, in which some losses change their prototypes in place
                    penalty = self.energies.of_weights(step)
                    share = share if penalty is None else share + penalty
                self.optimizer.scaled(share).backward()
            outputs.append(Output(total.detach(), scalars))
        gradient = None if gradient is None else gradient / len(parts)
        return outputs, None if penalty is None else penalty.detach(), gradient

    def _join_gradients(self, step: int) -> None:
        self.loss.join_gradients(self.processes)
        self.network.drop_gradients(step)

    def _is_finite(self, step: int, total: Tensor, norm: Tensor) -> bool:
        """Whether the update may be made; False where a scaled loss was scaled too far, which costs a step.

        Raises NonFiniteError where scaling is not to blame: all processes decide the same.
        """
        # Reading waits for the GPU once a step; for that, a bad step never reaches the weights.
        loss_is_bad = not bool(torch.isfinite(total))
        if not self.processes.any(loss_is_bad or not bool(torch.isfinite(norm))):
            return True
        if self.processes.any(loss_is_bad):
            raise NonFiniteError(step, "loss")
        scale = self.optimizer.scale
        if scale is not None and scale > 1:
            return False
        raise NonFiniteError(step, "gradient")

    def _is_measured(self, step: int) -> bool:
        return step % self.measure_every == 0

    def _look_at(self, output: LossOutput) -> dict[str, Tensor]:
        """A part's scalars for the log, before its backward frees what they are made of."""
        scalars = {"classification_loss": output.loss.detach()} | output.terms
        if output.without_margin is not None:
            plain = output.without_margin()
            scalars["accuracy_without_margin"] = plain.right.float().mean()
            scalars["cross_entropy_without_margin"] = plain.cross_entropy
        return scalars

    def _measure(
        self, outputs: list[Output], gradient: Tensor | None, labels: Tensor, step: int
    ) -> dict[str, Tensor]:
        device, mean = self.processes.device, self.processes.mean
        scalars = {
            name: mean(_mean([output.scalars[name].to(device) for output in outputs]))
            for name in outputs[0].scalars
        }
        return scalars | self.energies.measure(labels, step, gradient, mean)


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean(dim=0)


def _sum(total: Tensor | None, value: Tensor | None) -> Tensor | None:
    return value if total is None or value is None else total.add_(value)


def build_learner(
    network: nn.Module,
    loss: Loss,
    energies: Energies,
    prepare: Callable[[Tensor], Tensor],
    config: FaceConfig | ImageConfig,
    processes: Processes,
    *,
    frozen: Sequence[nn.Module] = (),
    head_steps: int = 0,
    layer_decay: float = 1.0,
) -> ClassifierLearner:
    """The learner that a config's `train` and `optimizer` describe.

    prepare, frozen, head_steps: as of TrainedNetwork. layer_decay: as of ScheduledSGD.
    """
    train = config.train
    trained = TrainedNetwork(
        network,
        prepare,
        processes,
        precision=train.precision,
        channels_last=train.channels_last,
        compile=train.compile,
        frozen=frozen,
        head_steps=head_steps,
    )
    sgd = ScheduledSGD(network, loss, config.optimizer, layer_decay=layer_decay, precision=train.precision)
    return ClassifierLearner(
        trained, loss, energies=energies, optimizer=sgd, processes=processes, measure_every=train.log_every
    )
