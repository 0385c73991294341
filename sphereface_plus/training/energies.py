"""What MHE adds to a training, and what the log says about it: for faces, and for image classification.

The gradient of Eq. (8) turns prototypes by its tangential part only, which is tiny near uniformity: next to
the classification loss's tangential gradient it says how much MHE can do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus.config import ImageMHEConfig, MHEConfig, TermConfig, to_dict
from sphereface_plus.errors import UserError
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import Seen
from sphereface_plus.mhe import (
    EnergyTerm,
    MHERegularizer,
    orthogonal_penalty,
    orthonormal_penalty,
    smallest_angle,
    tangential_norm,
)
from sphereface_plus.training.energy_forms import energy_of

Mean = Callable[[Tensor], Tensor]

FREQUENT_ANGLE_IDENTITIES = 4096


MOST_ANGLE_IDENTITIES = 100_000


def log_lines_between_angles(num_identities: int) -> int | None:
    """None: no angle. The smallest takes C^2 D / 2 multiplications, those of head and Eq. (8) for C / 14
    images: with a million people, three hours of a core."""
    if num_identities > MOST_ANGLE_IDENTITIES:
        return None
    return 1 if num_identities <= FREQUENT_ANGLE_IDENTITIES else 10


class EnergyError(UserError):
    """A network whose layers the energy that a recipe asks for cannot be taken of."""


class Energies:
    """What a task adds to the loss and to its log; this one adds nothing.

    How gradients join: an energy is in the backward of the loss, and its gradients join as the loss's do. DDP
    takes the mean over the processes of those of the network's weights, Loss.join_gradients of those of the
    prototypes. So each process has the gradient of the energy of its own labels, or of all weights, and needs
    all prototypes for that: a loss that holds a share of them is refused here, and has shared_energy.py.
    """

    def of_batch(self, seen: Seen | None, step: int) -> Tensor | None:
        """The weighted energies that depend on a part's labels, a mean over them: a scalar, or None.

        seen: of the part's LossOutput."""
        return None

    def of_weights(self, step: int) -> Tensor | None:
        """The weighted energies that depend on the weights alone: a scalar, or None."""
        return None

    def gradient_of(self, loss: Tensor) -> Tensor | None:
        """What `measure` wants to see of a part's classification loss, whose backward is still to come."""
        return None

    def measure(
        self, labels: Tensor, step: int, loss_gradient: Tensor | None, mean: Mean
    ) -> dict[str, Tensor]:
        """Named scalars of one batch for the log, at the weights as they are.

        labels (B,): this process's share. loss_gradient: the mean of `gradient_of` over this process's parts.
        mean: over processes.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs of it; empty where it has learnt nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` gave, if that was not empty."""


class NoEnergy(Energies):
    """Faces, by a loss without prototypes: nothing to add, and nothing to measure."""


