"""The margin losses that pytorch-metric-learning has too, value by value."""

import math

import pytest
import torch
from pytorch_metric_learning import losses

from sphereface_plus.losses import AMSoftmaxLoss, ArcFaceLoss, ASoftmaxLoss, LSoftmaxLoss

C, D = 7, 5
PAIRS = {
    "arcface": lambda: (
        ArcFaceLoss(C, D, scale=64.0, margin_radians=0.5),
        losses.ArcFaceLoss(C, D, scale=64, margin=math.degrees(0.5)),
    ),
    "cosface": lambda: (
        AMSoftmaxLoss(C, D, scale=30.0, margin_cosine=0.35),
        losses.CosFaceLoss(C, D, scale=30, margin=0.35),
    ),
    "normalized_softmax": lambda: (
        AMSoftmaxLoss(C, D, scale=20.0, margin_cosine=0.0),
        losses.NormalizedSoftmaxLoss(C, D, temperature=1 / 20),
    ),
    "sphereface": lambda: (
        ASoftmaxLoss(C, D, margin=4, lambda_base=0.0, lambda_min=0.0),
        losses.SphereFaceLoss(C, D, scale=1, margin=4),
    ),
    "l_softmax": lambda: (
        LSoftmaxLoss(C, D, margin=4, lambda_base=0.0),
        losses.LargeMarginSoftmaxLoss(C, D, scale=1, margin=4),
    ),
}


# Its binomials are numpy's of a tensor, in a way that numpy deprecates.
@pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning")
@pytest.mark.parametrize("name", PAIRS)
def test_the_value_is_pytorch_metric_learnings(name):
    ours, theirs = (module.double() for module in PAIRS[name]())
    with torch.no_grad():
        theirs.W.copy_(ours.prototypes.T)
    x, labels = 8 * torch.randn(40, D, dtype=torch.float64), torch.arange(40) % C
    if name == "arcface":  # beyond pi their logit goes on falling, the paper's rises again
        x = torch.nn.functional.normalize(x) + 2 * torch.nn.functional.normalize(
            ours.prototypes[labels].detach()
        )
    torch.testing.assert_close(ours(x, labels, 0).loss, theirs(x, labels), rtol=1e-6, atol=1e-8)
