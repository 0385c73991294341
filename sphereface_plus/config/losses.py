"""Every loss's settings. docs/losses.md says beside the formulas where each default comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sphereface_plus.config.strict import Strict

WholeHeadName = Literal["auto", "dense", "streamed"]
HeadName = Literal["auto", "dense", "streamed", "sharded"]


class SoftmaxConfig(Strict):
    kind: Literal["softmax"]
    bias: bool = False
    """Whether the classifier has a bias."""


class SoftmaxCenterConfig(Strict):
    """Softmax with center loss; defaults of the paper (Wen et al. 2016)."""

    kind: Literal["softmax_center"]
    bias: bool = True
    """Whether the classifier has a bias."""
    center_weight: float = Field(default=0.003, ge=0)
    """Factor on the center loss; 0.008 in the released example, whose centres move otherwise."""
    center_rate: float = Field(default=0.5, ge=0, le=1)
    """alpha, how far a centre moves to its images at each step."""


class SoftmaxContrastiveConfig(Strict):
    """Softmax with contrastive loss; DeepID2's weight (Sun et al. 2014), Caffe's margin."""

    kind: Literal["softmax_contrastive"]
    bias: bool = True
    """Whether the classifier has a bias."""
    contrastive_weight: float = Field(default=0.05, ge=0)
    """Factor on the contrastive loss."""
    margin: float = Field(default=1.0, gt=0)
    """Distance beyond which impostor pairs count nothing; embeddings keep their length."""


class TripletConfig(Strict):
    """Triplet loss alone; margin of FaceNet (Schroff et al. 2015)."""

    kind: Literal["triplet"]
    mining: Literal["semi_hard", "hard"] = "semi_hard"
    """Which impostor an anchor is compared with: the nearest beyond the genuine image, or the nearest of all
    (then with the farthest genuine image)."""
    margin: float = Field(default=0.2, ge=0)
    """Added to the genuine squared distance; of unit embeddings, so that 4 is the largest."""


class LSoftmaxConfig(Strict):
    """L-Softmax; annealing of the released MNIST example (Liu et al. 2016)."""

    kind: Literal["l_softmax"]
    margin: Literal[1, 2, 3, 4] = 4
    """m, the integer factor on the target angle."""
    lambda_base: float = Field(default=1000.0, ge=0)
    """Annealing: lambda(t) = max(lambda_min, lambda_base * (1 + lambda_gamma * t) ** -lambda_power)."""
    lambda_gamma: float = Field(default=2.5e-5, ge=0)
    """How fast lambda falls."""
    lambda_power: float = Field(default=35.0, ge=0)
    """Exponent of the fall."""
    lambda_min: float = Field(default=0.0, ge=0)
    """Where lambda stops; for faces the authors begin with 5 or 10."""
    lambda_start: int = Field(default=0, ge=0)
    """Added to the step."""


class ASoftmaxConfig(Strict):
    kind: Literal["a_softmax"]
    margin: Literal[1, 2, 3, 4] = 4
    """m, the integer factor on the target angle."""
    gradient: Literal["exact", "caffe", "detached"] = "exact"
    """exact: the derivative; caffe: the released layer's backward; detached: no gradient through psi."""
    lambda_base: float = Field(default=1000.0, ge=0)
    """Annealing: lambda(t) = max(lambda_min, lambda_base * (1 + lambda_gamma * t) ** -lambda_power)."""
    lambda_gamma: float = Field(default=0.12, ge=0)
    """How fast lambda falls."""
    lambda_power: float = Field(default=1.0, ge=0)
    """Exponent of the fall."""
    lambda_min: float = Field(default=5.0, ge=0)
    """Where lambda stops; at 5 the margin enters the target logit with weight 1/6."""
    lambda_start: int = Field(default=0, ge=0)
    """Added to the step: SphereFace+ fine-tunes from 2000, where lambda has reached lambda_min."""


class SphereFaceRConfig(Strict):
    """SphereFace-R; defaults of OpenSphere (Liu et al. 2022)."""

    kind: Literal["sphereface_r"]
    version: Literal["v0", "v1", "v2"] = "v0"
    """How the angle is multiplied: psi of SphereFace, cut at pi, or the other angles shrunk instead."""
    normalisation: Literal["hard", "none", "soft"] = "hard"
    """Factor on the cosines: scale, the embedding's length, or its length drawn to scale."""
    scale: float = Field(default=30.0, gt=0)
    """s: the factor of hard, the length that soft draws to; divides the cross-entropy of both."""
    margin: float = Field(default=1.5, ge=1)
    """m, the factor on the target angle, before the first of margin_steps."""
    margin_growth: float = Field(default=0.1, ge=0)
    """Added to the margin at each of margin_steps."""
    margin_steps: tuple[int, ...] = ()
    """Steps at which the margin grows."""
    loss_weight: float = Field(default=50.0, gt=0)
    """Factor on the cross-entropy of hard and soft."""
    length_weight: float = Field(default=0.01, ge=0)
    """t of soft: factor on the distance of the length to scale."""
    gradient: Literal["detached", "exact"] = "detached"
    """detached: a logit feels the plain cosine's gradient, as in the paper; exact: the derivative."""
    unit_prototypes: bool = False
    """Normalise the stored prototypes in place at every update, outside the graph, as OpenSphere does."""

    @model_validator(mode="after")
    def _settings_belong_to_the_normalisation(self) -> SphereFaceRConfig:
        fields = type(self).model_fields
        unused = {"none": ("scale", "loss_weight", "length_weight"), "hard": ("length_weight",), "soft": ()}
        for name in unused[self.normalisation]:
            if getattr(self, name) != fields[name].default:
                raise ValueError(f"loss.{name} has no effect with loss.normalisation: {self.normalisation}")
        return self


