"""Other people's tensors in our names: what every family ends with, and the checks on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sphereface_plus.config import NetworkConfig
from sphereface_plus.networks import build_network
from sphereface_plus.pretrained.errors import PretrainedError


@dataclass(frozen=True)
class Converted:
    """Weights of another project, ready for `build_network(config)`."""

    config: NetworkConfig
    network: dict[str, Tensor]
    prototypes: Tensor | None
    """(C, D), the classifier's rows, where the file has it."""
    renamed: dict[str, str]
    """Our name -> the name there."""
    remarks: list[str]
    """What was changed or left out."""


def take(
    file: Path,
    tensors: Mapping[str, Tensor],
    config: NetworkConfig,
    their_name: Callable[[str], str],
    *,
    prototypes: Tensor | None = None,
    ignored: set[str] | frozenset[str] = frozenset(),
    remarks: list[str] | None = None,
) -> Converted:
    """The tensors of a file as the weights of the network that `config` names.

    their_name: our name of a tensor -> its name in the file.
    ignored: names in the file that are not weights of the network, or have been used otherwise.
    A tensor whose shape differs by dimensions of 1 only, as Caffe's old files have them, is reshaped.
    Raises PretrainedError for whatever is missing, too much, of another shape or not finite.
    """
    remarks = list(remarks or [])
    with torch.device("meta"):
        expected = build_network(config).state_dict()
    renamed = {ours: their_name(ours) for ours in expected}
    _refuse_strangers(file, config, renamed, set(tensors) - ignored)
    network: dict[str, Tensor] = {}
    for ours, theirs in renamed.items():
        tensor, shape = tensors[theirs], expected[ours].shape
        if tensor.shape != shape:
            if [size for size in tensor.shape if size != 1] != [size for size in shape if size != 1]:
                raise PretrainedError(
                    f"{file}: {theirs} has shape {tuple(tensor.shape)}, {config.name}'s {ours} {tuple(shape)}"
                )
            remarks.append(f"{theirs}: {tuple(tensor.shape)} reshaped to {tuple(shape)}")
        network[ours] = _whole(file, theirs, tensor.to(expected[ours].dtype)).reshape(shape)
    if prototypes is not None:
        prototypes = checked_prototypes(file, prototypes, config)
    return Converted(config, network, prototypes, renamed, remarks)


def first_convolution(config: NetworkConfig) -> str:
    """Name of the weights that see the pixels, (out, 3, k, k)."""
    with torch.device("meta"):
        modules = build_network(config).named_modules()
    return next(f"{name}.weight" for name, module in modules if isinstance(module, nn.Conv2d))


def checked_prototypes(file: Path, prototypes: Tensor, config: NetworkConfig) -> Tensor:
    """Prototypes (C, D) of the network's D, finite and not 0, in fp32. Raises PretrainedError."""
    if prototypes.shape[1] != config.embedding_size:
        raise PretrainedError(
            f"{file}: its prototypes have {prototypes.shape[1]} dimensions, its embeddings "
            f"{config.embedding_size}"
        )
    prototypes = _whole(file, "the classifier", prototypes.float())
    if not bool(prototypes.any(dim=1).all()):
        raise PretrainedError(f"{file}: its classifier holds a row of zeros, which is nobody's prototype")
    return prototypes


def _refuse_strangers(file: Path, config: NetworkConfig, renamed: Mapping[str, str], found: set[str]) -> None:
    missing = sorted(set(renamed.values()) - found)
    strange = sorted(found - set(renamed.values()))
    if missing or strange:
        parts = [
            f"{title} {_some(names)}" for title, names in (("lacks", missing), ("has", strange)) if names
        ]
        raise PretrainedError(
            f"{file}: is not {config.name} of this format: it {', and '.join(parts)}; "
            "--from names another one"
        )


def _some(names: list[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _whole(file: Path, name: str, tensor: Tensor) -> Tensor:
    if not bool(torch.isfinite(tensor).all()):
        raise PretrainedError(f"{file}: {name} holds numbers that are not finite")
    return tensor
