"""MTCNN's three networks on the weights that facenet-pytorch ships, arranged for speed on a CPU.

The layers are the released ones. What is arranged differently changes the results by no more than rounding:

- Input is (K, 3, h, w) in channels_last with values 0 to 255. The normalisation (v - 127.5) / 128 is folded
  into the first convolution.
- P-Net's ten first channels are padded with zeros to sixteen, a full vector of the processor.
- The last layers are joined to one. An output is two logits (no face, face), four numbers that refine the
  box, and, from O-Net, five x and five y of the landmarks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Layer = Callable[[Tensor], Tensor]
Weights = dict[str, Tensor]


class Networks(NamedTuple):
    pnet: Callable[[Tensor, tuple[Tensor, Tensor]], Tensor]
    """(1, 3, h, w), both sides even, and a sheet's edges (pyramid.py) -> (6, rows, columns)"""
    rnet: Layer
    """(K, 3, 24, 24) -> (K, 6)"""
    onet: Layer
    """(K, 3, 48, 48) -> (K, 16)"""
    sha256: dict[str, str]
    """Hash of each weight file, by the network's name."""


def load_networks() -> Networks:
    """The networks, read from the installed facenet-pytorch package, which itself is not imported."""
    spec = find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("MTCNN's weights come with facenet-pytorch, which is not installed")
    folder = Path(spec.origin).parent / "data"
    data = {name: (folder / f"{name}.pt").read_bytes() for name in ("pnet", "rnet", "onet")}
    p, r, o = (torch.load(BytesIO(file), weights_only=True) for file in data.values())
    pnet = _on_sheets(
        _first_conv(p, 16),
        *(_prelu(p, "prelu1", 16), _max_pool(2)),
        *(_conv(p, "conv2", in_channels=16), _prelu(p, "prelu2")),
        *(_conv(p, "conv3"), _prelu(p, "prelu3")),
        _at_each_position(p, "conv4_1", "conv4_2"),
    )
    rnet = _chain(
        *(_first_conv(r, 28), _prelu(r, "prelu1"), _max_pool(3)),
        *(_conv(r, "conv2"), _prelu(r, "prelu2"), _max_pool(3)),
        *(_conv(r, "conv3"), _prelu(r, "prelu3")),
        *(_flat, _linear(r, "dense4"), _prelu(r, "prelu4")),
        _linear(r, "dense5_1", "dense5_2"),
    )
    onet = _chain(
        *(_first_conv(o, 32), _prelu(o, "prelu1"), _max_pool(3)),
        *(_conv(o, "conv2"), _prelu(o, "prelu2"), _max_pool(3)),
        *(_conv(o, "conv3"), _prelu(o, "prelu3"), _max_pool(2)),
        *(_conv(o, "conv4"), _prelu(o, "prelu4")),
        *(_flat, _linear(o, "dense5"), _prelu(o, "prelu5")),
        _linear(o, "dense6_1", "dense6_2", "dense6_3"),
    )
    return Networks(pnet, rnet, onet, {name: hashlib.sha256(file).hexdigest() for name, file in data.items()})


def _chain(*layers: Layer) -> Layer:
    def network(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    return network


def _on_sheets(first: Layer, *others: Layer) -> Callable[[Tensor, tuple[Tensor, Tensor]], Tensor]:
    rest = _chain(*others)

    def network(x: Tensor, edges: tuple[Tensor, Tensor]) -> Tensor:
        x = first(x)
        places = x.permute(0, 2, 3, 1).view(-1, x.shape[1])
        places[edges[0]] = places[edges[1]]
        return rest(x)

    return network


def _first_conv(weights: Weights, out_channels: int) -> Layer:
    weight, bias = weights["conv1.weight"] / 128, weights["conv1.bias"]
    bias = bias - 127.5 * weight.sum(dim=(1, 2, 3))
    return _conv({"conv1.weight": weight, "conv1.bias": bias}, "conv1", out_channels=out_channels)


def _conv(weights: Weights, name: str, in_channels: int = 0, out_channels: int = 0) -> Layer:
    """A convolution, with zeros for the channels that the released one lacks."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    more_in, more_out = max(in_channels - weight.shape[1], 0), max(out_channels - weight.shape[0], 0)
    weight = F.pad(weight, (0, 0, 0, 0, 0, more_in, 0, more_out)).contiguous(
        memory_format=torch.channels_last
    )
    bias = F.pad(bias, (0, more_out))
    return lambda x: F.conv2d(x, weight, bias)


def _prelu(weights: Weights, name: str, channels: int = 0) -> Layer:
    slope = weights[f"{name}.weight"]
    slope = F.pad(slope, (0, max(channels - len(slope), 0)))
    return lambda x: F.prelu(x, slope)


def _max_pool(size: int) -> Layer:
    """Of 2 x 2 pixels, on even sides, or 3 x 3, by twos, where a last window may have two of three.

    Two to four times as fast as torch's max_pool2d, which also finds the places of the largest.
    """
    return lambda x: _largest(_largest(x, 2, size), 3, size)


def _largest(x: Tensor, dim: int, size: int) -> Tensor:
    x = x.movedim(dim, 0)
    pairs = torch.maximum(x[: len(x) // 2 * 2 : 2], x[1::2])
    if size == 3:
        third = x[2::2]
        torch.maximum(pairs[: len(third)], third, out=pairs[: len(third)])
    return pairs.movedim(0, dim)


def _flat(x: Tensor) -> Tensor:
    """(K, C, h, w) -> (K, w * h * C): columns count before rows, as in the authors' Matlab code."""
    return x.permute(0, 3, 2, 1).flatten(1)


def _linear(weights: Weights, *names: str) -> Layer:
    weight, bias = _joined(weights, names)
    return lambda x: F.linear(x, weight, bias)


def _at_each_position(weights: Weights, *names: str) -> Layer:
    """1x1 convolutions of (1, C, rows, columns) -> (outputs, rows, columns).

    As matrix times positions: with so few outputs that is three times as fast as a convolution.
    """
    weight, bias = _joined(weights, names)
    return lambda x: torch.addmm(bias[:, None], weight, x[0].flatten(1)).unflatten(1, x.shape[2:])


def _joined(weights: Weights, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Linear layers or 1x1 convolutions of one input as one matrix (outputs, C) and bias (outputs,)."""
    weight = torch.cat([weights[f"{name}.weight"].flatten(1) for name in names])
    return weight, torch.cat([weights[f"{name}.bias"] for name in names])
