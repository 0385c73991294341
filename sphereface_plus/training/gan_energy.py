"""MHE on a discriminator (Appendix G of arXiv:1805.09298): what it adds to the loss, and what the log says.

Energies are of the weights that are learnt, before any normalisation. An angle does not see a weight's
length, so that the value is the same after it; but reading a spectrally normalised weight in training mode
advances its power iteration, and costs its graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphereface_plus.config import TermConfig, to_dict
from sphereface_plus.mhe import EnergyTerm, MHERegularizer, neurons_of
from sphereface_plus.networks.gan_normalisation import raw_layers


class DiscriminatorEnergy:
    """Eq. (4) of all layers of a discriminator that is on its device; the score's layer has one neuron, hence
    no energy.
    """

    def __init__(self, discriminator: nn.Module, config: TermConfig, *, seed: int) -> None:
        settings = to_dict(config)
        term = EnergyTerm(layer_reduction=settings.pop("reduction"), **settings)
        layers = raw_layers(discriminator)
        self.regularizer = _of_hidden(layers, term, seed)
        # The same in every run, whatever it minimises, so that methods can be compared.
        self.measures = {
            "energy": _of_hidden(layers, EnergyTerm()),
            "half_space_energy": _of_hidden(layers, EnergyTerm(half_space=True)),
        }
        self.weighs = term.weight > 0

    def penalty(self, step: int) -> Tensor | None:
        """mhe.weight times the energy; None where the weight is 0."""
        return self.regularizer.penalty(step) if self.weighs else None

    @torch.no_grad()
    def measure(self, step: int) -> dict[str, Tensor]:
        """The term without its weight, and energies of s = 2 of each layer: mean over pairs in the full space
        and in half-space."""
        return {"mhe/energy": self.regularizer(step)["mhe/hidden"], **self._energies()}

    @torch.no_grad()
    def of_layers(self) -> dict[str, float]:
        """The energies of each layer and its largest singular value, exactly, with each checkpoint."""
        matrices = {name: neurons_of(module) for name, module in self.measures["energy"].layers.items()}
        values = {
            f"largest_singular_value/{name}": torch.linalg.matrix_norm(matrix.float(), 2)
            for name, matrix in matrices.items()
        }
        return {name: float(value) for name, value in (self._energies() | values).items()}

    def _energies(self) -> dict[str, Tensor]:
        return {
            f"{measure}/{layer}": energy
            for measure, regularizer in self.measures.items()
            for layer, energy in regularizer.layer_energies().items()
        }


def _of_hidden(layers: nn.ModuleDict, term: EnergyTerm, seed: int = 0) -> MHERegularizer:
    return MHERegularizer(layers, hidden=term, output=None, output_layer=False, seed=seed)
