"""ArcFace: a margin added to the angle to the target prototype (Deng et al. 2019, arXiv:1801.07698)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.losses.angle import cosines, straight_through, target_angle, with_target
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import new_prototypes, unit_lengths


class ArcFaceLoss(nn.Module):
    """Softmax cross-entropy over s cos theta_j, with s cos(theta_y + margin_radians) for the target.

    Embeddings and prototypes are normalised. Beyond theta = pi - margin_radians the target's logit rises
    again; the paper and insightface leave it so, and so does this. margin_radians 0 is the normalised
    softmax.

    gradient: "exact" is the formula's; "detached" is insightface's, where the angle is moved outside the
    graph and the target feels the plain cosine's gradient.

    unit_prototypes: normalise the stored prototypes in place at each forward in training, outside the graph,
    as OpenSphere does: its steps, momentum included, where the optimizer is plain SGD.
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
        super().__init__()
        self.unit_prototypes = unit_prototypes
        self.scale, self.margin_radians, self.gradient = scale, margin_radians, gradient
        self.prototypes = new_prototypes(num_identities, embedding_size)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bf16 has no cosines in 0.996 .. 1
            x = embeddings.to(self.prototypes.dtype)
            cosine = cosines(x, self.prototypes, self._lengths())
            target = torch.cos(target_angle(x, self.prototypes, labels) + self.margin_radians)
            if self.gradient == "detached":
                target = straight_through(target, cosine.gather(1, labels[:, None]).squeeze(1))
            logits = self.scale * with_target(cosine, labels, target)
            loss = F.cross_entropy(logits, labels)
        return LossOutput(loss, {}, logits.detach(), self.scale * cosine.detach())

    def _lengths(self) -> Tensor | None:
        return unit_lengths(self.prototypes, in_place=self.training) if self.unit_prototypes else None
