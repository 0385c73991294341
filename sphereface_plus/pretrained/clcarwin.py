"""clcarwin/sphereface_pytorch: sphere20a, the released graph with a trained bias in every convolution.

Names are Caffe's. fc6.weight is (D, C), the transpose of prototypes. The network sees BGR, (v - 127.5) / 128.
"""

from __future__ import annotations

from pathlib import Path

from sphereface_plus.pretrained import caffe
from sphereface_plus.pretrained.converted import Converted
from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.sphereface_names import to_sphereface
from sphereface_plus.pretrained.torch_files import read_state_dict

HEAD = "fc6.weight"


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
    return to_sphereface(
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
