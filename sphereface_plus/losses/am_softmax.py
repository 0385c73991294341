"""AM-Softmax, also known as CosFace: a margin subtracted from the target's cosine."""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import units


class AMSoftmaxLoss(PrototypeLoss):
    """Softmax cross-entropy over s cos theta_j, with s (cos theta_y - margin_cosine) for the target.

    Embeddings and prototypes are both normalised, and gradients flow through both normalisations.
    margin_cosine 0 is the normalised softmax.

    unit_prototypes: OpenSphere's way with the prototypes, see PrototypeLoss.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        scale: float = 30.0,
        margin_cosine: float = 0.35,
        unit_prototypes: bool = False,
    ) -> None:
        super().__init__(num_identities, embedding_size, unit_prototypes=unit_prototypes)
        self.scale, self.margin_cosine = scale, margin_cosine

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        # Out of autocast: bf16 has no cosines between 0.996 and 1.
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(self.scale * units(x), labels)
            loss = head.cross_entropy(head.target_product() - self.scale * self.margin_cosine)
        return LossOutput(loss, {}, head.without_margin, head.seen())
