"""The start of a fine-tuning: another run's weights, and a report of what of them was used."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sphereface_plus import checkpoint
from sphereface_plus.config import InputSpec, face_config
from sphereface_plus.data.crops import check_input


class StartError(ValueError):
    """Weights that cannot be the start of this run; the message says what to do."""


@dataclass(frozen=True)
class LoadReport:
    """What came from a checkpoint; tensors by name, `network....` and `loss....`."""

    source: str
    sha256: str
    step: int
    """Updates that the source's weights had."""
    loaded: list[str]
    missing: list[str]
    """Not in the checkpoint; they keep their initial values."""
    mismatched: dict[str, str]
    """Of another shape there; they keep their initial values."""
    unused: list[str]
    """In the checkpoint and not in this run."""
    new: list[str]
    """The head's tensors, initialised anew because of reset_head."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.missing) + len(self.mismatched) + len(self.new)
        parts = [f"loaded {len(self.loaded)} of {total} tensors of {self.source} (step {self.step})"]
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
        return "\n  ".join(parts)


def load_start(
    source: str | Path,
    network: nn.Module,
    loss: nn.Module,
    *,
    spec: InputSpec,
    identities: list[str],
    reset_head: bool,
) -> LoadReport:
    """Copies a checkpoint's weights into the network and, unless reset_head, the loss; reports every tensor.

    Raises CheckpointError; SpecError if the weights were trained on other crops; StartError if the prototypes
    belong to other identities, or nothing of the network fits.
    """
    file = checkpoint.resolve(source)
    payload = checkpoint.load(file)
    check_input(spec, face_config(payload["config"], origin=str(file)).network.input, origin=str(file))
    if not reset_head:
        _check_identities(file, payload["identities"], identities)
    ours = _named(network=network.state_dict(), **({} if reset_head else {"loss": loss.state_dict()}))
    theirs = _named(network=payload["network"], **({} if reset_head else {"loss": payload["loss"]}))
    both = ours.keys() & theirs.keys()
    fits = [name for name in ours if name in both and ours[name].shape == theirs[name].shape]
    report = LoadReport(
        source=str(source),
        sha256=checkpoint.sha256(file),
        step=payload["step"],
        loaded=fits,
        missing=[name for name in ours if name not in theirs],
        mismatched={
            name: f"{tuple(ours[name].shape)} here and {tuple(theirs[name].shape)} there"
            for name in ours
            if name in both and name not in fits
        },
        unused=[name for name in theirs if name not in ours],
        new=[f"loss.{name}" for name in loss.state_dict()] if reset_head else [],
    )
    if not any(name.startswith("network.") for name in fits):
        raise StartError(f"{file}: no tensor of its network fits this recipe's network")
    if "loss.prototypes" in report.mismatched:
        raise StartError(
            f"{file}: loss.prototypes is {report.mismatched['loss.prototypes']}; "
            "begin with new ones by --reset-head"
        )
    for name in fits:  # state_dict shares memory with the modules
        ours[name].copy_(theirs[name])
    return report


def _named(**states: dict[str, Any]) -> dict[str, Any]:
    return {f"{part}.{name}": tensor for part, state in states.items() for name, tensor in state.items()}


def _check_identities(file: Path, theirs: list[str], ours: list[str]) -> None:
    if theirs == ours:
        return
    if len(theirs) != len(ours):
        difference = f"it was trained on {len(theirs)} identities, the data here have {len(ours)}"
    else:
        label = next(label for label, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1])
        difference = f"its identity {label} is {theirs[label]}, here it is {ours[label]}"
    raise StartError(
        f"{file}: its prototypes belong to other identities ({difference}); "
        "begin with new ones by --reset-head"
    )
