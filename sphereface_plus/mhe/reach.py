"""Whether a penalty arrives at weights that are trained: one that does not is lost, and no number says so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

PATIENCE = 100
"""Penalties that a term's weights may stand still: no warm-up or accumulation lasts that long."""
_SAMPLED = 1000  # numbers of each weight that are compared: all of them would double the model's memory


class Reach:
    """Watches the layers of a regularizer's terms in the model that they were found in.

    It sees a layer that is no longer in the model, a term without a weight that can be trained, and one whose
    weights nobody changes, as after `copy.deepcopy(model)` or with an optimizer that does not hold them.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._penalties: dict[str, int] = {}
        self._first: dict[str, list[Tensor]] = {}  # samples of a term's weights at its first penalty
        self._told: set[str] = set()

    def check_model(self, layers: Mapping[str, nn.Module]) -> None:
        """Raises ValueError for a layer that has been replaced or taken out since it was found."""
        present = set(map(id, self._model.modules()))
        gone = [name for name, layer in layers.items() if id(layer) not in present]
        if gone:
            raise ValueError(
                f"no longer part of the model: {', '.join(gone)}. What was found there has been replaced or "
                "taken out, so that its energy is nobody's; make a new MHERegularizer of the model"
            )

    def check_penalty(self, term: str, energies: Sequence[Tensor], layers: Mapping[str, nn.Module]) -> None:
        """Warns, once a term, where the penalty on its layers' energies trains nothing."""
        if term in self._told or not torch.is_grad_enabled():
            return
        if not any(energy.requires_grad for energy in energies):
            self._warn(term, layers, "none of their weights can be trained (requires_grad)")
            return
        count = self._penalties[term] = self._penalties.get(term, 0) + 1
        if count == 1:
            self._first[term] = _samples(layers)
        elif count > PATIENCE:
            first, now = self._first.pop(term), _samples(layers)
            if len(first) == len(now) and all(map(_equal, first, now)):
                self._warn(
                    term,
                    layers,
                    f"none of their weights has changed in {PATIENCE} penalties; is it another model that "
                    "is trained, a copy of this one, or does the optimizer lack them?",
                )
            self._told.add(term)  # trained once is enough

    def _warn(self, term: str, layers: Mapping[str, nn.Module], reason: str) -> None:
        self._told.add(term)
        names = list(layers)
        some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        warnings.warn(f"the penalty {term} has no effect on {some}: {reason}", stacklevel=2)


def _samples(layers: Mapping[str, nn.Module]) -> list[Tensor]:
    parameters = [p.detach().flatten() for layer in layers.values() for p in layer.parameters()]
    return [p[:: -(-len(p) // _SAMPLED)].clone() for p in parameters if len(p)]


def _equal(first: Tensor, now: Tensor) -> bool:
    return first.device == now.device and torch.equal(first, now)
