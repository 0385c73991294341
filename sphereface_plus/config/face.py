"""Every setting of a face-recognition run."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sphereface_plus.config.common import OptimizerConfig, RunConfig, TrainConfig, refuse_contradictions
from sphereface_plus.config.losses import OF_PAIRS, WITHOUT_PROTOTYPES, HeadName, LossConfig
from sphereface_plus.config.strict import Strict

Triple = tuple[float, float, float]


class InputSpec(Strict):
    """What a network expects of a crop. It travels with data and checkpoints: a mismatch is an error."""

    template: str = "sphereface_112x96"
    """Alignment template of the crops (data_prep/alignment.py holds the points): a plain name."""
    height: int = Field(default=112, gt=0)
    """Crop height in pixels."""
    width: int = Field(default=96, gt=0)
    """Crop width in pixels."""
    color: Literal["bgr", "rgb"] = "bgr"
    """Channel order that the network sees; SphereFace's released weights expect BGR."""
    mean: Triple = (127.5, 127.5, 127.5)
    """Subtracted per channel, in the network's channel order, from values 0..255."""
    std: Triple = (128.0, 128.0, 128.0)
    """Divides per channel after the mean was subtracted."""

    @model_validator(mode="after")
    def _template_is_a_plain_name(self) -> InputSpec:
        if not re.fullmatch(
            r"\w[\w.-]{0,99}", self.template
        ):  # it stands in commands, reports and model cards
            raise ValueError(
                f"template must be a name of letters, digits, _, - and ., got {self.template[:100]!r}"
            )
        return self

    @model_validator(mode="after")
    def _std_is_positive(self) -> InputSpec:
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        return self


class OnnxInputSpec(InputSpec):
    """That of an ONNX file, which may have other outputs beside the embeddings."""

    output: str
    """Name of the output that holds the embeddings."""


SPHEREFACES = (
    "sphereface4",
    "sphereface10",
    "sphereface20",
    "sphereface36",
    "sphereface64",
    "sphereface64_released",
)
OTHER_NETWORKS = ("iresnet18", "iresnet34", "iresnet50", "iresnet100", "mobilefacenet")


class NetworkConfig(Strict):
    name: str
    """Which network: sphereface4, 10, 20, 36, 64, or 64_released (the 62-convolution prototxt that was
    published as 64); iresnet18, 34, 50 or 100; mobilefacenet; or timm:NAME, any model of timm."""
    embedding_size: int = Field(default=512, gt=0)
    """D, the length of an embedding."""
    input: InputSpec = InputSpec()
    """What the crops must be."""
    variant: Literal["caffe", "clcarwin", "sfnet_deprecated", "sfnet"] = "caffe"
    """How SphereFace's residual units are built: as released, or as other projects' weights need it."""

    @model_validator(mode="after")
    def _is_a_network(self) -> NetworkConfig:
        known = (*SPHEREFACES, *OTHER_NETWORKS)
        if self.name not in known and not (self.name.startswith("timm:") and len(self.name) > 5):
            raise ValueError(
                f"network.name: must be one of {', '.join(known)}, or timm:NAME, got {self.name!r}"
            )
        if self.variant != "caffe" and self.name not in SPHEREFACES:
            raise ValueError(f"network.variant has no effect with network.name: {self.name}")
        return self


