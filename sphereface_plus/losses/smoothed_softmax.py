"""Softmax cross-entropy for image classification, with the two deviations of MHE's released code.

    p = softmax(W x) + floor      target t = (1 - smoothing) onehot + smoothing / c      loss = -sum t log p

Both are 0 in the paper. The released code has smoothing 0.01 and floor 1e-4, which bounds the loss at 9.2 and
lets the gradient of a badly wrong answer vanish.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput


def he_prototypes(num_classes: int, embedding_size: int) -> nn.Parameter:
    """(C, D) from N(0, 2 / D): He's initialisation, as of all the network's layers (section 5.1)."""
    return nn.Parameter(torch.randn(num_classes, embedding_size) * math.sqrt(2 / embedding_size))


class SmoothedSoftmaxLoss(PrototypeLoss):
    """Cross-entropy over z_j = w_j x, no bias, nothing normalised; prototypes begin as `he_prototypes`."""

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        *,
        label_smoothing: float = 0.0,
        probability_floor: float = 0.0,
    ) -> None:
        super().__init__(num_classes, embedding_size, initial=he_prototypes)
        self.label_smoothing, self.probability_floor = label_smoothing, probability_floor

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels, normalised=False)
            loss = head.smoothed_cross_entropy(smoothing=self.label_smoothing, floor=self.probability_floor)
        return LossOutput(loss, {}, head.without_margin, head.seen())
