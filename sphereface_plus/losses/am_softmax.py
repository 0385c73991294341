"""AM-Softmax, also known as CosFace: a margin subtracted from the target's cosine."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths, new_prototypes, project, unit_lengths


class AMSoftmaxLoss(nn.Module):
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
            prototype_lengths = self._lengths()
            if prototype_lengths is None:
                prototype_lengths = lengths(self.prototypes)
            plain_logits = project(x, self.prototypes, prototype_lengths) * (self.scale / lengths(x))[:, None]
            column = labels[:, None]
            target = plain_logits.gather(1, column) - self.scale * self.margin_cosine
            logits = plain_logits.scatter(1, column, target)
            loss = F.cross_entropy(logits, labels)
        return LossOutput(loss, {}, logits.detach(), plain_logits.detach())

    def _lengths(self) -> Tensor | None:
        return unit_lengths(self.prototypes, in_place=self.training) if self.unit_prototypes else None
