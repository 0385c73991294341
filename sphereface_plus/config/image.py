"""Every setting of an image classification."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sphereface_plus.config.common import OptimizerConfig, RunConfig, TrainConfig, refuse_contradictions
from sphereface_plus.config.strict import Strict


class ImageDataConfig(Strict):
    name: Literal["cifar10", "cifar100", "mnist", "imagenet"]
    """Which set; all but ImageNet live on the training device."""
    path: str
    """Where it lies: CIFAR's or MNIST's official folder, a folder or tar of train/<class>/ and test/<class>/;
    for ImageNet the folder of train/<class>/ and val/<class>/."""
    imbalance: Literal["none", "single", "multiple"] = "none"
    """The paper's imbalanced training sets (section 5.1.3, Appendices A and H)."""
    validation_per_class: int = Field(default=0, ge=0)
    """Training images of each class that are held out, to choose by; 0 trains on all."""
    split_seed: int = Field(default=0, ge=0)
    """Which images an imbalance keeps and a validation holds out; the same in all runs that are compared."""
    pad: int = Field(default=4, ge=0)
    """Pixels added at each side before a random window is cut out."""
    border: Literal["zero", "mirror"] = "zero"
    """What is added: black, as He et al. do, or the mirrored image, as the released code of MHE does."""
    flip: bool = True
    """Mirror with probability one half; off for digits."""
    workers: int = Field(default=0, ge=0)
    """Processes that read photographs of ImageNet."""

    @property
    def channels(self) -> int:
        """Of an image: digits are grey."""
        return 1 if self.name == "mnist" else 3


class ImageNetworkConfig(Strict):
    name: Literal["cnn6", "cnn9", "cnn15", "resnet32", "resnet18", "resnet34", "spherenet9"]
    """Tables 11 and 12; resnet18 and resnet34 are torchvision's, for ImageNet."""
    widths: tuple[int, int, int] | None = None
    """Filters in the three stages; the paper's if not given. Not for resnet18 and resnet34."""
    embedding_size: int | None = Field(default=None, gt=0)
    """Features before the classifier, of the CNNs and SphereNet: 256 if not given, 2 for Figure 4."""
    operator: Literal["cosine", "linear", "sigmoid"] | None = None
    """SphereConv of spherenet9; cosine if not given."""
    batch_norm: Literal["torch", "mhe_code"] = "torch"
    """Constants of batch normalisation: torch's, or those of the released code. Not for resnet18 and
    resnet34."""

    @model_validator(mode="after")
    def _settings_belong_to_the_network(self) -> ImageNetworkConfig:
        torchvision = self.name in ("resnet18", "resnet34")
        for setting, given, wrong in (
            ("widths", self.widths is not None, torchvision),
            ("batch_norm", self.batch_norm != "torch", torchvision),
            ("embedding_size", self.embedding_size is not None, self.name.startswith("resnet")),
            ("operator", self.operator is not None, self.name != "spherenet9"),
        ):
            if given and wrong:
                raise ValueError(f"network.{setting} is not a setting of {self.name}")
        return self


class ImageLossConfig(Strict):
    """Softmax cross-entropy; the released code's two deviations are off."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target that is spread over all classes; 0.01 in the released code."""
    probability_floor: float = Field(default=0.0, ge=0)
    """Added to every probability before the logarithm; 1e-4 in the released code."""


class TermConfig(Strict):
    """One term of Eq. (4)."""

    weight: float = Field(default=0.0, ge=0)
    """lambda_h or lambda_o; at 0 there is no such term."""
    power: float = Field(default=2.0, ge=0)
    """s of the Riesz kernel; 0 is the logarithmic energy."""
    distance: Literal["euclidean", "angular"] = "euclidean"
    """MHE, Eq. (1), or A-MHE, Eq. (5)."""
    half_space: bool = False
    """With every neuron's mirror image (section 3.4); for hidden layers only."""
    reduction: Literal["sum", "mean"] = "sum"
    """Over layers: Eq. (4)'s sum, or the mean."""
    neurons: int | None = Field(default=None, ge=2)
    """Mini-batch of neurons (section 3.6); all if not given."""


class ImageMHEConfig(Strict):
    """MHE on the network's hidden layers and on the classifier; the paper's weights are 10 (half-space: 1)
    and 1."""

    hidden: TermConfig = TermConfig()
    output: TermConfig = TermConfig()
    orthonormal: float = Field(default=0.0, ge=0)
    """Weight of the orthonormal penalty on the hidden layers instead, a baseline; 1e-5 in the paper."""
    orthogonal: float = Field(default=0.0, ge=0)
    """Weight of the orthogonal penalty on the hidden layers instead: the cosines squared. The paper has no
    weight for it."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> ImageMHEConfig:
        if self.output.half_space:
            raise ValueError(
                "mhe.output.half_space: the classifier's neurons need the full space, where opposite ones "
                "serve two classes (section 3.4)"
            )
        if self.output.reduction == "mean":
            raise ValueError("mhe.output.reduction has no effect: the classifier is one layer")
        for name, term in (("hidden", self.hidden), ("output", self.output)):
            changed = [key for key, value in term if value != getattr(TermConfig(), key)]
            if term.weight == 0 and changed:
                raise ValueError(f"mhe.{name}.{changed[0]} has no effect while mhe.{name}.weight is 0")
        weights = {
            "mhe.hidden.weight": self.hidden.weight,
            "mhe.orthonormal": self.orthonormal,
            "mhe.orthogonal": self.orthogonal,
        }
        if len(given := [name for name, weight in weights.items() if weight > 0]) > 1:
            raise ValueError(
                f"{' and '.join(given)} act on the same layers; the paper compares them, choose one"
            )
        return self


class ImageConfig(RunConfig):
    """One run of image classification."""

    in_words: ClassVar[str] = "an image classification"

    task: Literal["image"]
    """What is trained: a classification of images."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run folder, runs/<name>, unless --out is given."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Initial weights, order of the images, augmentation and mini-batches of neurons follow from it."""
    data: ImageDataConfig
    network: ImageNetworkConfig
    loss: ImageLossConfig = ImageLossConfig()
    mhe: ImageMHEConfig = ImageMHEConfig()
    optimizer: OptimizerConfig
    train: TrainConfig
    test_every: int = Field(default=1000, gt=0)
    """Steps between tests, which nothing is chosen by; before the first step and after the last there is
    always one. With data.validation_per_class the held-out images are tested too, and best.pt is kept."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> ImageConfig:
        refuse_contradictions(self.train, self.optimizer)
        if self.data.name == "imagenet" and (self.data.imbalance != "none" or self.data.validation_per_class):
            raise ValueError("data.imbalance and data.validation_per_class are for CIFAR and MNIST")
        default = ImageDataConfig(name=self.data.name, path=self.data.path)
        idle = ("pad", "border", "flip") if self.data.name == "imagenet" else ("workers",)
        for setting in idle:
            if getattr(self.data, setting) != getattr(default, setting):
                raise ValueError(
                    f"data.{setting} has no effect on {self.data.name}: only ImageNet is read by workers, "
                    "and its augmentation is fixed"
                )
        if self.data.name == "mnist" and self.data.imbalance == "multiple":
            raise ValueError("data.imbalance: the paper makes MNIST imbalanced by one digit only: single")
        if (self.data.name == "imagenet") != (self.network.name in ("resnet18", "resnet34")):
            raise ValueError(
                f"network.name: {self.network.name} does not go with {self.data.name}; resnet18 and resnet34 "
                "are for imagenet, the others for small images"
            )
        return self
