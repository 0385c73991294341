"""A-Softmax, the loss of SphereFace: an integer margin on the angle to the target prototype."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from sphereface_plus.losses.annealing import Annealing
from sphereface_plus.losses.head import Head
from sphereface_plus.losses.loss import PrototypeLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.prototypes import TINY, lengths
from sphereface_plus.losses.psi import psi, psi_derivative

Gradient = Literal["exact", "caffe", "detached"]


class ASoftmaxLoss(PrototypeLoss):
    """Softmax cross-entropy over |x| cos theta_j, where the target's cosine gives way to psi_m.

        z_j = |x| cos theta_j                                                for j != y
        z_y = |x| (lambda cos theta_y + psi_m(theta_y)) / (1 + lambda)       lambda falls with the step

    Prototypes are normalised, embeddings are not: the embedding's own length is the scale. m = 1 is softmax
    over normalised prototypes. At the usual lambda_min of 5 psi has a weight of 1/6, whatever m is.

    gradient:
      "exact"     the derivative of the formula, through psi and through the normalisation of the prototypes.
      "detached"  psi's distance to the cosine counts as a constant: the angle feels the plain cosine's
                  gradient, and the embedding's length the exact one.
      "caffe"     the released layer's backward, which is not a derivative of the formula; for replication.
        - Prototypes get the gradient of a linear layer, x^T g, as if there were no margin and no
          normalisation.
        - An embedding's gradient through psi is scaled to unit coefficients (see `_caffe_direction`).
        - In training the stored prototypes are normalised in place at the start of each forward. They have
          to be: the optimizer's step is then taken from the unit vector, and turns it by the angle that the
          released learning rates were chosen for; rows left to grow would learn ever more slowly. Whatever
          else is differentiated by the prototypes must be computed after this forward; autograd refuses the
          other order.
    """

    def __init__(
        self,
        num_identities: int,
        embedding_size: int,
        *,
        margin: int = 4,
        gradient: Gradient = "exact",
        lambda_base: float = 1000.0,
        lambda_gamma: float = 0.12,
        lambda_power: float = 1.0,
        lambda_min: float = 5.0,
        lambda_start: int = 0,
    ) -> None:
        super().__init__(num_identities, embedding_size, unit_prototypes=gradient == "caffe")
        if margin not in (1, 2, 3, 4):
            raise ValueError(f"margin is 1, 2, 3 or 4, got {margin}")
        if gradient not in get_args(Gradient):
            raise ValueError(f"gradient is one of {', '.join(get_args(Gradient))}, got {gradient!r}")
        self.margin, self.gradient = margin, gradient
        self.annealing = Annealing(lambda_base, lambda_gamma, lambda_power, lambda_min, lambda_start)

    def forward(self, embeddings: Tensor, labels: Tensor, step: int) -> LossOutput:
        """embeddings (B, D), labels (B,) in 0..C-1, step (0 for the first update) -> LossOutput."""
        lambda_ = self.annealing(step)
        # Out of autocast: the margin is a small difference of large logits.
        with torch.autocast(embeddings.device.type, enabled=False):
            x = embeddings.to(self.prototypes.dtype)
            head = self.new_head(x, labels)
            plain = head.target_product()  # |x| cos theta_y
            loss = head.cross_entropy(plain + self._margin_term(head, x, plain, lambda_))
        return LossOutput(loss, {"lambda": torch.tensor(lambda_)}, head.without_margin, head.seen())

    def _margin_term(self, head: Head, x: Tensor, plain_target: Tensor, lambda_: float) -> Tensor:
        # z_y - |x| cos theta_y = |x| (psi_m(theta_y) - cos theta_y) / (1 + lambda), (B,), never above 0
        length = lengths(x)
        cosine = plain_target / length
        change = (psi(cosine, self.margin) - cosine) / (1 + lambda_)
        if self.gradient == "exact":
            return length * change
        if self.gradient == "detached":
            return length * change.detach()
        with torch.no_grad():
            w = F.normalize(head.of_labels(self.prototypes))
            direction = (_caffe_direction(x, w, length, cosine, self.margin) - w) / (1 + lambda_)
        return _WithGradient.apply(x, length * change, direction)


def _caffe_direction(x: Tensor, w: Tensor, length: Tensor, cosine: Tensor, margin: int) -> Tensor:
    """(B, D): what the released layer takes for the gradient of |x| psi by x; w (B, D) are unit vectors.

    The gradient is A w + B x, with A = psi' and B = (psi - cos psi') / |x|, the derivative being by the
    cosine. The layer divides it by sqrt(A^2 + B^2), although B has the unit of 1 / |x| and A has none.
    Usually the result is shorter than the gradient; but where A = 0, at multiples of 180 / m degrees, it is
    x with its whole length.
    """
    a = psi_derivative(cosine, margin)
    b_length = psi(cosine, margin) - cosine * a  # B |x|
    numerator = (a * length)[:, None] * w + b_length[:, None] * x
    return numerator / torch.hypot(a * length, b_length).clamp_min(TINY)[:, None]


class _WithGradient(torch.autograd.Function):
    """value (B,) whose gradient by x (B, D) is given, row by row, instead of derived."""

    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return value.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grad[:, None] * gradient, None, None
