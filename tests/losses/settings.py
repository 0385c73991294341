"""Every loss of a recipe in the variants whose code differs, as a recipe has them, and small."""

from sphereface_plus.config.losses import LossConfig
from sphereface_plus.config.strict import Strict, validate
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.head import MakeHead

C, D = 7, 5
SETTINGS = [
    {"kind": "softmax"},
    {"kind": "softmax", "bias": True},
    {"kind": "softmax_center"},
    {"kind": "softmax_contrastive"},
    {"kind": "triplet"},
    {"kind": "triplet", "mining": "hard"},
    {"kind": "l_softmax"},
    {"kind": "l_softmax", "lambda_base": 0.0},
    {"kind": "a_softmax"},
    {"kind": "a_softmax", "lambda_base": 0.0, "lambda_min": 0.0},
    {"kind": "a_softmax", "gradient": "caffe"},
    {"kind": "a_softmax", "gradient": "detached"},
    {"kind": "am_softmax"},
    {"kind": "am_softmax", "unit_prototypes": True},
    {"kind": "am_softmax_unnormalised", "margin_growth": 1.0},
    {"kind": "arcface"},
    {"kind": "arcface", "gradient": "detached"},
    {"kind": "curricularface"},
    {"kind": "adaface"},
    {"kind": "magface"},
    {"kind": "magface", "easy_margin": True},
    *(
        {"kind": "sphereface_r", "version": version, "normalisation": way, "gradient": gradient}
        for version in ("v0", "v1", "v2")
        for way in ("hard", "none", "soft")
        for gradient in ("detached", "exact")
    ),
    *(
        {
            "kind": "sphereface2",
            "margin_type": kind,
            "gradient": gradient,
            "margin": 1.2 if kind == "M" else 0.4,
        }
        for kind in ("C", "A", "M")
        for gradient in ("exact", "detached")
    ),
]


class _Loss(Strict):
    loss: LossConfig


def name_of(settings):
    return "-".join(map(str, settings.values()))


def config_of(settings):
    return validate(_Loss, {"loss": settings}, "test").loss


def make(settings, head: MakeHead = DenseHead, classes=C):
    """The loss of these settings, for 7 identities and embeddings of 5 numbers."""
    return build_loss(config_of(settings), num_identities=classes, embedding_size=D, head=head)
