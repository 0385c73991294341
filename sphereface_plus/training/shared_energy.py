"""MHE of prototypes of which each process holds a share, and what the log says about it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sphereface_plus.config import MHEConfig
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import Seen
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.mhe import tangential_norm
from sphereface_plus.processes import gathered
from sphereface_plus.training.energies import Energies, Mean
from sphereface_plus.training.energy_forms import OF_SHARES, energy_of


class SharedPrototypeEnergy(Energies):
    """As PrototypeEnergy of the forms OF_SHARES, of the labels of all processes: each process has the same
    energy, and the gradient of its own prototypes. Other forms are not implemented: their weight is 0, and
    they are not measured. Nor is the smallest angle: each share would have to go to every process, for
    C^2 D multiplications.

    photos_of_class: (C,), of all classes, as class_balanced needs it.
    """

    def __init__(
        self,
        loss: PrototypeLoss,
        rows: SharedRows,
        config: MHEConfig,
        *,
        photos_of_class: Tensor | None = None,
    ) -> None:
        assert loss.rows is rows  # it holds no others' prototypes
        self.loss, self.rows, self.weight = loss, rows, config.weight
        self.energy_of: Callable[[Seen, int], Tensor] | None = None
        if config.form in OF_SHARES:
            self.energy_of = energy_of(config, photos_of_class, seed=0, rows=rows)
        elif config.weight > 0:
            raise ValueError(f"{config.form} of prototypes that processes share is not implemented")

    def of_batch(self, seen: Seen | None, step: int) -> Tensor | None:
        """mhe.weight times the energy, or times its unbiased estimate where not all prototypes were seen."""
        if self.weight == 0:
            return None
        assert seen is not None
        assert self.energy_of is not None
        return self.weight * self.energy_of(seen, step)

    def gradient_of(self, loss: Tensor) -> Tensor:
        """(n, D): by the prototypes, of the sum of the processes' losses."""
        (gradient,) = torch.autograd.grad(loss, [self._prototypes()], retain_graph=True)
        return gradient

    @torch.enable_grad()
    def measure(
        self, labels: Tensor, step: int, loss_gradient: Tensor | None, mean: Mean
    ) -> dict[str, Tensor]:
        """As PrototypeEnergy.measure, without the smallest angle."""
        assert loss_gradient is not None
        scalars = {"mhe/classification_tangential_gradient": self._norm(loss_gradient)}
        if self.energy_of is None:
            return scalars
        energy = self.energy_of(Seen(self._prototypes(), gathered(labels), self.rows.num_classes), step)
        (energy_gradient,) = torch.autograd.grad(energy, [self._prototypes()])
        of_energy = {"mhe/energy": energy.detach(), "mhe/tangential_gradient": self._norm(energy_gradient)}
        return of_energy | scalars

    def _norm(self, gradient: Tensor) -> Tensor:
        """Of the tangential part of the mean loss's gradient, over all shares. gradient (n, D): of the sum
        of the processes' losses."""
        of_sum = self.rows.total(tangential_norm(gradient, self._prototypes()).square()).sqrt()
        return of_sum / self.rows.processes.world_size

    def _prototypes(self) -> nn.Parameter:
        return self.loss.prototypes
