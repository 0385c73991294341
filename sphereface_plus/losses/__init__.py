"""Losses: embeddings and labels -> classification loss. Each but triplet's owns its prototypes (C, D)."""

from sphereface_plus.config.losses import LossConfig
from sphereface_plus.losses.adaface import AdaFaceLoss
from sphereface_plus.losses.am_softmax import AMSoftmaxLoss
from sphereface_plus.losses.am_softmax_unnormalised import UnnormalisedAMSoftmaxLoss
from sphereface_plus.losses.arcface import ArcFaceLoss
from sphereface_plus.losses.asoftmax import ASoftmaxLoss
from sphereface_plus.losses.curricularface import CurricularFaceLoss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import MakeHead
from sphereface_plus.losses.l_softmax import LSoftmaxLoss
from sphereface_plus.losses.loss import Loss, PrototypeLoss
from sphereface_plus.losses.magface import MagFaceLoss
from sphereface_plus.losses.output import LossOutput
from sphereface_plus.losses.rows import Rows
from sphereface_plus.losses.smoothed_softmax import SmoothedSoftmaxLoss
from sphereface_plus.losses.softmax import SoftmaxLoss
from sphereface_plus.losses.softmax_center import SoftmaxCenterLoss
from sphereface_plus.losses.softmax_contrastive import SoftmaxContrastiveLoss
from sphereface_plus.losses.sphereface2 import SphereFace2Loss
from sphereface_plus.losses.sphereface_r import SphereFaceRLoss
from sphereface_plus.losses.triplet import TripletLoss

__all__ = [
    "AMSoftmaxLoss",
    "ASoftmaxLoss",
    "AdaFaceLoss",
    "ArcFaceLoss",
    "CurricularFaceLoss",
    "LSoftmaxLoss",
    "LossOutput",
    "MagFaceLoss",
    "SmoothedSoftmaxLoss",
    "SoftmaxCenterLoss",
    "SoftmaxContrastiveLoss",
    "SoftmaxLoss",
    "SphereFace2Loss",
    "SphereFaceRLoss",
    "TripletLoss",
    "UnnormalisedAMSoftmaxLoss",
    "build_loss",
]

_LOSSES = {
    "softmax": SoftmaxLoss,
    "softmax_center": SoftmaxCenterLoss,
    "softmax_contrastive": SoftmaxContrastiveLoss,
    "triplet": TripletLoss,
    "l_softmax": LSoftmaxLoss,
    "a_softmax": ASoftmaxLoss,
    "sphereface_r": SphereFaceRLoss,
    "sphereface2": SphereFace2Loss,
    "am_softmax": AMSoftmaxLoss,
    "am_softmax_unnormalised": UnnormalisedAMSoftmaxLoss,
    "arcface": ArcFaceLoss,
    "curricularface": CurricularFaceLoss,
    "adaface": AdaFaceLoss,
    "magface": MagFaceLoss,
}


def build_loss(
    config: LossConfig,
    *,
    num_identities: int,
    embedding_size: int,
    head: MakeHead = DenseHead,
    rows: Rows | None = None,
) -> Loss:
    """The loss of a recipe, with new prototypes; the settings' names are the constructor's keywords.

    head: what sees all classes of a batch, of the contract in head.py; triplet has none.
    rows: those to `hold`, of the same numbers as in a loss that holds all, which are never in memory; where
        processes hold shares, the head has to be made for it.
    """
    kind = _LOSSES[config.kind]
    loss = kind.__new__(kind)
    if rows is not None:
        loss.rows = rows  # first: the constructor draws
    loss.__init__(num_identities, embedding_size, **config.model_dump(exclude={"kind"}))
    if rows is not None:
        loss.hold(rows)
    if isinstance(loss, PrototypeLoss):
        loss.head = head
    return loss
