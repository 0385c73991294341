"""Softmax cross-entropy for image classification, with the two deviations of MHE's released code.

    p = softmax(W x) + floor      target t = (1 - smoothing) onehot + smoothing / c      loss = -sum t log p

Both are 0 in the paper. The released code has smoothing 0.01 and floor 1e-4, which bounds the loss at 9.2 and
lets the gradient of a badly wrong answer vanish.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.losses.head import counted
from sphereface_plus.losses.loss import Loss
from sphereface_plus.losses.output import LossOutput


class SmoothedSoftmaxLoss(Loss):
    """Cross-entropy over z_j = w_j x, no bias, nothing normalised; prototypes (C, D) from N(0, 2 / D).

    The initialisation is He's, as of all the network's layers (section 5.1).
    """

    def __init__(
        self,
        num_classes: int,
        embedding_size: int,
        *,
        label_smoothing: float = 0.0,
        probability_floor: float = 0.0,
    ) -> None:
        super().__init__()
        self.prototypes = nn.Parameter(
            torch.randn(num_classes, embedding_size) * math.sqrt(2 / embedding_size)
        )
        self.label_smoothing, self.probability_floor = label_smoothing, probability_floor

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = F.linear(embeddings.to(self.prototypes.dtype), self.prototypes)  # (B, C)
            if self.probability_floor:
                log_p = (logits.softmax(dim=1) + self.probability_floor).log()
            else:
                log_p = logits.log_softmax(dim=1)
            right = log_p.gather(1, labels[:, None]).mean()
            loss = -(1 - self.label_smoothing) * right - self.label_smoothing * log_p.mean()
        return LossOutput(loss, {}, partial(counted, logits.detach(), labels))
