"""State dicts in other people's files of torch, read without running anything of them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sphereface_plus import checkpoint
from sphereface_plus.errors import memory_is_short
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.words import a_kind

PREFIXES = ("module.", "model.", "net.")  # DataParallel's, and what trainers put around a network
_CLASSIFIER = "state_dict_softmax_fc"  # where insightface keeps the classifier, beside the network
MAX_NAME = 300
"""Length of a tensor's name."""
_STATES = (
    "state_dict",
    "model_state_dict",
    "net_state_dict",
    "network_state_dict",
    "backbone_state_dict",
    "state_dict_backbone",
    "backbone",
    "model",
    "net",
    "network",
)
_DEPTH = 3  # levels that a state dict may lie down: a trainer's, a project's, and one to spare


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .pth, .pt, .ckpt or .safetensors file by name, without the prefixes above.

    A state dict may lie some levels down, under a name such as state_dict. Raises PretrainedError.
    """
    return read_with_classifier(path)[0]


def read_with_classifier(path: str | Path) -> tuple[dict[str, Tensor], Tensor | None]:
    """As read_state_dict, and the classifier (C, D) that insightface keeps beside it; None without one.

    Raises PretrainedError.
    """
    path = Path(path)
    content = _load(path)
    tensors = _tensors(path, _find_state(path, content))
    if _CLASSIFIER not in content:
        return _without_prefixes(tensors), None
    beside = content[_CLASSIFIER]
    classifier = _tensors(path, beside if isinstance(beside, Mapping) else {}).get("weight")
    if classifier is None or classifier.ndim != 2:
        raise PretrainedError(f"{path}: {_CLASSIFIER} holds no matrix called weight")
    return _without_prefixes(tensors), classifier


def read_part(path: str | Path) -> tuple[Tensor, int | None]:
    """The part of a classifier (n, D) that a rank of arcface_torch has saved, and the update after which,
    where the file says that (insightface_parts.py). Raises PretrainedError."""
    path = Path(path)
    content = _load(path)
    beside = content if isinstance(content, Mapping) else {}
    state = {"weight": content} if isinstance(content, Tensor) else beside.get(_CLASSIFIER, beside)
    weight = _tensors(path, state if isinstance(state, Mapping) else {}).get("weight")
    if weight is None or weight.ndim != 2 or 0 in weight.shape:
        raise PretrainedError(f"{path}: holds no matrix called weight, a rank's prototypes")
    step = beside.get("global_step")
    return weight.detach(), step if type(step) is int else None


def _tensors(path: Path, state: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        if not name.isprintable() or len(name) > MAX_NAME:
            raise PretrainedError(f"{path}: has the tensor {name[:60]!r}, which is not a name")
        if not checkpoint.is_plain(tensor):
            raise PretrainedError(
                f"{path}: {name} claims more numbers than the file holds, or holds them in another form"
            )
    return tensors


def _load(path: Path) -> Any:
    if not path.is_file():
        raise PretrainedError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:  # torch does not compress: a compressed file may be a bomb
                if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                    raise PretrainedError(f"{path}: is a compressed archive; unpack it first")
                checkpoint.check_tuples(archive)
        else:
            checkpoint.check_tuples(path.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript, which is refused below anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except PretrainedError:
        raise
    except Exception as error:  # a hostile pickle can raise anything; what it cannot do is run
        if memory_is_short(error):  # the file may be whole
            reason = (str(error) or type(error).__name__).partition("\n")[0][:200]
            raise PretrainedError(f"{path}: cannot be read, memory is short ({reason})") from None
        if isinstance(error, SafetensorError):
            raise PretrainedError(f"{path}: is damaged, cut short or no safetensors file ({error})") from None
        reason = str(error).rpartition("WeightsUnpickler error: ")[2].partition("\n")[0][:200]
        if reason.startswith("Unsupported global") or "Unsupported class" in reason:
            raise PretrainedError(
                f"{path}: holds more than tensors and plain data; refused, as reading that could run its "
                "code. Load it in the project that made it, and save its state_dict()"
            ) from None
        raise PretrainedError(f"{path}: is damaged, cut short or no file of torch's ({reason})") from None


def _find_state(path: Path, content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise PretrainedError(f"{path}: holds {a_kind(content)}, not tensors by name")
    for _ in range(_DEPTH):
        if any(isinstance(value, Tensor) for value in content.values()):
            break
        below = next((content[key] for key in _STATES if isinstance(content.get(key), Mapping)), None)
        if below is None:
            break
        content = below
    content = {name: value for name, value in content.items() if isinstance(name, str)}
    if not any(isinstance(value, Tensor) for value in content.values()):
        names = ", ".join(sorted(content)[:5]) or "nothing"
        raise PretrainedError(f"{path}: holds no state dict, but {repr(names[:200])[1:-1]}")
    return content


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES * 2:  # module.model. occurs, and model.module. too
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
