"""The tasks: what differs between a training on faces and one on images, each in one entry of a table.

A new task is its settings in config/, its parts in a file beside this one, and an entry here. Whatever needs
torch is in those parts (run_parts.py) and is imported inside a function: a run is refused, and its settings
are listed, before that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphereface_plus.config import FaceConfig, GanConfig, ImageConfig, RunConfig
from sphereface_plus.training.folder import RunFolder
from sphereface_plus.words import counted, plural

if TYPE_CHECKING:
    from sphereface_plus.processes import Processes
    from sphereface_plus.training.run_parts import Run

NeededFile = tuple[str, str | None, str]
"""A setting, the path that it names if it is given, and what has to be there: a file or a folder."""
EITHER = "file or folder"
CROPS = "folder, manifest, list or packed set of crops"

# No update that was made, or will be made, depends on these.
MAY_CHANGE = frozenset({"train.steps", "train.save_in_background", "data.workers"})
GENTLER = frozenset({"optimizer.learning_rate", "optimizer.warmup_steps", "optimizer.clip_norm"})
SGD = ("a lower optimizer.learning_rate", "an optimizer.clip_norm")


@dataclass(frozen=True)
class Result:
    """A number that validations measure, and by which best.pt is chosen."""

    name: str
    """In the log, such as validation/accuracy."""
    words: str
    """How it is written: `validation accuracy {:.2%}`."""
    higher_is_better: bool = True

    @property
    def key(self) -> str:
        """Its name in a checkpoint's `best`, beside the step: accuracy."""
        return self.name.rpartition("/")[2]

    def is_better(self, value: float, best: Mapping[str, float]) -> bool:
        """Than the best so far, which is empty before there was one. nan is not."""
        sign = 1 if self.higher_is_better else -1
        return sign * value > sign * best.get(self.key, -sign * math.inf)


ACCURACY = Result("validation/accuracy", "validation accuracy {:.2%}")


@dataclass(frozen=True)
class Task:
    """What a run asks of its task. Functions take the task's config."""

    title: str
    """Above the list of its settings."""
    thing: str
    """What is trained on, in the singular, as words.counted takes it."""
    group: str
    """What those are told apart by: one class of the classifier. Not said where a set has no classes."""
    build: Callable[[Any, RunFolder, Processes, dict[str, Any] | None], Run]
    """The parts of a run; the last argument is the checkpoint that it goes on from, if it does."""
    needed_files: Callable[[Any], Iterator[NeededFile]]
    """What has to be on the disk before a run begins."""
    start: Callable[[Any], str | None] | None
    """The model that a fine-tuning starts from; None where the task knows no fine-tuning."""
    provenance: Callable[[dict[str, Any], Any], dict[str, str]]
    """What `show` says of a training beside its recipe, of payload and config: name -> words."""
    model_lines: Callable[[Path, dict[str, Any], Any], Iterable[str]]
    """What `show` says of the model in a checkpoint, of file, payload and config. A payload is not trusted:
    raises CheckpointError for tensors that are not what they should be (weights.check_tensors)."""
    output: str
    """What of a broken model is not finite."""
    may_change: frozenset[str]
    """Settings that may differ when a run goes on."""
    after_divergence: frozenset[str]
    """Those that may differ besides when it has diverged, and would diverge again."""
    gentler: tuple[str, ...]
    """What the message of a divergence advises: words that end in one of these settings. Where the update
    itself broke the model, the first two."""
    result: Callable[[Any], Result | None] = lambda config: None
    """What best.pt of a run is chosen by; None where nothing is chosen, and there is no best.pt."""
    ending: Callable[[Path], dict[str, str]] = lambda folder: {}
    """What `show` says besides of a run's folder, as provenance does: numbers that no checkpoint holds."""
    watched: Mapping[str, str] = field(default_factory=dict)
    """Numbers of its log that a person watches beside the pace and the result, by name, and how they are
    written."""

    def counted(self, things: int, classes: Sized | None) -> str:
        """`30 crops of 6 identities`, `30 crops` where there are no classes."""
        return counted(things, self.thing) + (f" of {counted(len(classes), self.group)}" if classes else "")

    def shown(self, config: RunConfig) -> dict[str, str]:
        """All numbers of a run's log that a person watches, in order: as `watched` has them."""
        result = self.result(config)
        pace = {
            "images_per_second": f"{{:.0f}} {plural(self.thing)}/s",
            "data_wait_share": "data wait {:.0%}",
        }
        return {**self.watched, **pace, **({} if result is None else {result.name: result.words})}


def of(config: RunConfig) -> Task:
    """The task of a run."""
    return TASKS[config.task]


def _build_face(
    config: FaceConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None
) -> Run:
    from sphereface_plus.training import face

    return face.build(config, folder, processes, point)


