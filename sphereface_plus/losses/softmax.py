"""Softmax cross-entropy over a linear layer: the loss without any margin."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput


class SoftmaxLoss(PrototypeLoss):
    """Softmax cross-entropy over z_j = w_j x + b_j, the bias only if asked for; nothing is normalised."""

    of_classes = ("prototypes", "bias")

    def __init__(self, num_identities: int, embedding_size: int, *, bias: bool = False) -> None:
        super().__init__(num_identities, embedding_size)
        self.bias = nn.Parameter(torch.zeros(num_identities)) if bias else None

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels, normalised=False, bias=self.bias)
            loss = head.cross_entropy()
        return LossOutput(loss, {}, head.without_margin, head.seen())
