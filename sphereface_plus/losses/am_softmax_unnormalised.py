"""AM-Softmax (CosFace) without normalised embeddings, with a margin that grows from 0."""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths


class UnnormalisedAMSoftmaxLoss(PrototypeLoss):
    """Softmax cross-entropy over |x| cos theta_j, with |x| (cos theta_y - m) for the target.

    Prototypes are normalised, embeddings are not: the embedding's own length is the scale. With the full
    margin from the start it would shrink instead of turning, so m grows by margin_growth a step up to
    margin_cosine. Form and numbers are the released `face_train_test_wo_fn.prototxt`'s; the row "CosineFace"
    of Table 10 is CosFace's own without feature normalisation, of which no numbers were published.
    margin_cosine 0 is softmax over normalised prototypes.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        margin_cosine: float = 0.4,
        margin_growth: float = 5e-5,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        self.margin_cosine, self.margin_growth = margin_cosine, margin_growth

    def margin_at(self, step: int) -> float:
        """m of the update `step`, 0 for the first."""
        return min(self.margin_cosine, self.margin_growth * step)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1, step (0 for the first update) -> LossOutput."""
        margin = self.margin_at(step)
        # Out of autocast: the margin is a small difference of large logits.
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels)
            loss = head.cross_entropy(head.target_product() - margin * lengths(x))
        return LossOutput(loss, {"margin": torch.tensor(margin)}, head.without_margin, head.seen())