class MHEConfig(Strict):
    """Data-dependent mini-batch MHE on the prototypes, Eq. (8), or what released code has in its place."""

    weight: float = Field(default=0.0, ge=0)
    """lambda_M, the factor on the energy; 0 is SphereFace, above 0 is SphereFace+. It means another thing in
    each form."""
    form: Literal["paper", "class_balanced", "full_space", "caffe", "opensphere", "random_push"] = "paper"
    """Eq. (8); the same with each class counted alike, however many crops it has; the energy of all pairs of
    prototypes, whatever the batch; the released Caffe layer's surrogate; OpenSphere's angular energy of the
    batch's classes among themselves; or a placebo, random pushes as long as Eq. (8)'s.
    docs/three_sphereface_plus.md says how they differ. Power, distance and chunk_size are not the released
    forms'."""
    power: float = Field(default=2.0, ge=0)
    """s of the Riesz kernel; 0 is the logarithmic energy."""
    distance: Literal["euclidean", "angular"] = "euclidean"
    """Euclidean as in Eq. (1), or the angle as in Eq. (5)."""
    chunk_size: int = Field(default=4096, gt=0)
    """Prototypes that are in memory at once while the energy streams over them."""
    hold_steps: int = Field(default=1, gt=0)
    """Steps in which random_push keeps its directions before it draws others."""

    @model_validator(mode="after")
    def _settings_belong_to_the_form(self) -> MHEConfig:
        unused = ("power", "distance", "chunk_size") if self.form in ("caffe", "opensphere") else ()
        for name in (*unused, *(() if self.form == "random_push" else ("hold_steps",))):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"mhe.{name} has no effect with mhe.form: {self.form}")
        return self


class DataConfig(Strict):
    path: str
    """Training crops: a folder with manifest.csv, a manifest, an identity/image folder, or a list file."""
    root: str | None = None
    """Folder that the paths of a list file are relative to; its own folder if not given."""
    min_images: int = Field(default=1, gt=0)
    """Identities with fewer crops are left out."""
    exclude: tuple[str, ...] = ()
    """Identities that are left out where the set holds them, such as those of a test set."""
    exclude_file: str | None = None
    """A text with an identity a line, who are left out too; `python -m data_prep pairs` writes one."""
    images_per_identity: int | None = Field(default=None, ge=2)
    """K: each batch holds train.batch_size / K identities with K crops each, for losses of pairs; without it
    crops are drawn one by one."""
    flip: bool = True
    """Mirror each crop with probability one half."""
    shift: int = Field(default=0, ge=0)
    """Largest random translation in pixels, borders repeated; 0 is SphereFace's own (none)."""
    workers: int = Field(default=0, ge=0)
    """Processes that read crops; 0 reads in the training process."""


class ValidationConfig(Strict):
    pairs: str
    """Pairs file (LFW's format, or: path path 0/1), or a .bin of insightface's, which holds the crops too."""
    images: str | None = None
    """Crops of the pairs: a folder with manifest.csv, or an identity/image folder; not for a .bin."""
    every: int = Field(default=1000, gt=0)
    """Steps between validations; before the first step and after the last one there is always one."""

    @model_validator(mode="after")
    def _crops_are_known_once(self) -> ValidationConfig:
        if self.pairs.endswith(".bin") and self.images is not None:
            raise ValueError(
                "validation.images has no effect with validation.pairs: a .bin, which holds crops"
            )
        if not self.pairs.endswith(".bin") and self.images is None:
            raise ValueError("validation.images is needed: the crops of the pairs in validation.pairs")
        return self


class FinetuneConfig(Strict):
    """What a fine-tuning does with the weights it starts from (init_from)."""

    prototypes: Literal["random", "mean_embedding"] = "random"
    """New prototypes, with reset_head: drawn, or each identity's mean unit embedding under the start."""
    head_steps: int = Field(default=0, ge=0)
    """First updates, which change the prototypes only: the network waits for them."""
    frozen_stages: int = Field(default=0, ge=0)
    """First stages of the network that stay as they are; SphereFace has four, and its last layer."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor on the learning rate from each stage to the one before it; below 1, early stages learn less."""
    lora_rank: int | None = Field(default=None, gt=0)
    """Train adapters of this rank (LoRA, by peft) instead of the network's weights."""
    lora_alpha: int = Field(default=16, gt=0)
    """Adapters count with the factor lora_alpha / lora_rank."""


