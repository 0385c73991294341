"""The start of a fine-tuning: a run's or a file's weights, and a report of what of them was used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sphereface_plus import weights
from sphereface_plus.config import InputSpec, NetworkConfig, to_dict
from sphereface_plus.config.losses import (
    ASoftmaxConfig,
    LossConfig,
    LSoftmaxConfig,
    SphereFaceRConfig,
    UnnormalisedAMSoftmaxConfig,
)
from sphereface_plus.data.crops import SpecError
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.errors import UserError
from sphereface_plus.losses.annealing import Annealing
from sphereface_plus.weights import Weights
from sphereface_plus.words import counted


class StartError(UserError):
    """Weights that cannot be the start of this run; the message says what to do."""


@dataclass(frozen=True)
class LoadReport:
    """What came from a model; tensors by name, `network....` and `loss....`."""

    source: str
    sha256: str
    step: int | None
    """Updates that the source's weights had, where it says so."""
    loaded: list[str]
    missing: list[str]
    """Not in the source; they keep their initial values."""
    mismatched: dict[str, str]
    """Of another shape there; they keep their initial values."""
    unused: list[str]
    """In the source and not in this run."""
    new: list[str]
    """The head's tensors, initialised again because of reset_head."""
    renamed: dict[str, str]
    """What loaded tensors were called in the project that they come from, if they come from one."""
    notes: list[str]
    """What reading that project's file changed, reshapings among it, and what to do about the rest."""

    annealing_step: int | None = None
    """Steps of A-Softmax's annealing behind the source's weights; None where it has none, or does not say."""
    trained_on: TrainedOn | None = field(default=None, repr=False)
    """What the source was trained on; None where it does not say so."""

    def to_dict(self) -> dict[str, Any]:
        """Without `trained_on`, which a checkpoint keeps for itself."""
        fields = asdict(replace(self, trained_on=None))
        del fields["trained_on"]
        return fields

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.mismatched) + len(self.new)
        step = "" if self.step is None else f" (step {self.step})"
        parts = [f"loaded {len(self.loaded)} of {total} tensors of {self.source}{step}"]
        if self.renamed:
            ours, theirs = next(iter(self.renamed.items()))
            parts.append(f"renamed: {len(self.renamed)}, such as {theirs} to {ours}")
        parts += [
            f"{name} is {shapes}: kept at its initial values" for name, shapes in self.mismatched.items()
        ]
        for title, names in (
            ("missing there, kept at initial values", self.missing),
            ("unused", self.unused),
            ("new", self.new),
        ):
            if names:
                parts.append(f"{title}: {', '.join(names)}")
        parts += self.notes
        return "\n  ".join(parts)


def load_start(
    source: str | Path,
    network: nn.Module,
    loss: nn.Module,
    *,
    config: NetworkConfig,
    identities: list[str],
    reset_head: bool,
) -> LoadReport:
    """Copies a model's weights into the network and, unless reset_head, the loss; reports every tensor.

    config: of the network.
    Raises CheckpointError; SpecError if the weights were trained on other crops; StartError if the network is
    another or of another variant, the prototypes belong to other identities, or nothing of the network fits.
    """
    start = weights.load(source)
    info = start.info
    _check_spec(start.file, info.network.input, config.input)
    if info.network.name != config.name:  # the parts that they share would leave most of it random
        raise StartError(
            f"{start.file}: its network is {info.network.name}, the recipe's {config.name}; "
            f"take --set network.name={info.network.name}, or a recipe of that network"
        )
    if info.network.variant != config.variant:
        raise StartError(
            f"{start.file}: its network is of variant {info.network.variant}; "
            f"take --set network.variant={info.network.variant}"
        )
    notes = list(info.origin.remarks)
    rows = None
    if not reset_head and loss.state_dict():  # triplet loss has no prototypes
        rows = _rows(start, identities)
        notes += _note_of_rows(start, rows)
    ours = _named(network=network.state_dict(), **({} if reset_head else {"loss": loss.state_dict()}))
    theirs = _named(network=start.network, **({} if reset_head else {"loss": _ordered(start.loss, rows)}))
    both = ours.keys() & theirs.keys()
    fits = [name for name in ours if name in both and ours[name].shape == theirs[name].shape]
    report = LoadReport(
        source=str(source),
        sha256=start.sha256,
        step=_step(info.origin.training.get("step")),
        annealing_step=_step(info.origin.training.get("annealing_step")),
        loaded=fits,
        missing=[name for name in ours if name not in theirs],
        mismatched={
            name: f"{tuple(ours[name].shape)} here and {tuple(theirs[name].shape)} there"
            for name in ours
            if name in both and name not in fits
        },
        unused=[name for name in theirs if name not in ours],
        new=[f"loss.{name}" for name in loss.state_dict()] if reset_head else [],
        renamed={
            f"network.{name}": there
            for name, there in info.renamed.items()
            if f"network.{name}" in fits and name != there
        },
        notes=notes,
        trained_on=start.trained_on,
    )
    if not any(name.startswith("network.") for name in fits):
        raise StartError(
            f"{start.file}: no tensor of its network, a {info.network.name}, fits this recipe's {config.name}"
        )
    if "loss.prototypes" in report.mismatched:
        raise StartError(
            f"{start.file}: loss.prototypes is {report.mismatched['loss.prototypes']}; "
            "begin with new ones by --reset-head"
        )
    for name in fits:  # state_dict shares memory with the modules
        ours[name].copy_(theirs[name])
    return report


