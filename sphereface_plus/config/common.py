"""Settings that every kind of training has: the optimizer and the course of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from sphereface_plus.config.strict import Strict


class OptimizerConfig(Strict):
    """SGD with momentum; multipliers per parameter come from the network (Caffe's lr_mult and decay_mult)."""

    learning_rate: float = Field(gt=0)
    """Learning rate before the first milestone."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """L2 added to the gradient."""
    decay_prototypes: bool = True
    """Whether weight_decay reaches the prototypes, and what else the loss learns; off, only the network."""
    prototype_momentum: bool = True
    """Whether prototypes, and what else the loss learns, have momentum. Off, they take less memory, and a
    gradient counts at once as often as it would have in the end, 1 / (1 - momentum) times."""
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
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto takes what is fast on the device: bf16 where the hardware has it, fp16 with loss scaling on a GPU
    without it, else fp32. Below fp32 the network runs under autocast; losses and energies stay in fp32."""
    channels_last: bool = True
    """Memory layout of the network's activations."""
    compile: bool = False
    """torch.compile the network: the same numbers up to rounding; needs a C++ compiler, such as g++."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where there is one."""
    log_every: int = Field(default=10, gt=0)
    """Steps between lines of the log."""
    checkpoint_every: int = Field(default=500, gt=0)
    """Steps between kept checkpoints; the last one is always written."""
    save_in_background: bool = False
    """Write checkpoints while the training goes on; the copy that is written takes as much memory as they are
    large."""

    @field_validator("device", mode="before")
    @classmethod
    def _names_why_not(cls, device: Any) -> Any:
        if device == "mps":
            raise ValueError(
                "train.device: mps, Apple's GPU, is not supported, as nothing of this was ever tried on it; "
                "set auto or cpu"
            )
        return device


class RunConfig(Strict):
    """What the settings of every task have; code that serves all tasks relies on nothing more."""

    in_words: ClassVar[str]
    """What a run of the task is, as in `is of ...`."""

    if TYPE_CHECKING:  # each task states its fields in its own order, in which they are listed and written
        task: Any
        """The name of the task, a Literal."""
        name: str
        seed: int
        train: TrainConfig


def refuse_contradictions(train: TrainConfig, optimizer: OptimizerConfig) -> None:
    """Raises ValueError for settings that cannot both be meant, naming them."""
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
            f"optimizer.warmup_steps {optimizer.warmup_steps} never ends, train.steps is {train.steps}; "
            "change both, or drop it by --set optimizer.warmup_steps=0"
        )
    if optimizer.milestones and optimizer.milestones[-1] >= train.steps:
        raise ValueError(
            f"optimizer.milestones: {optimizer.milestones[-1]} has no effect, train.steps is {train.steps}; "
            "change both, or drop them by --set optimizer.milestones=[]"
        )
