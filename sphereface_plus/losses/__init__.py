"""Losses: embeddings and labels -> classification loss. Each owns its prototypes (C, D)."""

from torch import nn

from sphereface_plus.config import LossConfig
from sphereface_plus.losses.am_softmax import AMSoftmaxLoss
from sphereface_plus.losses.asoftmax import ASoftmaxLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.smoothed_softmax import SmoothedSoftmaxLoss
from sphereface_plus.losses.softmax import SoftmaxLoss

__all__ = ["AMSoftmaxLoss", "ASoftmaxLoss", "LossOutput", "SmoothedSoftmaxLoss", "SoftmaxLoss", "build_loss"]

_LOSSES = {"softmax": SoftmaxLoss, "a_softmax": ASoftmaxLoss, "am_softmax": AMSoftmaxLoss}


def build_loss(config: LossConfig, *, num_identities: int, embedding_size: int) -> nn.Module:
    """The loss of a recipe, with new prototypes; the settings' names are the constructor's keywords."""
    return _LOSSES[config.kind](num_identities, embedding_size, **config.model_dump(exclude={"kind"}))