def schedule_notes(loss: LossConfig, annealing_step: int | None) -> list[str]:
    """Where the loss's own schedule stands at the fine-tuning's step 0, and how to go on with the start's.

    annealing_step: of the start, as LoadReport has it.
    """
    if isinstance(loss, ASoftmaxConfig | LSoftmaxConfig):
        annealing = Annealing(
            loss.lambda_base, loss.lambda_gamma, loss.lambda_power, loss.lambda_min, loss.lambda_start
        )
        first = annealing(0)
        if first <= loss.lambda_min:
            return []
        if annealing_step == loss.lambda_start:
            return [f"loss: lambda goes on at {first:.0f}, where the start's annealing ended"]
        begins = f"begins at {first:.0f}, as after {counted(loss.lambda_start, 'step')}"
        if annealing_step is None:
            advice = "if the start was trained with it for N steps, --set loss.lambda_start=N goes on there"
        else:
            advice = (
                f"the start ended after {counted(annealing_step, 'step')} of it: "
                f"--set loss.lambda_start={annealing_step} goes on there"
            )
        return [f"loss: lambda {begins}, and falls to {loss.lambda_min:g}; {advice}"]
    if isinstance(loss, UnnormalisedAMSoftmaxConfig):
        return ["loss: the margin grows again from 0, by this run's own steps; it cannot go on"]
    if isinstance(loss, SphereFaceRConfig) and loss.margin_steps:
        last = loss.margin + loss.margin_growth * len(loss.margin_steps)
        return [
            f"loss: the margin grows again from {loss.margin:g}, by this run's own steps; "
            f"--set loss.margin={last:g} --set 'loss.margin_steps=[]' begins with the last one"
        ]
    return []


def _step(step: str | int | float | None) -> int | None:
    return step if isinstance(step, int) else None


def _named(**states: dict[str, Any]) -> dict[str, Any]:
    return {f"{part}.{name}": tensor for part, state in states.items() for name, tensor in state.items()}


def _check_spec(file: Path, theirs: InputSpec, ours: InputSpec) -> None:
    """The weights belong to one kind of crop; says which settings make the recipe take that kind."""
    here, there = to_dict(ours), to_dict(theirs)
    differs = {name: value for name, value in there.items() if here[name] != value}
    if not differs:
        return
    fields = "; ".join(f"{name} {value}, got {here[name]}" for name, value in differs.items())
    settings = " ".join(f"--set network.input.{name}={json.dumps(value)}" for name, value in differs.items())
    advice = f"take its input spec: {settings.replace(', ', ',')}"
    if differs.keys() & {"template", "height", "width"}:
        advice += (
            f", and crops of it: the last layer's weights fit maps of {theirs.height}x{theirs.width} crops "
            f"only, so that the photos have to be aligned with --template {theirs.template}"
        )
    raise SpecError(f"{file}: expects another input: {fields}. {advice[0].upper()}{advice[1:]}")


def _rows(start: Weights, ours: Sequence[str]) -> list[int] | None:
    """Row of the start's prototypes that each of our identities has there, by name; None without names.

    Raises StartError if the prototypes belong to other identities.
    """
    theirs, difference = start.info.identities, None
    if not start.loss:
        raise StartError(f"{start.file}: has no prototypes; begin with new ones by --reset-head")
    count = len(start.loss["prototypes"]) if "prototypes" in start.loss else len(theirs or ours)
    if count != len(ours):
        difference = f"it was trained on {count} identities, the data here have {len(ours)}"
    elif theirs is not None and set(theirs) != set(ours):
        strange = next(name for name in ours if name not in set(theirs))
        difference = f"it does not know {strange}, who is in the data here"
    if difference is not None:
        raise StartError(
            f"{start.file}: its prototypes belong to other identities ({difference}); "
            "begin with new ones by --reset-head"
        )
    if theirs is None:
        return None
    place = {name: row for row, name in enumerate(theirs)}
    return [place[name] for name in ours]


def _note_of_rows(start: Weights, rows: Sequence[int] | None) -> list[str]:
    if rows is None:
        count = len(start.loss["prototypes"]) if "prototypes" in start.loss else len(start.loss)
        return [
            f"its {count} prototypes have no names: taken for this training set's identities in their order. "
            "Look at accuracy_without_margin at step 0: near 0 they are in another order"
        ]
    if list(rows) != list(range(len(rows))):
        return [f"prototypes: the same {len(rows)} identities in another order, their rows reordered by name"]
    return []


def _ordered(loss: dict[str, Tensor], rows: Sequence[int] | None) -> dict[str, Tensor]:
    """A loss's tensors with one row an identity (prototypes, biases, centres) in the order of `rows`."""
    if rows is None:
        return loss
    index = torch.tensor(rows)
    return {
        name: tensor[index] if tensor.ndim and len(tensor) == len(rows) else tensor
        for name, tensor in loss.items()
    }
