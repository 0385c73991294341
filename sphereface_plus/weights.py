"""Weight files: a network in safetensors, with all that is needed to use it in the file's own header.

Tensors `network.<name>`, and `loss.prototypes` (C, D) where the classifier is kept; the header's entry
`sphereface_plus` holds WeightsInfo as JSON. Reading a file runs no code that is in it.

`load` takes these and the checkpoints of runs: every command that uses a model gets it here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor, nn

from sphereface_plus import checkpoint
from sphereface_plus.config import ConfigError, NetworkConfig, Strict, face_config, to_dict
from sphereface_plus.config.strict import validate
from sphereface_plus.data.trained_on import TrainedOn
from sphereface_plus.errors import memory_is_short
from sphereface_plus.files import new_file
from sphereface_plus.held_rows import HEADER
from sphereface_plus.model_files import CheckpointError, check_model, resolve
from sphereface_plus.words import a_kind, counted

KEY = "sphereface_plus"


class Origin(Strict):
    """Where weights come from."""

    format: str
    """sphereface_plus, or the project in whose format they were: caffe, clcarwin, ..."""
    file: str
    """Name of the file that they were read from."""
    sha256: str
    """Hash of that file."""
    license: str | None = None
    """Terms of the weights, as stated when they were converted."""
    training: Mapping[str, str | int | float] = Field(default={})
    """What is known of the training: recipe, step, loss, ..."""
    remarks: tuple[str, ...] = ()
    """What was changed or left out in reading them."""


class WeightsInfo(Strict):
    """What a weight file says about itself."""

    format: Literal[1] = 1
    network: NetworkConfig
    """The network, its input spec included."""
    identities: tuple[str, ...] | None = None
    """Names of the prototypes' identities, in the order of the rows; None where they are not known."""
    origin: Origin
    renamed: Mapping[str, str] = Field(default={})
    """Names that tensors had in the file that they come from, by ours."""


@dataclass(frozen=True)
class Weights:
    """A model as read from a weight file or a checkpoint."""

    file: Path
    sha256: str
    info: WeightsInfo
    network: dict[str, Tensor]
    loss: dict[str, Tensor]
    """State of the loss: its prototypes, empty where they are not kept."""
    kind: Literal["checkpoint", "weights"]
    trained_on: TrainedOn | None = None
    """None where the file does not say it."""


def load(path: str | Path) -> Weights:
    """The model of a weight file, a folder that holds one, a checkpoint or a run folder, on the CPU.

    Raises CheckpointError, and ConfigError for settings that this version does not know.
    """
    check_model(path)
    file = resolve(path)
    model = _read(file) if file.suffix == ".safetensors" else _of_checkpoint(file)
    prototypes, names = model.loss.get("prototypes"), model.info.identities
    if prototypes is not None and names is not None and len(names) != len(prototypes):
        people, rows = counted(len(names), "identity"), counted(len(prototypes), "prototype")
        raise CheckpointError(f"{file}: names {people} for {rows}")
    return model


def origin_of(header: str, origin: str) -> Origin | None:
    """The origin that an exported file names in its header, as JSON; None where it is not one of ours."""
    try:
        return validate(Origin, json.loads(header), origin)
    except (ValueError, RecursionError):  # a ConfigError is a ValueError, too
        return None


def provenance(origin: Origin, *, own: bool) -> dict[str, Any]:
    """What a report says about where weights come from, as far as they say it themselves.

    own: they are the run's own checkpoint; others name their terms and what they were made from as well.
    """
    names = {
        "recipe": "recipe",
        "seed": "seed",
        "step": "step",
        "identities": "identities",
        "precision": "trained in",
        "processes": "on",
    }
    said = {ours: origin.training[name] for name, ours in names.items() if name in origin.training}
    if own:
        return {**said, "on": said.get("on", "unknown processes")}
    made_from = f"{origin.file} ({origin.format}), sha256 {origin.sha256}"
    return {**said, "license": origin.license or "not stated", "from": made_from}


def check_tensors(file: Path, **states: Any) -> None:
    """Raises CheckpointError where a file's states, by what they are of, such as network and loss, are not
    tensors by name, or some that claim more memory than the file has, or prototypes of another shape."""
    for part, state in states.items():
        if not isinstance(state, dict):
            raise CheckpointError(f"{file}: is not a checkpoint of ours, its {part} is {a_kind(state)}")
        for name, tensor in state.items():
            if not (isinstance(name, str) and isinstance(tensor, Tensor) and checkpoint.is_plain(tensor)):
                raise CheckpointError(
                    f"{file}: {name!s:.60} claims more numbers than the file holds, or none"
                )
    prototypes = states.get("loss", {}).get("prototypes")
    if prototypes is not None and not (
        prototypes.ndim == 2 and prototypes.numel() and prototypes.is_floating_point()
    ):
        raise CheckpointError(
            f"{file}: its prototypes are {prototypes.dtype} {tuple(prototypes.shape)}, expected floats (C, D)"
        )


def built(
    file: Path, build: Callable[[], nn.Module], found: dict[str, Tensor], *, needs_memory: bool = False
) -> nn.Module:
    """The network that `build` makes by a file's config, with the file's weights.

    Raises CheckpointError where these are not of that network, before it takes memory: a small file may claim
    embeddings of any size.

    needs_memory: whether `build` may fail without, as some of timm's do: then that is not looked at.
    """
    try:
        with torch.device("meta"):
            expected = build().state_dict()
    except (RuntimeError, TypeError, ValueError):  # of sizes above 2**63
        if not needs_memory:
            raise CheckpointError(f"{file}: says that it holds a network that cannot be built") from None
        expected = found
    wrong = [
        name
        for name in sorted({*expected, *found})
        if name not in expected or name not in found or expected[name].shape != found[name].shape
    ]
    if wrong:
        first = wrong[0]
        theirs, ours = (tuple(part[first].shape) if first in part else "none" for part in (found, expected))
        raise CheckpointError(
            f"{file}: its config and its weights do not go together ({counted(len(wrong), 'tensor')} "
            f"{'does' if len(wrong) == 1 else 'do'} not fit, first {first[:200]!r}: got {theirs}, "
            f"expected {ours})"
        )
    network = build()
    try:
        network.load_state_dict(found)
    except RuntimeError as error:  # for other names or shapes
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{file}: its config and its weights do not go together ({reason})") from None
    return network