class SphereFace2Config(Strict):
    """SphereFace2; defaults of OpenSphere (Wen et al. 2022)."""

    kind: Literal["sphereface2"]
    margin_type: Literal["C", "A", "M"] = "C"
    """What the margin acts on: the adjusted cosine, the angle by addition, or by multiplication."""
    balance: float = Field(default=0.7, gt=0, lt=1)
    """The paper's lambda: weight of the target's entropy; the others' is 1 - balance."""
    scale: float = Field(default=40.0, gt=0)
    """r, the factor on the adjusted cosines."""
    margin: float = Field(default=0.4, ge=0)
    """C: in units of the cosine; A: radians; M: the factor."""
    power: float = Field(default=3.0, ge=1)
    """t of the similarity adjustment g(c) = 2 ((c + 1) / 2) ** t - 1."""
    loss_weight: float = Field(default=50.0, gt=0)
    """Factor on the loss; 10 in the published SFNet-20 recipe."""
    gradient: Literal["exact", "detached"] = "exact"
    """exact: the derivative; detached: a logit feels the plain cosine's gradient, as in the released code."""
    unit_prototypes: bool = False
    """Normalise the stored prototypes in place at every update, outside the graph, as OpenSphere does."""


class AMSoftmaxConfig(Strict):
    kind: Literal["am_softmax"]
    scale: float = Field(default=30.0, gt=0)
    """Factor on the cosines."""
    margin_cosine: float = Field(default=0.35, ge=0)
    """Subtracted from the target cosine."""
    unit_prototypes: bool = False
    """Normalise the stored prototypes in place at every update, outside the graph, as OpenSphere does."""


class UnnormalisedAMSoftmaxConfig(Strict):
    """AM-Softmax without normalised embeddings; numbers of the released prototxt."""

    kind: Literal["am_softmax_unnormalised"]
    margin_cosine: float = Field(default=0.4, ge=0)
    """Subtracted from the target cosine in the end."""
    margin_growth: float = Field(default=5e-5, gt=0)
    """How much the margin, 0 at first, grows at each step."""


class ArcFaceConfig(Strict):
    """ArcFace (Deng et al. 2019)."""

    kind: Literal["arcface"]
    scale: float = Field(default=64.0, gt=0)
    """Factor on the cosines."""
    margin_radians: float = Field(default=0.5, ge=0)
    """Added to the target angle."""
    gradient: Literal["exact", "detached"] = "exact"
    """exact: the derivative; detached: the target feels the plain cosine's gradient, as in insightface."""
    unit_prototypes: bool = False
    """Normalise the stored prototypes in place at every update, outside the graph, as OpenSphere does."""


class CurricularFaceConfig(Strict):
    """CurricularFace (Huang et al. 2020)."""

    kind: Literal["curricularface"]
    scale: float = Field(default=64.0, gt=0)
    """Factor on the cosines."""
    margin_radians: float = Field(default=0.5, ge=0)
    """Added to the target angle."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Share of the running mean of target cosines that a step keeps."""


class AdaFaceConfig(Strict):
    """AdaFace (Kim et al. 2022)."""

    kind: Literal["adaface"]
    scale: float = Field(default=64.0, gt=0)
    """Factor on the cosines."""
    margin: float = Field(default=0.4, ge=0)
    """m of the angular and of the cosine margin."""
    concentration: float = Field(default=0.333, gt=0)
    """h: lengths within 1 / h standard deviations of the mean change the margin, others no further."""
    momentum: float = Field(default=0.99, ge=0, lt=1)
    """Share of the running mean and deviation of lengths that a step keeps."""


class MagFaceConfig(Strict):
    """MagFace; numbers of the published training on MS1MV2 (Meng et al. 2021)."""

    kind: Literal["magface"]
    scale: float = Field(default=64.0, gt=0)
    """Factor on the cosines."""
    length_min: float = Field(default=10.0, gt=0)
    """l_a: embeddings that are shorter count as this long."""
    length_max: float = Field(default=110.0, gt=0)
    """u_a: embeddings that are longer count as this long."""
    margin_min: float = Field(default=0.45, ge=0)
    """Angular margin in radians at length_min."""
    margin_max: float = Field(default=0.8, ge=0)
    """Angular margin in radians at length_max."""
    length_weight: float = Field(default=35.0, ge=0)
    """lambda_g: factor on the term that lengthens embeddings."""
    easy_margin: bool = False
    """No margin for target angles of 90 degrees and more, as in the published training."""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> MagFaceConfig:
        for low, high in (("length_min", "length_max"), ("margin_min", "margin_max")):
            smaller, larger = getattr(self, low), getattr(self, high)
            if smaller > larger or (smaller == larger and low == "length_min"):
                raise ValueError(f"loss.{low} {smaller} must be below loss.{high} {larger}")
        return self


LossConfig = Annotated[
    SoftmaxConfig
    | SoftmaxCenterConfig
    | SoftmaxContrastiveConfig
    | TripletConfig
    | LSoftmaxConfig
    | ASoftmaxConfig
    | SphereFaceRConfig
    | SphereFace2Config
    | AMSoftmaxConfig
    | UnnormalisedAMSoftmaxConfig
    | ArcFaceConfig
    | CurricularFaceConfig
    | AdaFaceConfig
    | MagFaceConfig,
    Field(discriminator="kind"),
]

OF_PAIRS = ("softmax_contrastive", "triplet")
WITHOUT_PROTOTYPES = ("triplet",)
