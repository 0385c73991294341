"""Every setting of a training run: typed, frozen, with a sentence under each, and the strict loader.

A recipe is one YAML file. It is read once, changed by `--set key=value`, validated here, and from then on it
does not change: the run folder and every checkpoint hold exactly what was validated.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Triple = tuple[float, float, float]


class ConfigError(ValueError):
    """A recipe that cannot be used; the message names the key and what is wrong with it."""


M = TypeVar("M", bound="Strict")


class Strict(BaseModel):
    # Strict types on the JSON form: "3" is no number, 1.5 no count, unknown keys are errors, nothing mutates.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class InputSpec(Strict):
    """What a network expects of a crop. It travels with data and checkpoints: a mismatch is an error."""

    template: str = "sphereface_112x96"
    """Alignment template of the crops (data_prep/alignment.py holds the points)."""
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
    def _std_is_positive(self) -> InputSpec:
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        return self


class NetworkConfig(Strict):
    name: Literal[
        "sphereface4", "sphereface10", "sphereface20", "sphereface36", "sphereface64", "sphereface64_released"
    ]
    """Which network; sphereface64_released is the 62-convolution prototxt that was published as 64."""
    embedding_size: int = Field(default=512, gt=0)
    """D, the length of an embedding."""
    input: InputSpec = InputSpec()
    """What the crops must be."""


class SoftmaxConfig(Strict):
    kind: Literal["softmax"]
    bias: bool = False
    """Whether the classifier has a bias."""


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


class AMSoftmaxConfig(Strict):
    kind: Literal["am_softmax"]
    scale: float = Field(default=30.0, gt=0)
    """Factor on the cosines."""
    margin_cosine: float = Field(default=0.35, ge=0)
    """Subtracted from the target cosine."""


LossConfig = Annotated[SoftmaxConfig | ASoftmaxConfig | AMSoftmaxConfig, Field(discriminator="kind")]


class MHEConfig(Strict):
    """Data-dependent mini-batch MHE on the prototypes, Eq. (8)."""

    weight: float = Field(default=0.0, ge=0)
    """lambda_M, the factor on the energy; 0 is SphereFace, above 0 is SphereFace+."""
    power: float = Field(default=2.0, ge=0)
    """s of the Riesz kernel; 0 is the logarithmic energy."""
    distance: Literal["euclidean", "angular"] = "euclidean"
    """Euclidean as in Eq. (1), or the angle as in Eq. (5)."""
    chunk_size: int = Field(default=4096, gt=0)
    """Prototypes that are in memory at once while the energy streams over them."""


class DataConfig(Strict):
    path: str
    """Training crops: a folder with manifest.csv, a manifest, an identity/image folder, or a list file."""
    root: str | None = None
    """Folder that the paths of a list file are relative to; its own folder if not given."""
    min_images: int = Field(default=1, gt=0)
    """Identities with fewer crops are left out."""
    exclude: tuple[str, ...] = ()
    """Identities that are left out where the set holds them, such as those of a test set."""
    flip: bool = True
    """Mirror each crop with probability one half."""
    shift: int = Field(default=0, ge=0)
    """Largest random translation in pixels, borders repeated; 0 is SphereFace's own (none)."""
    workers: int = Field(default=0, ge=0)
    """Processes that read crops; 0 reads in the training process."""


class OptimizerConfig(Strict):
    """SGD with momentum; multipliers per parameter come from the network (Caffe's lr_mult and decay_mult)."""

    learning_rate: float = Field(gt=0)
    """Learning rate before the first milestone."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 added to the gradient."""
    milestones: tuple[int, ...] = ()
    """Steps at which the learning rate is multiplied by decay."""
    decay: float = Field(default=0.1, gt=0, le=1)
    """Factor at each milestone."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly to learning_rate."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the whole gradient; off by default, as in the released solvers."""


class TrainConfig(Strict):
    steps: int = Field(gt=0)
    """Updates in all."""
    batch_size: int = Field(gt=0)
    """Crops in one update, over all processes and accumulated parts."""
    accumulate: int = Field(default=1, gt=0)
    """Parts that a batch is cut into; the update stays that of the whole batch."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the network under autocast; losses and energies stay in fp32."""
    channels_last: bool = True
    """Memory layout of the network's activations."""
    compile: bool = False
    """torch.compile the network."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where there is one."""
    log_every: int = Field(default=10, gt=0)
    """Steps between lines of the log."""
    checkpoint_every: int = Field(default=500, gt=0)
    """Steps between kept checkpoints; the last one is always written."""


class ValidationConfig(Strict):
    pairs: str
    """Pairs file (LFW's format, or: path path 0/1)."""
    images: str
    """Crops of the pairs: a folder with manifest.csv, or an identity/image folder."""
    every: int = Field(default=1000, gt=0)
    """Steps between validations; before the first step and after the last one there is always one."""