class FaceConfig(RunConfig):
    """One run of face recognition."""

    in_words: ClassVar[str] = "a face recognition"

    task: Literal["face"] = "face"
    """What is trained: face recognition, by crops of faces."""
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run folder, runs/<name>, unless --out is given."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Initial weights, order of the crops and augmentation follow from it."""
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    head: HeadName = "auto"
    """Products of a batch with all prototypes: dense keeps them as one tensor, streamed makes them in chunks,
    and again backwards, for many identities; auto goes by their number. sharded is streamed, and each process
    of a torchrun holds the prototypes of some identities (docs/large_heads.md)."""
    sample_rate: float = Field(default=1.0, gt=0, le=1)
    """Share of the prototypes that a step sees, its batch's among them: below 1 the others are drawn anew in
    each step (Partial FC), for more identities than the machine can compare with (docs/large_heads.md)."""
    mhe: MHEConfig = MHEConfig()
    optimizer: OptimizerConfig
    train: TrainConfig
    validation: ValidationConfig | None = None
    init_from: str | None = None
    """Run folder or checkpoint whose weights are the start (fine-tuning). Optimizer and step are new."""
    reset_head: bool = False
    """With init_from: begin with new prototypes, for other identities."""
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _no_contradiction(self) -> FaceConfig:
        refuse_contradictions(self.train, self.optimizer)
        if self.loss.kind in OF_PAIRS and self.data.images_per_identity is None:
            raise ValueError(
                f"loss.kind {self.loss.kind} needs several crops of an identity in a batch: "
                "set data.images_per_identity"
            )
        if self.loss.kind in WITHOUT_PROTOTYPES and self.mhe != MHEConfig():
            raise ValueError(f"mhe has no effect with loss.kind {self.loss.kind}, which has no prototypes")
        if self.mhe.form == "random_push" and self.train.accumulate > 1:
            raise ValueError(
                "mhe.form random_push pushes as far as Eq. (8) in a batch of one part only: "
                "its parts' pushes would add up; train.accumulate must be 1"
            )
        if self.mhe.form == "class_balanced" and self.data.images_per_identity is not None:
            raise ValueError(
                "mhe.form class_balanced has no effect with data.images_per_identity, which draws identities "
                "alike; take mhe.form: paper"
            )
        if self.loss.kind in WITHOUT_PROTOTYPES and self.head != "auto":
            raise ValueError(f"head has no effect with loss.kind {self.loss.kind}, which has no prototypes")
        if self.loss.kind in WITHOUT_PROTOTYPES and self.sample_rate < 1:
            raise ValueError(
                f"sample_rate has no effect with loss.kind {self.loss.kind}, which has no prototypes"
            )
        sampled = ("paper", "class_balanced", "opensphere")
        if self.sample_rate < 1 and self.mhe.weight > 0 and self.mhe.form not in sampled:
            raise ValueError(
                f"sample_rate: mhe.form {self.mhe.form} is not implemented with a sample of the prototypes; "
                "take paper or class_balanced, or sample_rate 1"
            )
        shared = ("paper", "class_balanced")
        if self.head == "sharded" and self.mhe.weight > 0 and self.mhe.form not in shared:
            raise ValueError(
                f"mhe.form {self.mhe.form} is not implemented with head: sharded; take head=streamed, or "
                "mhe.form=paper or class_balanced"
            )
        if self.reset_head and self.init_from is None:
            raise ValueError("reset_head has no effect without init_from")
        if self.finetune != FinetuneConfig() and self.init_from is None:
            raise ValueError("finetune has no effect without init_from")
        if self.finetune.prototypes != "random" and not self.reset_head:
            raise ValueError("finetune.prototypes has no effect without reset_head")
        if self.finetune.head_steps and self.loss.kind in WITHOUT_PROTOTYPES:
            raise ValueError(
                f"finetune.head_steps has no effect with loss.kind {self.loss.kind}, which has no prototypes"
            )
        if self.finetune.lora_rank is None and self.finetune.lora_alpha != FinetuneConfig().lora_alpha:
            raise ValueError("finetune.lora_alpha has no effect without finetune.lora_rank")
        if self.finetune.head_steps >= self.train.steps:
            raise ValueError(
                f"finetune.head_steps {self.finetune.head_steps} never ends, "
                f"train.steps is {self.train.steps}"
            )
        return self
