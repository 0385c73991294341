"""ArcFace: a margin added to the angle to the target prototype (Deng et al. 2019, arXiv:1801.07698)."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor

from sphereface_plus.losses.angle import straight_through
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import units


class ArcFaceLoss(PrototypeLoss):
    """Softmax cross-entropy over s cos theta_j, with s cos(theta_y + margin_radians) for the target.

    Embeddings and prototypes are normalised. Beyond theta = pi - margin_radians the target's logit rises
    again; the paper and insightface leave it so, and so does this. margin_radians 0 is the normalised
    softmax.

    gradient: "exact" is the formula's; "detached" is insightface's, where the angle is moved outside the
    graph and the target feels the plain cosine's gradient.

    unit_prototypes: OpenSphere's way with the prototypes, see PrototypeLoss.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        scale: float = 64.0,
        margin_radians: float = 0.5,
        gradient: Literal["exact", "detached"] = "exact",
        unit_prototypes: bool = False,
    ) -> None:
        super().__init__(num_identities, embedding_size, unit_prototypes=unit_prototypes)
        self.scale, self.margin_radians, self.gradient = scale, margin_radians, gradient

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(units(x), labels)
            target = torch.cos(head.target_angle() + self.margin_radians)
            if self.gradient == "detached":
                target = straight_through(target, head.target_product())
            loss = head.cross_entropy(target, scale=self.scale)
        return LossOutput(loss, {}, partial(head.without_margin, self.scale), head.seen())
