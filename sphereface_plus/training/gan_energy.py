"""MHE on a discriminator (Appendix G of arXiv:1805.09298): what it adds to the loss, and what the log says.

Energies are of the weights that are learnt, before any normalisation. An angle does not see a weight's
length, so that the value is the same after it; but reading a spectrally normalised weight in training mode
advances its power iteration, and costs its graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphereface_plus.config import TermConfig, to_dict
from sphereface_plus.mhe import EnergyTerm, MHERegularizer, neurons_of, orthonormal_penalty
from sphereface_plus.networks.gan_normalisation import raw_layers


class DiscriminatorEnergy:
    """Eq. (4) of all layers of a discriminator that is on its device; the score's layer has one neuron, hence
    no energy.
    """

    def __init__(
        self, discriminator: nn.Module, config: TermConfig, *, orthonormal: float = 0.0, seed: int
    ) -> None:
        settings = to_dict(config)
        term = EnergyTerm(layer_reduction=settings.pop("reduction"), **settings)
        layers = raw_layers(discriminator)
        self.regularizer = _of_hidden(layers, term, seed)
        # The same in every run, whatever it minimises, so that methods can be compared.
        self.measures = {
            "energy": _of_hidden(layers, EnergyTerm()),
            "half_space_energy": _of_hidden(layers, EnergyTerm(half_space=True)),
        }
        self.weight, self.orthonormal, self.layers = term.weight, orthonormal, layers

    def penalty(self, step: int) -> Tensor | None:
        """mhe.weight times the energy, and the baseline's weight times its penalty; None where both are 0."""
        terms = [self.regularizer.penalty(step)] if self.weight else []
        terms += [self.orthonormal * self.orthonormal_penalty()] if self.orthonormal else []
        return sum(terms[1:], terms[0]) if terms else None

    def orthonormal_penalty(self) -> Tensor:
        """|W^T W - I|_F^2 of all layers, up to a constant the same as |W W^T - I|_F^2."""
        return torch.stack([orthonormal_penalty(neurons_of(it)) for it in self.layers.values()]).sum()

    @torch.no_grad()
    def measure(self, step: int) -> dict[str, Tensor]:
        """The term without its weight, and energies of s = 2 of each layer: mean over pairs in the full space
        and in half-space."""
        others = {"orthonormal_penalty": self.orthonormal_penalty()} if self.orthonormal else {}
        return {"mhe/energy": self.regularizer(step)["mhe/hidden"], **others, **self._energies()}

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
