"""MHE as a regulariser of a whole model, Eq. (4) of https://arxiv.org/abs/1805.09298.

    loss + lambda_h sum_{j=1..L-1} E_j / (N_j (N_j - 1)) + lambda_o E_L / (N_L (N_L - 1))

Layers 1..L-1 are the hidden ones, L is the output layer, the classifier. In a training loop of one's own:

    regularizer = MHERegularizer(model)                                      # once, before training
    loss = criterion(model(images), labels) + regularizer.penalty()          # in each step

The energies read the model's weights alone and change nothing of it: they cost the same for any batch size,
do not see autocast or gradient checkpointing, and are equal in all processes of a distributed run. (One thing
does change: `parametrizations.spectral_norm` makes a power iteration each time that its weight is read in
training mode, which is once on construction and once a penalty.) Add the penalty to the loss and call
`backward` once for both: DistributedDataParallel averages in that call. In a compiled step they run as they
are, at a break of the graph, because which pairs are close depends on the data:
`torch.compile(fullgraph=True)` refuses them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .energy import mean_energies
from .energy_term import EnergyTerm
from .layers import find_layers, find_output_layer, matching
from .minibatch import minibatch_energy
from .neurons import neuron_groups_of, neuron_sets_of
from .objective import Objective, StatefulObjective, for_layer
from .reach import Reach

_HIDDEN, _OUTPUT = EnergyTerm(weight=10.0), EnergyTerm(weight=1.0)  # Appendix A


class MHERegularizer(nn.Module):
    """Energies of a model's hidden layers and of its output layer.

    model: any module, on any device, wrapped by DistributedDataParallel or torch.compile or not. A loss that
        holds the classifier's prototypes is part of it: `nn.ModuleList([network, loss])`.
    hidden, output: the two terms, with the weights of the paper's Appendix A; None leaves one out.
    output_layer: name of the output layer. None: found, as the prototypes of a loss, or else as the last
        layer in the order of registration. False: there is none, all layers are hidden.
    include, exclude: glob patterns of hidden layers' names, or of names of modules that they lie in.
    seed: with the step decides on the mini-batch of neurons, and on the start of a stateful objective.

    Layers that share their weight count once. `layer_names` tells what is regularised; `skipped` what is not
    and why: layers with nothing to spread, whose energy has no gradient. What stateful objectives have learnt
    is in `state_dict`, and `.to(device)` moves it. The model is not part of the regularizer, and a deep copy
    reads a copy of its layers that nobody trains: make a new one for a copied model. The deprecated
    `torch.nn.utils.weight_norm` and `spectral_norm` compute the weight in the forward pass: ask for the
    penalty after it.
    Raises ValueError, naming the layer, for one that cannot be read as neurons, for patterns that match no
    layer, and for a half-space term of the output layer; later for a layer that the model has lost since,
    such as one replaced by `model[4] = nn.Linear(...)`. A penalty that trains nothing warns once: where no
    weight of a term requires a gradient, and where none has changed in 100 penalties.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        hidden: EnergyTerm | None = _HIDDEN,
        output: EnergyTerm | None = _OUTPUT,
        output_layer: str | Literal[False] | None = None,
        include: str | Sequence[str] = "*",
        exclude: str | Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, term in (("hidden", hidden), ("output", output)):
            if not (term is None or isinstance(term, EnergyTerm)):
                raise ValueError(
                    f"{name} must be an EnergyTerm, such as EnergyTerm(10.0), or None; got {term!r}"
                )
        if hidden is None and output is None:
            raise ValueError("hidden=None and output=None: there is nothing to regularise")
        if output is not None and _in_half_space(output):
            raise ValueError(
                "half_space is for hidden layers: opposite neurons are redundant there, but not in an output "
                "layer, where they serve two classes (section 3.4)"
            )
        layers = find_layers(model)
        last = find_output_layer(layers) if output_layer is None else output_layer
        if last and last not in layers:
            raise ValueError(f"output_layer {last!r} is not a layer; the layers are {', '.join(layers)}")
        self.seed = seed
        self.terms: dict[str, EnergyTerm] = {}
        self.skipped: dict[str, str] = {}
        self.layers: dict[str, nn.Module] = {}  # of both terms, skipped ones included
        self.objectives = nn.ModuleList()  # the stateful ones, of all layers
        self._layers: dict[str, list[_Layer]] = {}  # of each term
        self._reach = Reach(model)
        if hidden is not None:
            names = [name for name in layers if name != last]
            if not names:
                raise ValueError("the model has no hidden layer; pass hidden=None")
            chosen = matching(names, include, "include") - matching(names, exclude, "exclude")
            self._add("mhe/hidden", hidden, {name: layers[name] for name in names if name in chosen})
        if output is not None:
            if not last:
                raise ValueError("output_layer=False: the model has no output layer; pass output=None, too")
            self._add("mhe/output", output, {last: layers[last]})

    def forward(self, step: int | None = None) -> dict[str, Tensor]:
        """The terms of Eq. (4) without their weights, as they are logged: "mhe/hidden" and "mhe/output".

        step: needed by terms with a mini-batch of neurons or a stateful objective, and not by others.
        """
        return {name: self._reduced(name, step) for name in self.terms}

    def weighted(self, energies: Mapping[str, Tensor]) -> Tensor:
        """The penalty, of energies that `forward` has returned: each times its weight, summed."""
        return torch.stack([self.terms[name].weight * energy for name, energy in energies.items()]).sum()

    def penalty(self, step: int | None = None) -> Tensor:
        """What to add to the loss: the weighted terms of Eq. (4). A term of weight 0 is not computed.

        Where all weights are 0 it is a zero whose gradient is zero.
        """
        weighing = [name for name, term in self.terms.items() if term.weight]
        energies = {name: self._reduced(name, step, in_penalty=True) for name in weighing}
        if energies:
            return self.weighted(energies)
        parameter = next(parameter for layer in self.layers.values() for parameter in layer.parameters())
        return parameter.flatten()[:0].sum()  # on the model's device, and `backward` finds a graph

    def layer_energies(self, step: int | None = None) -> dict[str, Tensor]:
        """Each layer's own energy, a scalar, unweighted, under the layer's name."""
        return {
            layer.name: energy
            for name, layers in self._layers.items()
            for layer, energy in zip(layers, self._energies(name, step, False), strict=True)
        }

    @property
    def layer_names(self) -> dict[str, list[str]]:
        """The names of the layers of each term, as {"mhe/hidden": ["conv1", ...], "mhe/output": ["fc"]}."""
        return {name: [layer.name for layer in layers] for name, layers in self._layers.items()}

    def extra_repr(self) -> str:
        """print(regularizer) shows which layers were found."""
        return "\n".join(f"{term}: {', '.join(names)}" for term, names in self.layer_names.items())

    def _add(self, term_name: str, term: EnergyTerm, modules: Mapping[str, nn.Module]) -> None:
        found, skipped = [], {}
        for name, module in modules.items():
            try:
                num_groups, num_neurons, dimensions = neuron_groups_of(module).shape
            except ValueError as error:
                raise ValueError(f"layer {name}: {error}; exclude={name!r} leaves it out") from None
            if num_neurons == 1:
                skipped[name] = "one neuron" if num_groups == 1 else "one neuron a group (depthwise)"
            elif dimensions == 1:
                skipped[name] = "neurons of one dimension"
            else:
                found.append(_Layer(name, module, self._objectives(term, name, num_groups, dimensions)))
        if not found:
            reasons = ", ".join(f"{name} has {reason}" for name, reason in skipped.items())
            raise ValueError(f"{term_name} has nothing to spread: {reasons or 'all layers are excluded'}")
        self.terms[term_name], self._layers[term_name] = term, found
        self.skipped |= skipped
        self.layers |= modules

    def _objectives(self, term: EnergyTerm, name: str, num_groups: int, dimensions: int) -> list[Objective]:
        """One for each group of neurons; none where the energy itself is minimised."""
        if term.objective is None:
            return []
        seeds = random.Random(f"{self.seed} {name}")  # another for each layer and group
        objectives = [for_layer(term.objective, dimensions, seeds.getrandbits(32)) for _ in range(num_groups)]
        self.objectives.extend(o for o in objectives if isinstance(o, StatefulObjective))
        return objectives

    def _reduced(self, name: str, step: int | None, *, in_penalty: bool = False) -> Tensor:
        energies = torch.stack(self._energies(name, step, in_penalty))
        return energies.sum() if self.terms[name].layer_reduction == "sum" else energies.mean()

    def _energies(self, name: str, step: int | None, in_penalty: bool) -> list[Tensor]:
        if torch.compiler.is_compiling():  # as a decorator, `disable` would load the whole compiler at import
            return torch.compiler.disable()(self._eager_energies)(name, step, in_penalty)
        return self._eager_energies(name, step, in_penalty)

    def _eager_energies(self, name: str, step: int | None, in_penalty: bool) -> list[Tensor]:
        modules = {layer.name: layer.module for layer in self._layers[name]}
        self._reach.check_model(modules)
        energies = self._of_layers(self._layers[name], self.terms[name], step)
        if in_penalty:
            self._reach.check_penalty(name, energies, modules)
        return energies

    def _of_layers(self, layers: Sequence[_Layer], term: EnergyTerm, step: int | None) -> list[Tensor]:
        """Of each the mean over its groups, which is the mean over all pairs that can be compared."""
        # Of an objective's own it is not known whether it sees the order, as a random projection does.
        alone = [neuron_sets_of(it.module, as_in_memory=term.objective is None) for it in layers]
        if term.objective is None and term.neurons is None:
            found = iter(mean_energies([neurons for of in alone for neurons in of], **term.energy_settings))
            energies = [[next(found) for _ in of] for of in alone]
        else:
            energies = [
                [self._energy(layer, number, neurons, term, step) for number, neurons in enumerate(of)]
                for layer, of in zip(layers, alone, strict=True)
            ]
        return [torch.stack(of).mean() if len(of) > 1 else of[0] for of in energies]

    def _energy(
        self, layer: _Layer, number: int, neurons: Tensor, term: EnergyTerm, step: int | None
    ) -> Tensor:
        """Of one group of a layer, with a mini-batch of its neurons or an objective's own."""
        if term.neurons is not None:
            key = f"{self.seed} {_needed(step)} {layer.name} {number}"
            return minibatch_energy(neurons, term.neurons, key, **term.energy_settings)
        objective = layer.objectives[number]
        if isinstance(objective, StatefulObjective):
            objective.advance(neurons, _needed(step))
        return objective(neurons)


@dataclass(frozen=True)
class _Layer:
    name: str
    module: nn.Module
    objectives: Sequence[Objective]  # one for each group of neurons; none of the energy


def _needed(step: int | None) -> int:
    if step is None:
        raise ValueError("a mini-batch of neurons and a stateful objective depend on the step: penalty(step)")
    return step


def _in_half_space(term: EnergyTerm) -> bool:
    settings = getattr(term.objective, "keywords", {})  # of functools.partial
    return term.half_space or settings.get("half_space", False)
