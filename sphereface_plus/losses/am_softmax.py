"""AM-Softmax, also known as CosFace: a margin subtracted from the target's cosine."""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.loss import Loss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, lengths_of, new_prototypes, project


class AMSoftmaxLoss(Loss):
    """Softmax cross-entropy over s cos theta_j, with s (cos theta_y - margin_cosine) for the target.

    Embeddings and prototypes are both normalised, and gradients flow through both normalisations.
    margin_cosine 0 is the normalised softmax.

    unit_prototypes: normalise the stored prototypes in place at each forward in training, outside the graph,
    as OpenSphere does: its steps, momentum included, where the optimizer is plain SGD.
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
        super().__init__()
        self.unit_prototypes = unit_prototypes
        self.scale, self.margin_cosine = scale, margin_cosine
        self.prototypes = new_prototypes(num_identities, embedding_size)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1 -> LossOutput; the step changes nothing."""
        # Out of autocast: bf16 has no cosines between 0.996 and 1.
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.head(self._scaled_cosines, x, labels, self.prototypes, self._lengths())
            loss = head.cross_entropy(head.target_product() - self.scale * self.margin_cosine)
        return LossOutput(loss, {}, head.without_margin)

    def _scaled_cosines(self, x: Tensor, prototypes: Tensor, prototype_lengths: Tensor) -> Tensor:
        return project(x, prototypes, prototype_lengths) * (self.scale / lengths(x))[:, None]

    def _lengths(self) -> Tensor:
        return lengths_of(self.prototypes, unit=self.unit_prototypes, training=self.training)