def save(
    path: str | Path, info: WeightsInfo, network: dict[str, Tensor], prototypes: Tensor | None = None
) -> None:
    """Writes a weight file, whole or not at all. Raises WriteError."""
    tensors = {f"network.{name}": tensor for name, tensor in network.items()}
    if prototypes is not None:
        tensors["loss.prototypes"] = prototypes
    # safetensors refuses tensors that share memory, and layouts such as channels_last
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with new_file(path, large=True) as file:
        # "format": what the Hub's tools expect of a file of torch's
        file.write(serialised(tensors, {"format": "pt", KEY: json.dumps(to_dict(info), ensure_ascii=False)}))


def _read(file: Path) -> Weights:
    try:
        with safe_open(file, framework="pt", device="cpu") as stored:
            said = stored.metadata() or {}
            if HEADER in said:
                raise CheckpointError(
                    f"{file}: holds rows of a checkpoint; give the run, or the checkpoint (.pt) beside it"
                )
            header = said.get(KEY)
            if header is None:
                raise CheckpointError(
                    f"{file}: does not say which network it holds; a file of another project has to be "
                    "converted: sphereface-plus convert"
                )
            names = stored.keys()
            tensors = {name: stored.get_tensor(name) for name in names}
    except (SafetensorError, TypeError, RuntimeError) as error:  # the latter of shapes such as (2**63, 0)
        reason = str(error).partition("\n")[0]
        if memory_is_short(error):
            raise CheckpointError(f"{file}: cannot be read, memory is short ({reason})") from None
        raise CheckpointError(f"{file}: is damaged, cut short or no safetensors file ({reason})") from None
    try:
        said = json.loads(header)
    except (ValueError, RecursionError):  # ValueError also of numbers with thousands of digits
        raise CheckpointError(f"{file}: what it says about its network is not JSON") from None
    try:
        info = validate(WeightsInfo, said, str(file))
    except ConfigError as error:
        raise CheckpointError(f"{file}: what it says about its network does not fit: {error}") from None
    network, loss = (_below(tensors, part) for part in ("network.", "loss."))
    check_tensors(file, network=network, loss=loss)
    names = info.identities
    trained_on = None if names is None else TrainedOn(names, np.empty(0, dtype=np.int64), complete=False)
    return Weights(file, checkpoint.sha256(file), info, network, loss, "weights", trained_on)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _of_checkpoint(file: Path) -> Weights:
    payload = checkpoint.load(file, unread=("optimizer",))
    sha256 = checkpoint.sha256(file)
    config, loss = payload.get("config", {}), payload.get("loss", {})
    if not isinstance(config, dict):
        raise CheckpointError(f"{file}: is not a checkpoint of ours, its config is {a_kind(config)}")
    try:
        config = face_config(payload["config"], origin=str(file))
        check_tensors(file, network=payload["network"], loss=loss)
        training: dict[str, Any] = {"recipe": config.name, "seed": config.seed, "loss": config.loss.kind}
        training["mhe_weight"] = config.mhe.weight
        training["precision"] = config.train.precision
        training |= {"processes": payload["processes"]} if "processes" in payload else {}
        training |= {"step": payload["step"]} if "step" in payload else {}
        annealed = getattr(config.loss, "lambda_start", None)
        if annealed is not None and isinstance(payload.get("step"), int):
            training["annealing_step"] = annealed + payload["step"]
        identities = payload.get("identities")
        training |= {"identities": len(identities)} if identities else {}
        training |= {"crops": payload["num_crops"]} if "num_crops" in payload else {}
        training["data_set"] = Path(config.data.path).name
        if start := payload.get("start"):
            training |= {"base_model": Path(start["source"]).name, "base_model_sha256": start["sha256"]}
        info = WeightsInfo(
            network=config.network,
            identities=tuple(identities) if identities else None,
            origin=Origin(format=KEY, file=file.name, sha256=sha256, training=training),
        )
        seen = trained_on_of(payload)
        return Weights(file, sha256, info, payload["network"], loss, "checkpoint", seen)
    except KeyError as error:
        raise CheckpointError(f"{file}: is not a whole checkpoint, it lacks {error}") from None
    except (TypeError, AttributeError, ValidationError):
        raise CheckpointError(
            f"{file}: is not a checkpoint of ours, its step is not a number or its identities are not names"
        ) from None


def trained_on_of(payload: dict[str, Any]) -> TrainedOn | None:
    """What a checkpoint says about its training set and its start's; older ones name the run's people only.

    Raises KeyError, TypeError or AttributeError where it is not a checkpoint of ours.
    """
    kept = payload.get("trained_on")
    if kept is None:
        names = payload.get("identities")
        complete = payload.get("start") is None
        return TrainedOn(tuple(names), np.empty(0, dtype=np.int64), complete) if names else None
    names, crops = kept["identities"], kept["crops"]
    if not all(isinstance(name, str) for name in names) or not checkpoint.is_plain(crops) or crops.ndim != 1:
        raise TypeError
    return TrainedOn(tuple(names), crops.to(torch.int64).numpy(), bool(kept["complete"]))