class PrototypeEnergy(Energies):
    """Faces: Eq. (8) of a loss's prototypes (C, D), which the batch's labels choose, or another mhe.form.

    log_every: steps between the steps that are measured.
    photos_of_class, seed: as of `energy_of`.
    """

    def __init__(
        self,
        loss: nn.Module,
        config: MHEConfig,
        *,
        log_every: int,
        photos_of_class: Tensor | None = None,
        seed: int = 0,
    ) -> None:
        _refuse_share(loss)
        self.loss, self.weight = loss, config.weight
        self.energy_of = energy_of(config, photos_of_class, seed)
        lines = log_lines_between_angles(len(self._prototypes()))
        self.angle_every = None if lines is None else lines * log_every

    def of_batch(self, seen: Seen | None, step: int) -> Tensor | None:
        """mhe.weight times the energy, or times its unbiased estimate where not all prototypes were seen."""
        if self.weight == 0:
            return None
        assert seen is not None
        return self.weight * self.energy_of(seen, step)

    def gradient_of(self, loss: Tensor) -> Tensor:
        """(C, D): by the prototypes."""
        (gradient,) = torch.autograd.grad(loss, [self._prototypes()], retain_graph=True)
        return gradient

    @torch.enable_grad()
    def measure(
        self, labels: Tensor, step: int, loss_gradient: Tensor | None, mean: Mean
    ) -> dict[str, Tensor]:
        """The two gradients are those of the unweighted energy and of the classification loss with respect to
        the prototypes, without their radial parts; what MHE adds to an update is mhe.weight times the first.
        """
        prototypes = self._prototypes()
        energy = self.energy_of(Seen(prototypes, labels, len(prototypes)), step)
        (energy_gradient,) = torch.autograd.grad(energy, [prototypes])
        assert loss_gradient is not None
        scalars = {
            "mhe/energy": mean(energy.detach()),
            "mhe/tangential_gradient": tangential_norm(mean(energy_gradient), prototypes),
            "mhe/classification_tangential_gradient": tangential_norm(mean(loss_gradient), prototypes),
        }
        if self.angle_every is not None and step % self.angle_every == 0:
            degrees = smallest_angle(prototypes.detach()) * (180 / math.pi)
            scalars["mhe/smallest_angle_degrees"] = torch.tensor(degrees)
        return scalars

    def _prototypes(self) -> nn.Parameter:
        return self.loss.get_parameter("prototypes")


class LayerEnergies(Energies):
    """Image classification: Eq. (4), of all hidden layers of a network and of its classifier, the loss's
    prototypes; or a baseline on the hidden layers, the orthonormal or the orthogonal penalty.

    Raises EnergyError for a layer that cannot be read as neurons, or has too few of them.
    """

    def __init__(self, network: nn.Module, loss: nn.Module, config: ImageMHEConfig, *, seed: int) -> None:
        _refuse_share(loss)
        model = nn.ModuleDict({"network": network, "loss": loss})
        try:
            self.regularizer = MHERegularizer(
                model, hidden=_hidden_term(config), output=_term(config.output), seed=seed
            )
        except ValueError as error:  # mhe imports nothing of ours, its errors neither
            raise EnergyError(f"{error}; change the network's settings, or leave the energy out") from None
        # The same in every run, whatever it minimises, so that methods can be compared.
        self.measures = {
            "energy": MHERegularizer(model, hidden=EnergyTerm(), output=EnergyTerm()),
            "half_space_energy": MHERegularizer(model, hidden=EnergyTerm(half_space=True), output=None),
        }

    def of_weights(self, step: int) -> Tensor:
        """lambda_h and lambda_o times their energies."""
        return self.regularizer.penalty(step)

    @torch.no_grad()
    def measure(
        self, labels: Tensor, step: int, loss_gradient: Tensor | None, mean: Mean
    ) -> dict[str, Tensor]:
        """The two terms without their weights, and energies of s = 2 of each layer: mean over pairs in the
        full space and, for hidden layers, in half-space."""
        energies = {
            f"{measure}/{layer}": energy
            for measure, regularizer in self.measures.items()
            for layer, energy in regularizer.layer_energies().items()
        }
        return self.regularizer(step) | energies

    def state_dict(self) -> dict[str, Any]:
        """Of the stateful objectives among its terms."""
        return self.regularizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.regularizer.load_state_dict(state)


def _refuse_share(loss: nn.Module) -> None:
    if isinstance(loss, PrototypeLoss) and len(loss.prototypes) != loss.num_classes:
        raise ValueError(
            f"an energy needs all {loss.num_classes} prototypes in every process, this one holds "
            f"{len(loss.prototypes)}"
        )


def _hidden_term(config: ImageMHEConfig) -> EnergyTerm:
    if config.orthonormal > 0:
        return EnergyTerm(config.orthonormal, objective=orthonormal_penalty)
    if config.orthogonal > 0:
        return EnergyTerm(config.orthogonal, objective=orthogonal_penalty)
    return _term(config.hidden)


def _term(config: TermConfig) -> EnergyTerm:
    settings = to_dict(config)
    return EnergyTerm(layer_reduction=settings.pop("reduction"), **settings)
