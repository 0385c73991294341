"""SphereFace and SphereFace+ as their authors released them: .caffemodel files.

Stage s, unit b: conv{s}_1 halves the map, conv{s}_{2b} and conv{s}_{2b+1} are the unit's; their relu have the
same numbers; fc5 is the embedding, fc6 the prototypes. Convolution, crops in rows and flattening agree with
torch's, so that weights carry over as they are. The network sees BGR, (v - 127.5) / 128.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.pretrained.caffemodel import Layer, read_caffemodel
from sphereface_plus.pretrained.converted import Converted
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.sphereface_names import Names, to_sphereface
from sphereface_plus.words import counted

HEAD = "fc6"
_PARTS = ("weight", "bias")
_UNIT = re.compile(r"conv\d_([2-9]|\d\d+)\.bias")  # conv{s}_1 is not a residual unit's


def _place(stage: int, unit: int, number: int) -> str:
    return f"{stage}_{2 * unit + number - 1 if unit else 1}"


NAMES = Names(
    convolution=lambda *place: f"conv{_place(*place)}",
    prelu=lambda *place: f"relu{_place(*place)}",
    embed="fc5",
)


def read(path: Path) -> Converted:
    """The network of a .caffemodel, with its prototypes if it has fc6. Raises PretrainedError."""
    layers = read_caffemodel(path)
    remarks: list[str] = []
    names = [layer.name for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PretrainedError(f"{path}: has the layer {twice[0]!r} twice")
    many = next((layer.name for layer in layers if len(layer.blobs) > 2), None)
    if many is not None:
        raise PretrainedError(f"{path}: layer {many!r} has more arrays than weights and a bias")
    prototypes, used = _prototypes(path, layers, remarks)
    tensors = {
        f"{layer.name}.{part}": torch.from_numpy(np.array(blob))
        for layer in layers
        if layer.name not in used
        for part, blob in zip(_PARTS, layer.blobs, strict=False)
    }
    zeros = {name for name in tensors if _UNIT.fullmatch(name)}
    for name in sorted(zeros):
        if bool(tensors[name].any()):
            raise PretrainedError(
                f"{path}: {name} is not zero, as SphereFace's training holds it; this is another network"
            )
    if zeros:
        remarks.append(f"{counted(len(zeros), 'bias')} of residual units, zero, which is none: left out")
    return to_sphereface(
        path,
        tensors,
        NAMES,
        variant="caffe",
        color="bgr",
        std=128.0,
        prototypes=prototypes,
        ignored=zeros,
        remarks=remarks,
    )


def _prototypes(path: Path, layers: list[Layer], remarks: list[str]) -> tuple[Tensor | None, set[str]]:
    """The rows of fc6, (C, D), and the names of the layers that hold them.

    SphereFace+ has one array under two layers, fc6 and InterClass. Caffe normalises the rows in the forward
    pass only, so that after the last update they are off by a step: normalised here.
    """
    head = next((layer for layer in layers if layer.name == HEAD), None)
    if head is None:
        remarks.append("no fc6: without prototypes")
        return None, set()
    if len(head.blobs) != 1:
        raise PretrainedError(
            f"{path}: fc6 has {len(head.blobs)} arrays, a bias among them; prototypes have none"
        )
    weight = head.blobs[0]
    used = {HEAD}
    for layer in layers:
        if layer.name != HEAD and len(layer.blobs) == 1 and np.array_equal(layer.blobs[0], weight):
            used.add(layer.name)
            remarks.append(f"{layer.name} shares the array of fc6: taken once")
    if weight.ndim > 2 and set(weight.shape[:-2]) == {1}:
        weight = weight.reshape(weight.shape[-2:])
    if weight.ndim != 2:
        raise PretrainedError(f"{path}: fc6 has shape {weight.shape}, prototypes have two dimensions")
    remarks.append("fc6: rows normalised")
    return F.normalize(torch.from_numpy(np.array(weight))), used
