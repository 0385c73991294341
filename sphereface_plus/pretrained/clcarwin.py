"""clcarwin/sphereface_pytorch: sphere20a, the released graph with a trained bias in every convolution.

Names are Caffe's. fc6.weight is (D, C), the transpose of prototypes. The network sees BGR,
(v - 127.5) / 128, of crops whose reference points are SphereFace's 1-based ones taken as 0-based: the face
lies one pixel further right and down, which is an alignment template of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sphereface_plus.pretrained import caffe
from sphereface_plus.pretrained.converted import Converted
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.sphereface_names import to_sphereface
from sphereface_plus.pretrained.torch_files import read_state_dict

HEAD = "fc6.weight"
TEMPLATE = "sphereface_112x96_clcarwin"


def read(path: Path) -> Converted:
    """The network of a state dict, with its prototypes. Raises PretrainedError."""
    tensors = read_state_dict(path)
    remarks = []
    prototypes = tensors.get(HEAD)
    if prototypes is None:
        remarks.append("no fc6: without prototypes")
    elif prototypes.ndim != 2:
        raise PretrainedError(f"{path}: {HEAD} has shape {tuple(prototypes.shape)}, expected (D, C)")
    else:
        prototypes = prototypes.T.contiguous()
        remarks.append("fc6.weight: transposed to prototypes in rows")
    converted = to_sphereface(
        path,
        tensors,
        caffe.NAMES,
        variant="clcarwin",
        color="bgr",
        std=128.0,
        prototypes=prototypes,
        ignored={HEAD},
        remarks=remarks,
    )
    spec = converted.config.input
    if spec.template != "sphereface_112x96":
        return converted
    remark = f"made for crops whose face lies 1 pixel right and down: align photos with --template {TEMPLATE}"
    config = converted.config.model_copy(update={"input": spec.model_copy(update={"template": TEMPLATE})})
    return replace(converted, config=config, remarks=[*converted.remarks, remark])
