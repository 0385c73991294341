"""Every setting of a training of generator and discriminator."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sphereface_plus.config.common import RunConfig, TrainConfig
from sphereface_plus.config.image import TermConfig
from sphereface_plus.config.strict import Strict

NormalisationName = Literal["none", "batch", "layer", "weight", "spectral"]
CIFAR_SIDE = 32


class GanDataConfig(Strict):
    name: Literal["cifar10", "cifar100", "folder", "faces"]
    """Which set; it lives on the training device, and no labels are used. folder: every image in a folder and
    in the folders in it. faces: crops, as data_prep makes them."""
    path: str
    """Where it lies: CIFAR's official folder, or a folder or tar of train/<class>/ and test/<class>/; a
    folder of images; a folder, manifest, list or packed set of crops."""
    image_size: int | None = Field(default=None, gt=0, multiple_of=8)
    """Pixels of a side of folder's and faces' images, whose middle square is cut out and resized; CIFAR's
    have 32."""
    flip: bool = False
    """Mirror real images with probability one half; SN-GAN and the released code do not."""

    @property
    def side(self) -> int:
        """Pixels of a side of every image."""
        return self.image_size or CIFAR_SIDE

    @model_validator(mode="after")
    def _has_a_size(self) -> GanDataConfig:
        cifar = self.name in ("cifar10", "cifar100")
        if cifar and self.image_size not in (None, CIFAR_SIDE):
            raise ValueError(f"data.image_size: {self.name}'s images have {CIFAR_SIDE} pixels; drop it")
        if not cifar and self.image_size is None:
            raise ValueError(
                f"data.image_size: name the pixels of a side that {self.name}'s images are resized to, a "
                "multiple of 8: --set data.image_size=64"
            )
        return self


class GanNetworkConfig(Strict):
    """SN-GAN's pairs."""

    name: Literal["sngan_table3", "chainer_gan_lib", "sngan_resnet"] = "sngan_table3"
    """The standard CNN pair that the papers print; the one in the released code, whose discriminator is
    wider; SN-GAN's ResNets."""
    width: int = Field(default=64, gt=0)
    """Channels of a CNN generator before the image and of its discriminator after it; others are multiples. A
    fourth of the ResNet generator's channels, half of its discriminator's."""
    noise_size: int = Field(default=128, gt=0)
    """Numbers that an image is made of."""
    generator_normalisation: NormalisationName = "batch"
    """Of the generator: maps over the batch or an image, or weights by their length or their largest singular
    value."""
    discriminator_normalisation: NormalisationName = "spectral"
    """Of the discriminator, likewise; maps without a learnt factor."""
    orthonormal_start: bool = False
    """Whether the discriminator's weights start orthonormal, as they do beside loss.orthonormal."""


class GradientPenaltyConfig(Strict):
    """The discriminator's slope between real and generated images, squared distance from 1 (WGAN-GP)."""

    weight: float = Field(default=10.0, gt=0)
    """Its weight in the discriminator's loss."""
    one_sided: bool = False
    """Only slopes above 1; the published results are of both sides."""


class GanLossConfig(Strict):
    kind: Literal["standard", "hinge", "wasserstein"] = "standard"
    """standard has the alternate cost of the generator, -log D(G(z)), as the paper trains."""
    gradient_penalty: GradientPenaltyConfig | None = None
    """WGAN-GP's, with any of these losses; none if not given."""
    weight_clipping: float | None = Field(default=None, gt=0)
    """Largest number in the kernels of the discriminator's convolutions after an update; 0.01 in SN-GAN's
    comparison."""
    orthonormal: float | None = Field(default=None, gt=0)
    """Weight of |W^T W - I|^2 of all the discriminator's weights, a baseline; SN-GAN names none."""


class GanTermConfig(TermConfig):
    """MHE on the discriminator's layers, of their weights before any normalisation (Appendix G)."""

    weight: float = Field(default=0.0, ge=0)
    """Factor of the energy in the discriminator's loss; the paper names none."""
    half_space: bool = True
    """With every neuron's mirror image (section 3.4), as the paper has it; the released code means to, and
    has the full space."""


class AdamConfig(Strict):
    """Adam; SN-GAN's settings A to F name these three and n_dis."""

    learning_rate: float = Field(default=1e-4, gt=0)
    """Before its decay, if there is one."""
    beta1: float = Field(default=0.5, ge=0, lt=1)
    """Share that the mean of the gradient keeps in a step."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Share that the mean of the squared gradient keeps in a step."""


class GanConfig(RunConfig):
    """A generator of images against a discriminator."""

    in_words: ClassVar[str] = "a generator of images"

    task: Literal["gan"]
    """What is trained: a generator of images, against a discriminator."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run folder, runs/<name>, unless --out is given."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Initial weights, order of the images, noise and mini-batches of neurons follow from it."""
    data: GanDataConfig
    network: GanNetworkConfig = GanNetworkConfig()
    loss: GanLossConfig = GanLossConfig()
    mhe: GanTermConfig = GanTermConfig()
    generator: AdamConfig = AdamConfig()
    discriminator: AdamConfig = AdamConfig()
    n_dis: int = Field(default=1, gt=0)
    """Updates of the discriminator for one of the generator. A step is one of the discriminator; in step 0,
    n_dis, 2 n_dis, ... the generator's comes first, as in the released code."""
    generator_batch: int | None = Field(default=None, gt=0)
    """Images in an update of the generator; train.batch_size if not given."""
    decay_steps: int | None = Field(default=None, gt=0)
    """Steps over which both learning rates fall linearly to 0; constant if not given."""
    average: float | None = Field(default=None, gt=0, lt=1)
    """Share that an exponential moving average of the generator keeps at each of its updates, such as 0.999;
    samples are then the average's. None: there is no average."""
    train: TrainConfig

    @model_validator(mode="after")
    def _no_contradiction(self) -> GanConfig:
        train = self.train
        if train.batch_size % train.accumulate:
            raise ValueError(
                f"train.batch_size {train.batch_size} is not divisible by train.accumulate {train.accumulate}"
            )
        if (self.generator_batch or 0) % train.accumulate:
            raise ValueError(
                f"generator_batch {self.generator_batch} is not divisible by train.accumulate "
                f"{train.accumulate}"
            )
        if self.decay_steps is not None and self.decay_steps < train.steps:
            raise ValueError(
                f"decay_steps {self.decay_steps} leaves steps with a learning rate of 0, train.steps is "
                f"{train.steps}; raise it, or drop it by --set decay_steps=null"
            )
        return self