class Config(Strict):
    """One run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the run folder, runs/<name>, unless --out is given."""
    seed: int = Field(default=0, ge=0)
    """Initial weights, order of the crops and augmentation follow from it."""
    data: DataConfig
    network: NetworkConfig
    loss: LossConfig
    mhe: MHEConfig = MHEConfig()
    optimizer: OptimizerConfig
    train: TrainConfig
    validation: ValidationConfig | None = None
    init_from: str | None = None
    """Run folder or checkpoint whose weights are the start (fine-tuning); optimizer and step begin anew."""
    reset_head: bool = False
    """With init_from: begin with new prototypes, for other identities."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> Config:
        train, optimizer = self.train, self.optimizer
        if train.batch_size % train.accumulate:
            raise ValueError(
                f"train.batch_size {train.batch_size} is not divisible by train.accumulate {train.accumulate}"
            )
        if list(optimizer.milestones) != sorted(set(optimizer.milestones)):
            raise ValueError(f"optimizer.milestones must increase, got {list(optimizer.milestones)}")
        if optimizer.milestones and optimizer.milestones[0] <= 0:
            raise ValueError(f"optimizer.milestones must be positive, got {list(optimizer.milestones)}")
        if optimizer.warmup_steps >= train.steps:
            raise ValueError(
                f"optimizer.warmup_steps {optimizer.warmup_steps} never ends, train.steps is {train.steps}"
            )
        if optimizer.milestones and optimizer.milestones[-1] >= train.steps:
            raise ValueError(
                f"optimizer.milestones: {optimizer.milestones[-1]} has no effect, "
                f"train.steps is {train.steps}"
            )
        if self.reset_head and self.init_from is None:
            raise ValueError("reset_head has no effect without init_from")
        return self


class _Loader(yaml.SafeLoader):
    pass


# YAML 1.1 reads 1e-3 as a string; a recipe means the number.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def parse_value(text: str) -> Any:
    """The value of a `--set key=value`, read as YAML: `1e-3` is a number, `[1, 2]` a list, `null` is None."""
    return yaml.load(text, Loader=_Loader)  # a SafeLoader: builds plain data only


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """The validated config of a recipe.

    overrides: strings `a.b=value`, applied in order. Changing a `kind` drops the old kind's settings.
    Raises ConfigError, with one line a mistake, for a file that cannot be read and for every unknown key,
    wrong type and contradiction.
    """
    tree = _read(Path(path))
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of settings, got {type(tree).__name__}")
    for override in overrides:
        _apply(tree, override)
    return from_dict(tree, origin=str(path))


def from_dict(tree: dict[str, Any], *, origin: str = "config") -> Config:
    """The validated config of plain data (a recipe's tree, or the config that a checkpoint holds)."""
    return _validate(Config, tree, origin)


def load_input_spec(path: str | Path) -> InputSpec:
    """The input spec of a YAML file, for models that do not carry one (an ONNX file of somebody else)."""
    return _validate(InputSpec, _read(Path(path)), str(path))


def to_dict(model: Strict) -> dict[str, Any]:
    """Plain data that `from_dict` reads back; what goes into run folders, checkpoints and reports."""
    return model.model_dump(mode="json")


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML ({' '.join(str(error).split())})") from None


def _apply(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example mhe.weight=0.5")
    *parents, leaf = key.split(".")
    node = tree
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {override}: {name} is a value, not a group of settings")
        node = child
    try:
        value = parse_value(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {text!r} is not a value") from None
    if leaf == "kind" and node.get("kind") != value:
        node.clear()
    node[leaf] = value


def _validate(model: type[M], tree: Any, origin: str) -> M:
    try:
        # Through JSON: strict mode then takes YAML's lists for tuples, and still no string for a number.
        return model.model_validate_json(json.dumps(tree))
    except TypeError as error:
        raise ConfigError(f"{origin}: {error}") from None
    except ValidationError as error:
        lines = [f"{origin}: {_sentence(mistake)}" for mistake in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _sentence(mistake: Any) -> str:
    key = ".".join(str(part) for part in mistake["loc"] if part not in _KINDS)
    if mistake["type"] == "value_error":  # a contradiction; its message names the keys
        return mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "missing":
        return f"{key}: is required and not given"
    if mistake["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(mistake["loc"][-1]), _every_setting(Config), n=1)
        return f"{key}: is no setting" + (f"; did you mean {near[0]}?" if near else "")
    return f"{key or 'recipe'}: {mistake['msg']}, got {mistake['input']!r}"


def _every_setting(model: type[Strict]) -> set[str]:
    """Names of the settings of a model and of all models below it."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, Strict):
                names |= _every_setting(part)
    return names


_KINDS = {"softmax", "a_softmax", "am_softmax"}  # a union's tag is no key of the recipe
