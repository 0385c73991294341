"""MTCNN's three networks with the weights that facenet-pytorch ships, arranged for speed on a CPU.

The layers and the weights are facenet-pytorch's. What differs changes the results by no more than rounding:

- Input is (K, 4, h, w) in channels_last with values 0 to 255. The normalisation (v - 127.5) / 128 is folded into the
  first convolution, and the fourth channel meets weights of zero.
- P-Net's ten first channels are padded with zeros to sixteen, a full vector of the processor.
- The last layers are joined to one matrix. An output is two logits (no face, face), four numbers that refine the box,
  and, from O-Net, five x and five y of the landmarks.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from io import BytesIO
from typing import NamedTuple

import torch
from facenet_pytorch import ONet, PNet, RNet
from torch import Tensor, nn


class Networks(NamedTuple):
    pnet: nn.Module
    """(1, 4, h, w) -> (6, rows, columns); a cell sees 12 x 12 pixels, its neighbours' views lie 2 further."""
    rnet: nn.Module
    """(K, 4, 24, 24) -> (K, 6)"""
    onet: nn.Module
    """(K, 4, 48, 48) -> (K, 16)"""
    sha256: dict[str, str]
    """Of each weight file."""


@torch.no_grad()
def load_networks() -> Networks:
    hashes: dict[str, str] = {}
    p, r, o = (_released(kind, hashes) for kind in (PNet, RNet, ONet))
    pnet = nn.Sequential(
        *(_padded_conv(_folded(p.conv1), 4, 16), _padded_prelu(p.prelu1, 16), p.pool1),
        *(_padded_conv(p.conv2, 16, 16), p.prelu2, p.conv3, p.prelu3),
        _Cells(_joined(p.conv4_1, p.conv4_2)),
    )
    rnet = nn.Sequential(
        *(_folded(r.conv1), r.prelu1, r.pool1, r.conv2, r.prelu2, r.pool2, r.conv3, r.prelu3),
        *(_ColumnsFirst(), r.dense4, r.prelu4, _joined(r.dense5_1, r.dense5_2)),
    )
    onet = nn.Sequential(
        *(_folded(o.conv1), o.prelu1, o.pool1, o.conv2, o.prelu2, o.pool2),
        *(o.conv3, o.prelu3, o.pool3, o.conv4, o.prelu4),
        *(_ColumnsFirst(), o.dense5, o.prelu5),
        _joined(o.dense6_1, o.dense6_2, o.dense6_3),
    )
    for network in (pnet, rnet, onet):
        network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    return Networks(pnet, rnet, onet, hashes)


def _released(kind: type[nn.Module], hashes: dict[str, str]) -> nn.Module:
    name = kind.__name__.lower()
    data = files("facenet_pytorch").joinpath("data", f"{name}.pt").read_bytes()
    hashes[name] = hashlib.sha256(data).hexdigest()
    network = kind(pretrained=False)
    network.load_state_dict(torch.load(BytesIO(data), weights_only=True))
    return network


def _folded(conv: nn.Conv2d) -> nn.Conv2d:
    """conv((v - 127.5) / 128) of three channels, as a convolution of v and of a fourth channel that it ignores."""
    folded = _padded_conv(conv, 4, conv.out_channels)
    folded.weight.div_(128)
    folded.bias.sub_(127.5 * folded.weight.sum(dim=(1, 2, 3)))
    return folded


def _padded_conv(conv: nn.Conv2d, in_channels: int, out_channels: int) -> nn.Conv2d:
    padded = nn.Conv2d(in_channels, out_channels, conv.weight.shape[2:])
    nn.init.zeros_(padded.weight)[: conv.out_channels, : conv.in_channels] = conv.weight
    nn.init.zeros_(padded.bias)[: conv.out_channels] = conv.bias
    return padded


def _padded_prelu(prelu: nn.PReLU, channels: int) -> nn.PReLU:
    padded = nn.PReLU(channels)
    padded.weight[: prelu.num_parameters] = prelu.weight
    return padded


def _joined(*layers: nn.Conv2d | nn.Linear) -> nn.Linear:
    """Linear layers, or 1x1 convolutions, of one input as one linear layer."""
    weight = torch.cat([layer.weight.flatten(1) for layer in layers])
    joined = nn.Linear(weight.shape[1], weight.shape[0])
    joined.weight.copy_(weight)
    joined.bias.copy_(torch.cat([layer.bias for layer in layers]))
    return joined


class _Cells(nn.Module):
    """A linear layer at each position of (1, C, rows, columns) -> (outputs, rows, columns).

    Written as matrix x positions: with so few outputs, that is three times as fast as positions x matrix.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        positions = x[0].permute(1, 2, 0).flatten(0, 1)  # (rows * columns, C), no copy in channels_last
        return (self.layer.weight @ positions.T + self.layer.bias[:, None]).unflatten(1, x.shape[2:])


class _ColumnsFirst(nn.Module):
    """(K, C, h, w) -> (K, w * h * C), the order in which the released dense layers count, as in the authors' Matlab."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 2, 1).flatten(1)
