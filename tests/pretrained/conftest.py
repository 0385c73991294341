"""Weights as other projects write them, made by code that shares nothing with the readers.

A .caffemodel is written by Google's protobuf from a descriptor of the released caffe.proto; the networks are
computed by the literal functions below, in the tensors' names of each project.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

WIDTHS = (64, 128, 256, 512)
UNITS = {4: (0, 0, 0, 0), 10: (0, 1, 2, 0), 20: (1, 2, 4, 1), 62: (3, 7, 16, 3)}

# name, number, kind, repeated, packed; of Caffe's src/caffe/proto/caffe.proto
MESSAGES = {
    "BlobShape": [("dim", 1, "int64", True, True)],
    "BlobProto": [
        ("num", 1, "int32", False, False),
        ("channels", 2, "int32", False, False),
        ("height", 3, "int32", False, False),
        ("width", 4, "int32", False, False),
        ("data", 5, "float", True, True),
        ("diff", 6, "float", True, True),
        ("shape", 7, "BlobShape", False, False),
        ("double_data", 8, "double", True, True),
    ],
    "LayerParameter": [
        ("name", 1, "string", False, False),
        ("type", 2, "string", False, False),
        ("bottom", 3, "string", True, False),
        ("top", 4, "string", True, False),
        ("loss_weight", 5, "float", True, False),
        ("blobs", 7, "BlobProto", True, False),
        ("phase", 10, "int32", False, False),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "string", True, False),
        ("top", 3, "string", True, False),
        ("name", 4, "string", False, False),
        ("type", 5, "int32", False, False),
        ("blobs", 6, "BlobProto", True, False),
    ],
    "NetParameter": [
        ("name", 1, "string", False, False),
        ("layers", 2, "V1LayerParameter", True, False),
        ("input", 3, "string", True, False),
        ("input_dim", 4, "int32", True, False),
        ("layer", 100, "LayerParameter", True, False),
    ],
}


@pytest.fixture(scope="session")
def net_parameter():
    """The class NetParameter of the descriptor above."""
    file = descriptor_pb2.FileDescriptorProto(name="test_caffe.proto", package="test_caffe", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, described in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated, packed in described:
            field = message.field.add(name=field_name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".test_caffe.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
            if packed:
                field.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test_caffe.NetParameter"))


@pytest.fixture(scope="session")
def caffe_bytes(net_parameter):
    """(layers, form): a .caffemodel of [(name, type, arrays)], of LayerParameter or, "v1", the older form."""

    def encode(layers, form="layer"):
        net = net_parameter(name="SpherefaceNet-20")
        for name, kind, arrays in layers:
            if form == "v1":
                layer = net.layers.add(name=name, type=4)
            else:
                layer = net.layer.add(name=name, type=kind, phase=0)
                layer.bottom.append("below")
                layer.top.append(name)
            for array in arrays:
                blob = layer.blobs.add()
                if form == "v1":
                    padded = (1,) * (4 - array.ndim) + array.shape
                    blob.num, blob.channels, blob.height, blob.width = padded
                else:
                    blob.shape.dim.extend(array.shape)
                if array.dtype == np.float64:
                    blob.double_data.extend(array.ravel().tolist())
                else:
                    blob.data.extend(array.ravel().tolist())
        return net.SerializeToString()

    return encode


@pytest.fixture(scope="session")
def sphereface_layers():
    """(depth, embedding_size, identities): the layers of the released prototxt, with random weights."""

    def make(depth=4, embedding_size=16, identities=5, seed=0, height=112, width=96):
        random = np.random.default_rng(seed)

        def normal(*shape, scale):
            return (random.standard_normal(shape) * scale).astype(np.float32)

        layers = [("data", "ImageData", [])]
        below = 3
        for stage, (channels, units) in enumerate(zip(WIDTHS, UNITS[depth], strict=True), start=1):
            down = normal(channels, below, 3, 3, scale=(2 / (9 * below)) ** 0.5)
            layers.append((f"conv{stage}_1", "Convolution", [down, normal(channels, scale=0.1)]))
            layers.append((f"relu{stage}_1", "PReLU", [normal(channels, scale=0.1) + 0.25]))
            for number in range(2, 2 * units + 2):
                weight = normal(channels, channels, 3, 3, scale=0.5 * (2 / (9 * channels)) ** 0.5)
                bias = np.zeros(channels, np.float32)
                layers.append((f"conv{stage}_{number}", "Convolution", [weight, bias]))
                layers.append((f"relu{stage}_{number}", "PReLU", [normal(channels, scale=0.1) + 0.25]))
                if number % 2:
                    layers.append((f"res{stage}_{number}", "Eltwise", []))
            below = channels
        inputs = 512 * -(-height // 16) * -(-width // 16)
        weight = normal(embedding_size, inputs, scale=inputs**-0.5)
        layers.append(("fc5", "InnerProduct", [weight, normal(embedding_size, scale=0.1)]))
        if identities:
            prototypes = normal(identities, embedding_size, scale=0.3)
            layers.append(("fc6", "MarginInnerProduct", [prototypes]))
        return [*layers, ("softmax_loss", "SoftmaxWithLoss", [])]

    return make


@pytest.fixture(scope="session")
def caffe_forward():
    """(layers, input): fc5 of normalised BGR crops (B, 3, H, W), layer by layer as the prototxt says.

    bias: whether the residual units' biases are added; clcarwin's graph is the same, with them.
    """

    def forward(layers, x, bias=False):
        blobs = {name: [torch.from_numpy(array) for array in arrays] for name, _, arrays in layers}
        for stage in (1, 2, 3, 4):
            x = F.conv2d(x, *blobs[f"conv{stage}_1"], stride=2, padding=1)
            x = torch.where(x > 0, x, blobs[f"relu{stage}_1"][0].view(1, -1, 1, 1) * x)
            number = 2
            while f"conv{stage}_{number}" in blobs:
                y = x
                for layer in (number, number + 1):
                    weight, offset = blobs[f"conv{stage}_{layer}"]
                    y = F.conv2d(y, weight, offset if bias else None, padding=1)
                    y = torch.where(y > 0, y, blobs[f"relu{stage}_{layer}"][0].view(1, -1, 1, 1) * y)
                x = x + y
                number += 2
        weight, offset = blobs["fc5"]
        return x.flatten(1) @ weight.T + offset

    return forward


@pytest.fixture
def crops():
    """Three RGB crops of noise, uint8 (3, 112, 96, 3)."""
    return np.random.default_rng(1).integers(0, 256, (3, 112, 96, 3), dtype=np.uint8)


@pytest.fixture
def caffe_file(tmp_path, caffe_bytes):
    def write(layers, form="layer"):
        (tmp_path / "face.caffemodel").write_bytes(caffe_bytes(layers, form))
        return tmp_path / "face.caffemodel"

    return write
