"""What MHE adds to a training, and what the log says about it: for faces, and for image classification.

The gradient of Eq. (8) turns prototypes by its tangential part only, which is tiny near uniformity: next to
the classification loss's tangential gradient it says how much MHE can do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from sphereface_plus.config import ImageMHEConfig, MHEConfig, TermConfig, to_dict
from sphereface_plus.losses.output import WithoutMargin
from sphereface_plus.mhe import (
    EnergyTerm,
    MHERegularizer,
    caffe_surrogate,
    classifier_energy,
    opensphere_energy,
    orthogonal_penalty,
    orthonormal_penalty,
    smallest_angle,
    tangential,
)

Mean = Callable[[Tensor], Tensor]

# Above so many identities the smallest angle, C^2 D multiplications, is taken at every tenth log line only.
FREQUENT_ANGLE_IDENTITIES = 4096


class NoEnergy:
    """Faces, by a loss without prototypes: nothing to add, and nothing to measure."""

    def penalty(self, labels: Tensor, step: int) -> Tensor | None:
        return None

    def measure(self, embeddings: Tensor, labels: Tensor, step: int, mean: Mean) -> dict[str, Tensor]:
        return {}


class PrototypeEnergy:
    """Faces: Eq. (8) of a loss's prototypes (C, D), which the batch's labels choose, or another mhe.form.

    log_every: steps between the steps that are measured.
    """

    def __init__(self, loss: nn.Module, config: MHEConfig, *, log_every: int) -> None:
        self.loss, self.weight = loss, config.weight
        self.energy_of = {
            "paper": partial(
                classifier_energy, power=config.power, distance=config.distance, chunk_size=config.chunk_size
            ),
            "caffe": caffe_surrogate,
            "opensphere": opensphere_energy,
        }[config.form]
        self.angle_every = log_every * (1 if len(self._prototypes()) <= FREQUENT_ANGLE_IDENTITIES else 10)

    def penalty(self, labels: Tensor, step: int) -> Tensor | None:
        """mhe.weight times the energy."""
        return self.weight * self._energy(labels) if self.weight > 0 else None

    @torch.enable_grad()
    def measure(self, embeddings: Tensor, labels: Tensor, step: int, mean: Mean) -> dict[str, Tensor]:
        """Named scalars of one batch, at the weights as they are.

        embeddings (B, D), labels (B,): this process's share. The two gradients are those of the unweighted
        energy and of the classification loss with respect to the prototypes, without their radial parts; what
        MHE adds to an update is mhe.weight times the first.
        """
        prototypes = self._prototypes()
        self.loss.eval()  # in training, A-Softmax's caffe mode normalises its prototypes in place
        output = self.loss(embeddings, labels, step)
        self.loss.train()
        (classification_gradient,) = torch.autograd.grad(output.loss, [prototypes])
        energy = self._energy(labels)
        (energy_gradient,) = torch.autograd.grad(energy, [prototypes])
        scalars = _accuracy(output.without_margin(), mean) | {
            "mhe/energy": mean(energy.detach()),
            "mhe/tangential_gradient": tangential(mean(energy_gradient), prototypes).norm(),
            "mhe/classification_tangential_gradient": tangential(
                mean(classification_gradient), prototypes
            ).norm(),
        }
        if step % self.angle_every == 0:
            degrees = smallest_angle(prototypes.detach()) * (180 / math.pi)
            scalars["mhe/smallest_angle_degrees"] = torch.tensor(degrees)
        return scalars

    def _energy(self, labels: Tensor) -> Tensor:
        return self.energy_of(self._prototypes(), labels)

    def _prototypes(self) -> nn.Parameter:
        return self.loss.get_parameter("prototypes")


class LayerEnergies:
    """Image classification: Eq. (4), of all hidden layers of a network and of its classifier, the loss's
    prototypes; or a baseline on the hidden layers, the orthonormal or the orthogonal penalty.

    Raises ValueError for a layer that cannot be read as neurons.
    """

    def __init__(self, network: nn.Module, loss: nn.Module, config: ImageMHEConfig, *, seed: int) -> None:
        model = nn.ModuleDict({"network": network, "loss": loss})
        self.loss = loss
        self.regularizer = MHERegularizer(
            model, hidden=_hidden_term(config), output=_term(config.output), seed=seed
        )
        # The same in every run, whatever it minimises, so that methods can be compared.
        self.measures = {
            "energy": MHERegularizer(model, hidden=EnergyTerm(), output=EnergyTerm()),
            "half_space_energy": MHERegularizer(model, hidden=EnergyTerm(half_space=True), output=None),
        }

    def penalty(self, labels: Tensor, step: int) -> Tensor | None:
        """lambda_h and lambda_o times their energies."""
        return self.regularizer.penalty(step)

    @torch.no_grad()
    def measure(self, embeddings: Tensor, labels: Tensor, step: int, mean: Mean) -> dict[str, Tensor]:
        """Accuracy of one batch, the two terms without their weights, and energies of s = 2 of each layer:
        mean over pairs in the full space and, for hidden layers, in half-space."""
        output = self.loss(embeddings, labels, step)
        energies = {
            f"{measure}/{layer}": energy
            for measure, regularizer in self.measures.items()
            for layer, energy in regularizer.layer_energies().items()
        }
        return _accuracy(output.without_margin(), mean) | self.regularizer(step) | energies


def _hidden_term(config: ImageMHEConfig) -> EnergyTerm:
    if config.orthonormal > 0:
        return EnergyTerm(config.orthonormal, objective=orthonormal_penalty)
    if config.orthogonal > 0:
        return EnergyTerm(config.orthogonal, objective=orthogonal_penalty)
    return _term(config.hidden)


def _term(config: TermConfig) -> EnergyTerm:
    settings = to_dict(config)
    return EnergyTerm(layer_reduction=settings.pop("reduction"), **settings)


def _accuracy(plain: WithoutMargin, mean: Mean) -> dict[str, Tensor]:
    return {
        "accuracy_without_margin": mean(plain.right.float().mean()),
        "cross_entropy_without_margin": mean(plain.cross_entropy),
    }
