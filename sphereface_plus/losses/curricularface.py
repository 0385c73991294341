"""CurricularFace: ArcFace whose hard negatives weigh more as training goes on (Huang et al. 2020,
arXiv:2004.00288)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from sphereface_plus.losses.head import RuleOfEach
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import units
from sphereface_plus.processes import gathered


def negatives(cosine: Tensor, target: Tensor, t: Tensor) -> Tensor:
    """N(t, cos theta_j) of the paper: cosine (B, C), target cos(theta_y + m) (B, 1), t scalar -> (B, C).

    A hard negative is one above the target; its cosine c becomes c (t + c). The label's column is not
    a negative and means nothing.
    """
    return torch.where(cosine > target, cosine * (t + cosine), cosine)


class CurricularFaceLoss(PrototypeLoss):
    """Softmax cross-entropy over s N(t, cos theta_j), with s cos(theta_y + margin_radians) for the target.

    t is the running mean of the target cosines, near 0 at first, so that hard negatives count little; it
    lives in a buffer and moves in training only, before it is used:

        t <- momentum t + (1 - momentum) mean(cos theta_y)

    The paper weighs the new value by an alpha of 0.99, its released code by 0.01. A mean over one batch is
    not a running mean, so the code is taken to be what was meant. With an accumulated batch t moves once a
    part.
    """

    t: Tensor

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        self.scale, self.margin_radians, self.momentum = scale, margin_radians, momentum
        self.register_buffer("t", torch.zeros(()))

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput with t; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(units(x), labels)
            theta = head.target_angle()
            if self.training:
                self.t.lerp_(gathered(theta.cos()).mean(), 1 - self.momentum)
            target = torch.cos(theta + self.margin_radians)
            harder = RuleOfEach(partial(negatives, t=self.t.clone()), target.detach()[:, None])
            loss = head.cross_entropy(target, others=harder, scale=self.scale)
        return LossOutput(loss, {"t": self.t.clone()}, partial(head.without_margin, self.scale), head.seen())
