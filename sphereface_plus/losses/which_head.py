"""Which head a run takes whose processes hold all prototypes."""

from __future__ import annotations

import torch

from sphereface_plus.config.losses import WholeHeadName
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import MakeHead
from sphereface_plus.losses.streamed_head import StreamedHead

STREAMED_FROM = {"cpu": 2**21, "cuda": 2**28}
"""Products of a batch with all prototypes, B C. On a CPU the streamed head is the faster one for a margin
from there on, or as fast, and for plain softmax up to a quarter slower (docs/large_heads.md). On a GPU, where
it was not measured, its fourth product should cost a third more time: there it saves memory, of which the
dense head takes some five tensors of B C numbers, 5 GiB."""


def head_for(name: WholeHeadName, *, num_identities: int, batch_size: int, device: torch.device) -> MakeHead:
    """batch_size: crops of one process that go through the head at once."""
    if name == "auto":
        large = batch_size * num_identities >= STREAMED_FROM[device.type]
        return StreamedHead if large else DenseHead
    return StreamedHead if name == "streamed" else DenseHead
