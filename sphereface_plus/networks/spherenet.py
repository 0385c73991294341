"""SphereNet-9: CNN-9 with a SphereConv in the place of each convolution (Appendix E, Table 13)."""

from __future__ import annotations

from functools import partial

from sphereface_plus.networks.cnn import TABLE_11, PlainCNN, Widths
from sphereface_plus.networks.sphereconv import SphereConv2d


def spherenet9(
    widths: Widths = TABLE_11,
    embedding_size: int = 256,
    in_channels: int = 3,
    image_size: int = 32,
    operator: str = "cosine",
    batch_norm: str = "torch",
) -> PlainCNN:
    """9 SphereConvs, each with batch normalisation and ReLU; the fully connected layer is a SphereConv too.

    operator: cosine (the paper's), linear or sigmoid.
    The lengths of these neurons change nothing in the output, so weight decay does not regularise them; the
    SphereNet authors leave it out there and add an orthonormal penalty of weight 1e-4.
    """
    convolution = partial(SphereConv2d, operator=operator)
    return PlainCNN(3, widths, embedding_size, in_channels, image_size, batch_norm, convolution)
