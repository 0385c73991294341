"""Eq. (8) of prototypes of which each process holds a share, and what the log says about it."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from sphereface_plus.config import MHEConfig
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import Seen
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.mhe import classifier_energy, tangential_norm
from sphereface_plus.mhe.share import Share
from sphereface_plus.processes import gathered
from sphereface_plus.training.energies import Energies, Mean


class SharedPrototypeEnergy(Energies):
    """As PrototypeEnergy of the form `paper`, of the labels of all processes: each has the same energy, and
    the gradient of its own prototypes. The smallest angle is not measured: each share would have to go to
    every process, for C^2 D multiplications.
    """

    def __init__(self, loss: PrototypeLoss, rows: SharedRows, config: MHEConfig) -> None:
        assert loss.rows is rows  # it holds no others' prototypes
        self.loss, self.rows, self.weight = loss, rows, config.weight
        self.energy_of = partial(
            classifier_energy,
            share=Share(rows.first, rows.num_classes, rows.total),
            power=config.power,
            distance=config.distance,
            chunk_size=config.chunk_size,
        )

    def of_batch(self, seen: Seen | None, step: int) -> Tensor | None:
        """mhe.weight times the energy."""
        if self.weight == 0:
            return None
        assert seen is not None
        return self.weight * self.energy_of(seen.prototypes, seen.labels)

    def gradient_of(self, loss: Tensor) -> Tensor:
        """(n, D): by the prototypes, of the sum of the processes' losses."""
        (gradient,) = torch.autograd.grad(loss, [self._prototypes()], retain_graph=True)
        return gradient

    @torch.enable_grad()
    def measure(
        self, labels: Tensor, step: int, loss_gradient: Tensor | None, mean: Mean
    ) -> dict[str, Tensor]:
        """As PrototypeEnergy.measure, without the smallest angle."""
        energy = self.energy_of(self._prototypes(), gathered(labels))
        (energy_gradient,) = torch.autograd.grad(energy, [self._prototypes()])
        assert loss_gradient is not None
        return {
            "mhe/energy": energy.detach(),
            "mhe/tangential_gradient": self._norm(energy_gradient),
            "mhe/classification_tangential_gradient": self._norm(loss_gradient),
        }

    def _norm(self, gradient: Tensor) -> Tensor:
        """Of the tangential part of the mean loss's gradient, over all shares. gradient (n, D): of the sum
        of the processes' losses."""
        of_sum = self.rows.total(tangential_norm(gradient, self._prototypes()).square()).sqrt()
        return of_sum / self.rows.processes.world_size

    def _prototypes(self) -> nn.Parameter:
        return self.loss.prototypes
