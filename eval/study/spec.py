"""A study as a file: a start that is trained once a seed, and arms that each go on from it.

The first arm is the control. Whatever is compared with it has the same start, the same crops in the same
order and as many steps; only the arm's own settings differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from sphereface_plus import config
from sphereface_plus.config import ConfigError, FaceConfig
from sphereface_plus.config.recipes import recipes_folder
from sphereface_plus.config.strict import Strict, read, validate

PREFIX = "truth_faces_"
"""Of the files of studies among the tables of configs/paper."""
START = "start"
"""The row of a seed's start, which is no arm."""


class Arm(Strict):
    set: tuple[str, ...] = ()
    """Settings that this arm alone has."""
    ratio: float | None = Field(default=None, gt=0)
    """How long the weighted energy's tangential gradient is, in units of the classification loss's: what
    mhe.weight follows from (weights.py). Without it the arm has the weight that its settings say."""
    against: str | None = None
    """The arm that it is compared with; the control if not given."""


class Study(Strict):
    title: str
    first: str | None = None
    """Recipe of a run that the start begins from, relative to this file; without it the start is trained from
    nothing."""
    start: str
    """Recipe of the start."""
    arm: str
    """Recipe that all arms share."""
    set: tuple[str, ...] = ()
    """Settings of all runs; an arm has its own, too."""
    first_without: str | None = None
    """A text among the study's data: people, one a line, whom the first run does without."""
    arms: dict[str, Arm]
    """By name, the control first; in the order in which they are trained."""
    contrasts: tuple[tuple[str, str], ...] = ()
    """Arms that are compared among themselves, too: one minus the other."""
    start_measured: bool = False
    """Whether the start has a row, too: what an arm would be compared with that has no control."""
    seeds: int = Field(gt=1)
    """Seeds 0, 1, ... of the study."""
    weights_seed: int = Field(default=100, ge=0)
    """The seed whose start the weights follow from; none of the study's."""
    weights_steps: int = Field(default=20, gt=0)
    """Updates over which gradients are measured for that."""
    notes: str = ""
    """What has to be known; sentences below the table."""

    @model_validator(mode="after")
    def _is_a_comparison(self) -> Study:
        if len(self.arms) < 2:
            raise ValueError("arms: a study compares arms with the first one, and needs two")
        if START in self.arms:
            raise ValueError(f"arms: {START} is the name of what all arms go on from; give the arm another")
        if self.weights_seed < self.seeds:
            raise ValueError(
                f"weights_seed {self.weights_seed} is one of the study's {self.seeds} seeds; weights have to "
                "be chosen on another"
            )
        if wrong := {arm.against for arm in self.arms.values() if arm.against} - set(self.arms):
            raise ValueError(f"arms: against: {', '.join(sorted(wrong))} is not an arm")
        if wrong := {arm for pair in self.contrasts for arm in pair} - set(self.arms):
            raise ValueError(f"contrasts: {', '.join(sorted(wrong))} is not an arm")
        if any(one == other for one, other in self.contrasts):
            raise ValueError("contrasts: an arm is compared with itself")
        if len({*self.contrasts}) < len(self.contrasts):
            raise ValueError("contrasts: two are the same")
        if self.arms[self.control].ratio is not None:
            raise ValueError(f"arms: {self.control} is the control, and a ratio gives it an energy")
        return self

    def against(self, arm: str) -> str:
        """What an arm is compared with."""
        return self.arms[arm].against or self.control

    @property
    def control(self) -> str:
        return next(iter(self.arms))

    @property
    def rows(self) -> list[str]:
        """What is measured of a seed, in this order."""
        return [START, *self.arms] if self.start_measured else [*self.arms]


def studies() -> list[str]:
    """Names of the studies that come with the package."""
    return sorted(file.stem for file in (recipes_folder() / "paper").glob(f"{PREFIX}*.yaml"))


def load_study(name: str) -> tuple[Study, Path]:
    """A study by its name or file. Raises ConfigError."""
    path = Path(name) if name.endswith(".yaml") else recipes_folder() / "paper" / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(f"{name}: is not a study; there is {', '.join(studies())}")
    return validate(Study, read(path), str(path)), path


def first_config(study: Study, file: Path, data: Path, seed: int) -> FaceConfig | None:
    """Of the run before the start of a seed; data: the study's folder of crops. Raises ConfigError."""
    if study.first is None:
        return None
    without = study.first_without
    left_out = () if without is None else (f'data.exclude_file="{(data / without).resolve()}"',)
    return _config(file.parent / study.first, study.set, data, seed, *left_out)


def start_config(study: Study, file: Path, data: Path, seed: int, first: Path) -> FaceConfig:
    """Of the start of a seed, from the run folder `first` if the study has that. Raises ConfigError."""
    begins = () if study.first is None else (f'init_from="{first.resolve()}"',)
    return _config(file.parent / study.start, study.set, data, seed, *begins)


def arm_config(
    study: Study, file: Path, data: Path, seed: int, arm: str, start: Path, settings: Sequence[str] = ()
) -> FaceConfig:
    """Of one arm of a seed, from the run folder `start`. settings: others, which win. Raises ConfigError."""
    own = (*study.set, *study.arms[arm].set, *settings)
    return _config(file.parent / study.arm, own, data, seed, f'init_from="{start.resolve()}"')


def _config(recipe: Path, settings: Sequence[str], data: Path, seed: int, *last: str) -> FaceConfig:
    path = (data / "train").resolve()
    found = config.load(recipe.resolve(), [*settings, f'data.path="{path}"', f"seed={seed}", *last], typed=())
    if not isinstance(found, FaceConfig):
        raise ConfigError(f"{recipe}: is {found.in_words}; a study is of face recognitions")
    return found
