"""What the log says about the prototypes: whether the embedding separates them, and what MHE does to them.

The gradient of Eq. (8) turns prototypes by its tangential part only, which is tiny near uniformity: next to
the classification loss's tangential gradient it says how much MHE can do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sphereface_plus.mhe import smallest_angle, tangential

# Above so many identities the smallest angle, C^2 D multiplications, is taken at every tenth log line only.
FREQUENT_ANGLE_IDENTITIES = 4096


@torch.enable_grad()
def measure(
    loss: nn.Module,
    embeddings: Tensor,
    labels: Tensor,
    step: int,
    *,
    energy: Callable[[Tensor], Tensor],
    mean: Callable[[Tensor], Tensor],
    with_angle: bool,
) -> dict[str, Tensor]:
    """Named scalars of one batch, at the weights as they are.

    embeddings (B, D), labels (B,): this process's share; mean: over processes; energy: of labels, Eq. (8).
    The two gradients are those of the unweighted energy and of the classification loss with respect to the
    prototypes, without their radial parts; what MHE adds to an update is mhe.weight times the first.
    """
    prototypes = loss.get_parameter("prototypes")  # (C, D)
    loss.eval()  # in training, A-Softmax's caffe mode normalises its prototypes in place with each forward
    output = loss(embeddings.detach(), labels, step)
    loss.train()
    (classification_gradient,) = torch.autograd.grad(output.loss, [prototypes])
    value = energy(labels)
    (energy_gradient,) = torch.autograd.grad(value, [prototypes])
    with torch.no_grad():
        plain = output.plain_logits  # (B, C)
        scalars = {
            "accuracy_without_margin": mean((plain.argmax(dim=1) == labels).float().mean()),
            "cross_entropy_without_margin": mean(nn.functional.cross_entropy(plain, labels)),
            "mhe/energy": mean(value.detach()),
            "mhe/tangential_gradient": tangential(mean(energy_gradient), prototypes).norm(),
            "mhe/classification_tangential_gradient": tangential(
                mean(classification_gradient), prototypes
            ).norm(),
        }
        if with_angle:
            scalars["mhe/smallest_angle_degrees"] = smallest_angle(prototypes) * (180 / math.pi)
    return scalars
