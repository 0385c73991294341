"""Reading a .caffemodel, the trained NetParameter of Caffe: layers by name, with their arrays of weights.

Both of its forms are read: layers of LayerParameter (field 100) and the older ones of V1LayerParameter
(field 2). Numbers and types of the fields are those of Caffe's released caffe.proto:

    NetParameter      layers 2 (V1), layer 100
    LayerParameter    name 1, type 2, blobs 7            V1LayerParameter    name 4, type 5 (enum), blobs 6
    BlobProto         num, channels, height, width 1-4; data 5, packed float; shape 7; double_data 8, packed
    BlobShape         dim 1, packed int64
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sphereface_plus.pretrained.errors import PretrainedError
from sphereface_plus.pretrained.wire import BYTES, VARINT, Field, WireError, fields, varint

# What Caffe itself holds, and what a forged file cannot exceed.
MAX_LAYERS, MAX_BLOBS, MAX_DIMENSIONS = 10_000, 100, 32

_LAYER, _V1_LAYER = 100, 2
# Field number of the name, of the blobs, in each form of layer.
_FORMS = {_LAYER: (1, 7), _V1_LAYER: (4, 6)}
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8


@dataclass(frozen=True)
class Layer:
    name: str
    blobs: list[np.ndarray]
    """float32, of any shape: weights first, then the bias if there is one."""


def read_caffemodel(path: str | Path) -> list[Layer]:
    """The layers that have weights, in their order. Raises PretrainedError with file and byte."""
    path = Path(path)
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise PretrainedError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        layers = _layers(data)
    except WireError as error:
        raise PretrainedError(f"{path}: is cut short, damaged or no .caffemodel ({error})") from None
    if not layers:
        raise PretrainedError(
            f"{path}: holds no layer with weights; the trained .caffemodel is needed, not the prototxt"
        )
    return layers


def _layers(data: memoryview) -> list[Layer]:
    layers: list[Layer] = []
    for count, field in enumerate(fields(data, 0, len(data))):
        if count > MAX_LAYERS:
            raise WireError(field.offset, f"more than {MAX_LAYERS} fields in the network")
        if field.number in _FORMS and field.type == BYTES:
            layer = _layer(data, field)
            if layer.blobs:
                layers.append(layer)
    return layers


def _layer(data: memoryview, message: Field) -> Layer:
    name_number, blobs_number = _FORMS[message.number]
    name, blobs = "", []
    for field in fields(data, message.start, message.end):
        if field.type != BYTES:
            continue
        if field.number == name_number:
            name = bytes(data[field.start : field.end][:200]).decode("utf-8", errors="replace")
            if not name.isprintable():  # it would stand in messages
                raise WireError(field.offset, "a layer's name cannot be printed")
        elif field.number == blobs_number:
            if len(blobs) == MAX_BLOBS:
                raise WireError(field.offset, f"layer {name!r} has more than {MAX_BLOBS} arrays")
            blobs.append(_blob(data, field))
    return Layer(name, blobs)


def _blob(data: memoryview, message: Field) -> np.ndarray:
    legacy: dict[int, int] = {}  # num, channels, height, width
    shape: list[int] | None = None
    values: np.ndarray | None = None
    for field in fields(data, message.start, message.end):
        if field.number in (1, 2, 3, 4) and field.type == VARINT:
            legacy[field.number] = field.value
        elif field.number == _SHAPE and field.type == BYTES:
            shape = _shape(data, field)
        elif field.number in (_DATA, _DOUBLE_DATA):
            if field.type != BYTES or values is not None:
                raise WireError(field.offset, "an array is not in one piece, as Caffe writes it")
            dtype = np.dtype("<f4" if field.number == _DATA else "<f8")
            if (field.end - field.start) % dtype.itemsize:
                raise WireError(field.offset, "an array ends within a number")
            values = np.frombuffer(data[field.start : field.end], dtype)
    if values is None or len(values) == 0:
        raise WireError(message.offset, "an array holds no numbers")
    if shape is None:
        shape = [legacy.get(number, 1) for number in (1, 2, 3, 4)] if legacy else [len(values)]
    if math.prod(shape) != len(values):
        raise WireError(message.offset, f"an array of shape {shape} holds {len(values)} numbers")
    with np.errstate(over="ignore"):  # what does not fit into float32 is infinite, and refused with its name
        return values.astype(np.float32).reshape(shape)


def _shape(data: memoryview, message: Field) -> list[int]:
    shape: list[int] = []
    for field in fields(data, message.start, message.end):
        if field.number != 1 or field.type != BYTES:
            raise WireError(field.offset, "an array's shape is not written as Caffe writes it")
        position = field.start
        while position < field.end:
            size, position = varint(data, position, field.end)
            shape.append(size)
            if len(shape) > MAX_DIMENSIONS:
                raise WireError(field.offset, f"an array has more than {MAX_DIMENSIONS} dimensions")
    return shape