def _face_files(config: FaceConfig) -> Iterator[NeededFile]:
    crops = f"{CROPS}; --set data.path=... names yours, and `python -m data_prep align` makes crops of photos"
    yield "data.path", config.data.path, crops
    yield "data.root", config.data.root, EITHER
    yield "data.exclude_file", config.data.exclude_file, "file of names"
    if config.validation is not None:
        yield "validation.pairs", config.validation.pairs, EITHER
        yield "validation.images", config.validation.images, EITHER


def _face_lines(file: Path, payload: dict[str, Any], config: FaceConfig) -> Iterable[str]:
    from sphereface_plus.training import model_lines

    return model_lines.of_faces(file, payload, config)


def _build_image(
    config: ImageConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None
) -> Run:
    from sphereface_plus.training import image

    return image.build(config, folder, processes)


def _image_files(config: ImageConfig | GanConfig) -> Iterator[NeededFile]:
    images = {"faces": CROPS, "folder": "folder of images"}.get(
        config.data.name, f"{EITHER} of {config.data.name}'s images"
    )
    yield "data.path", config.data.path, f"{images}; --set data.path=... names yours"


def _image_lines(file: Path, payload: dict[str, Any], config: ImageConfig) -> Iterable[str]:
    from sphereface_plus.training import model_lines

    return model_lines.of_images(file, payload, config)


def _build_gan(
    config: GanConfig, folder: RunFolder, processes: Processes, point: dict[str, Any] | None
) -> Run:
    from sphereface_plus.training import gan

    return gan.build(config, folder, processes)


def _gan_lines(file: Path, payload: dict[str, Any], config: GanConfig) -> Iterable[str]:
    from sphereface_plus.training import model_lines

    return model_lines.of_gans(file, payload, config)


def _gan_ending(folder: Path) -> dict[str, str]:
    from sphereface_plus.training import gan_result

    return gan_result.result_in_words(folder)


def _data_and(loss: Callable[[Any], str]) -> Callable[[dict[str, Any], Any], dict[str, str]]:
    """Provenance of a task whose data have a path. loss: the loss and its weights in words."""

    def provenance(payload: dict[str, Any], config: Any) -> dict[str, str]:
        things = TASKS[config.task].counted(payload["num_crops"], payload["identities"])
        return {"data": f"{config.data.path}: {things}", "loss": loss(config)}

    return provenance


def _gan_loss(config: GanConfig) -> str:
    normalisation = config.network.discriminator_normalisation
    return f"{config.loss.kind}, MHE weight {config.mhe.weight:g}, normalisation {normalisation}"


OF_CLASSIFIER = {"loss": "loss {:.3f}", "accuracy_without_margin": "accuracy {:.1%}"}

TASKS = {
    "face": Task(
        title="Face recognition",
        thing="crop",
        group="identity",
        build=_build_face,
        needed_files=_face_files,
        start=lambda config: config.init_from,
        provenance=_data_and(lambda config: f"{config.loss.kind}, MHE weight {config.mhe.weight:g}"),
        model_lines=_face_lines,
        output="embeddings",
        may_change=MAY_CHANGE | {"head"},  # all heads give the same numbers, up to rounding
        after_divergence=GENTLER | {"mhe.weight", "loss.lambda_min"},
        gentler=(*SGD, "a smaller mhe.weight", "a larger loss.lambda_min"),
        result=lambda config: ACCURACY if config.validation is not None else None,
        watched=OF_CLASSIFIER,
    ),
    "image": Task(
        title="Image classification",
        thing="image",
        group="class",
        build=_build_image,
        needed_files=_image_files,
        start=None,
        provenance=_data_and(
            lambda config: f"softmax, MHE weights {config.mhe.hidden.weight:g}, {config.mhe.output.weight:g}"
        ),
        model_lines=_image_lines,
        output="embeddings",
        may_change=MAY_CHANGE | {"data.path"},  # state.restore refuses other images than it began with
        after_divergence=GENTLER | {"mhe.hidden.weight", "mhe.output.weight"},
        gentler=(*SGD, "a longer optimizer.warmup_steps", "a smaller mhe.hidden.weight"),
        result=lambda config: ACCURACY if config.data.validation_per_class else None,
        watched={**OF_CLASSIFIER, "test/accuracy": "test accuracy {:.2%}"},
    ),
    "gan": Task(
        title="Generation of images",
        thing="image",
        group="class",
        build=_build_gan,
        needed_files=_image_files,
        start=None,
        provenance=_data_and(_gan_loss),
        model_lines=_gan_lines,
        output="generator's images or the discriminator's scores",
        may_change=MAY_CHANGE - {"data.workers"} | {"data.path"},
        after_divergence=frozenset({"discriminator.learning_rate", "generator.learning_rate", "mhe.weight"}),
        gentler=(
            "a lower discriminator.learning_rate",
            "a lower generator.learning_rate",
            "a smaller mhe.weight",
        ),
        ending=_gan_ending,
        watched={"discriminator_loss": "D {:.3f}", "generator_loss": "G {:.3f}"},
    ),
}
"""By the name that a recipe's `task` gives it; config.TASKS holds their settings by the same names: a recipe
is validated in config/, which may not import this."""
