"""insightface's arcface_torch: IResNet and MobileFaceNet ("mbf"), whose names and graphs are ours.

A backbone.pth is a state dict; checkpoint_gpu_0.pt holds one under state_dict_backbone. The networks see RGB,
(v - 127.5) / 127.5. checkpoint_gpu_0.pt also holds the classifier, under state_dict_softmax_fc: the part that
its GPU kept (insightface_parts.py), which is all of it where there was one GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.networks.iresnet import STAGE_UNITS
from sphereface_plus.pretrained.converted import Converted, take
from sphereface_plus.pretrained.crop_sizes import input_spec
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.torch_files import read_with_classifier

_WHOLE_MAP = "features.layers.0.layers.0.weight"  # MobileFaceNet's last convolution, (512, 1, rows, columns)


def read(path: Path) -> Converted:
    """The network of a state dict, with the prototypes that lie beside it. Raises PretrainedError."""
    tensors, prototypes = read_with_classifier(path)
    if _WHOLE_MAP in tensors:
        name, embed, last = "mobilefacenet", "features.layers.2.weight", _WHOLE_MAP
    else:
        name, embed, last = _iresnet(path, tensors), "fc.weight", "fc.weight"
    if embed not in tensors:
        raise PretrainedError(f"{path}: is not {name} of insightface: it lacks {embed}")
    for matrix in (embed, last):
        if tensors[matrix].ndim < 2 or 0 in tensors[matrix].shape:
            shape = tuple(tensors[matrix].shape)
            raise PretrainedError(f"{path}: is not {name} of insightface: its {matrix} has the shape {shape}")
    pixels = tensors[last][0].numel() // (1 if last == _WHOLE_MAP else 512)
    spec: InputSpec = input_spec(path, pixels, color="rgb", std=127.5)
    config = NetworkConfig.model_validate(
        {"name": name, "embedding_size": len(tensors[embed]), "input": spec}
    )
    return take(path, tensors, config, lambda ours: ours, prototypes=prototypes)


def _iresnet(path: Path, tensors: Mapping[str, Tensor]) -> str:
    units = tuple(_units(tensors, f"layer{stage}") for stage in (1, 2, 3, 4))
    name = next((name for name, known in STAGE_UNITS.items() if known == units), None)
    if name is None:
        raise PretrainedError(
            f"{path}: is neither an IResNet nor a MobileFaceNet of insightface: {units} residual units in "
            "layer1 to layer4; --from names another one"
        )
    return name


def _units(tensors: Mapping[str, Tensor], stage: str) -> int:
    count = 0
    while f"{stage}.{count}.bn1.weight" in tensors:
        count += 1
    return count
