"""L-Softmax, SphereFace's forerunner: the same psi, with prototypes of any length (Liu et al. 2016,
arXiv:1612.02295)."""

from __future__ import annotations

import torch
from torch import Tensor

from sphereface_plus.losses.annealing import Annealing
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import lengths
from sphereface_plus.losses.psi import psi


class LSoftmaxLoss(PrototypeLoss):
    """Softmax cross-entropy over w_j x, where the target's cosine gives way to psi_m.

        z_j = |w_j| |x| cos theta_j                                              for j != y
        z_y = |w_y| |x| (lambda cos theta_y + psi_m(theta_y)) / (1 + lambda)     lambda falls with the step

    Nothing is normalised, and the gradient is the formula's, as in the released layer. m = 1 is softmax
    without bias. The defaults of the annealing are those of the released MNIST example; for faces its README
    begins with lambda_min 5 or 10.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        margin: int = 4,
        lambda_base: float = 1000.0,
        lambda_gamma: float = 2.5e-5,
        lambda_power: float = 35.0,
        lambda_min: float = 0.0,
        lambda_start: int = 0,
    ) -> None:
        super().__init__(num_identities, embedding_size)
        if margin not in (1, 2, 3, 4):
            raise ValueError(f"margin is 1, 2, 3 or 4, got {margin}")
        self.margin = margin
        self.annealing = Annealing(lambda_base, lambda_gamma, lambda_power, lambda_min, lambda_start)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1, step (0 for the first update) -> LossOutput."""
        lambda_ = self.annealing(step)
        # Out of autocast: the margin is a small difference of large logits.
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels, normalised=False)
            plain = head.target_product()
            length = lengths(head.of_labels(self.prototypes)) * lengths(x)  # |w_y| |x|
            cosine = plain / length
            target = plain + length * (psi(cosine, self.margin) - cosine) / (1 + lambda_)
            loss = head.cross_entropy(target)
        return LossOutput(loss, {"lambda": torch.tensor(lambda_)}, head.without_margin, head.seen())
