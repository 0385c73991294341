"""A model described for a person: layers, what it expects, its energies, where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from sphereface_plus import checkpoint, weights
from sphereface_plus.config import MHEConfig, RunConfig, from_dict
from sphereface_plus.model_files import CheckpointError, check_model, resolve
from sphereface_plus.training import tasks
from sphereface_plus.training.model_lines import network_lines, prototype_lines
from sphereface_plus.weights import Weights


def describe(model: str | Path) -> str:
    """Lines about a run, a checkpoint or a weight file. Raises CheckpointError or ConfigError."""
    check_model(model)
    file = resolve(model)
    if file.suffix == ".safetensors":
        return "\n".join(_of_weights(weights.load(file)))
    payload = _Payload(file, checkpoint.load(file, unread=("optimizer",)))
    config = from_dict(payload["config"], origin=str(file))
    lines = list(tasks.of(config).model_lines(file, payload, config))
    ending = tasks.of(config).ending(Path(model)) if Path(model).is_dir() else {}
    ended = [f"  {name:<10} {words}" for name, words in ending.items()]
    return "\n".join([*_provenance(file, payload, config), *ended, "", *lines])


class _Start(BaseModel):
    source: Any
    step: Any
    sha256: Any


class _Change(BaseModel):
    step: Any
    setting: Any
    before: Any
    now: Any


class _Told(BaseModel, strict=True):
    """What a checkpoint says about itself, of whatever task: state.payload_of. Any: is only printed."""

    config: dict[Any, Any]
    step: Any
    identities: list[Any] | tuple[Any, ...] | None
    num_crops: int
    start: _Start | None
    best: dict[str, float] | None
    changes: list[_Change] = []  # checkpoints of older versions have none


class _Payload(dict[str, Any]):
    """A checkpoint's payload, looked at. Raises CheckpointError, and where a name is asked for that it lacks,
    which is the file's fault and not ours."""

    def __init__(self, file: Path, payload: dict[str, Any]) -> None:
        super().__init__(payload)
        self._file = file
        try:
            _Told.model_validate(payload)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise self._not_whole(f"{place}: {first['msg']}") from None

    def __missing__(self, name: str) -> NoReturn:
        raise self._not_whole(f"{name}: Field required")

    def _not_whole(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self._file}: is not a whole checkpoint of ours ({reason[:200]})")


def _of_weights(model: Weights) -> Iterator[str]:
    info, origin = model.info, model.info.origin
    yield f"{model.file}"
    yield f"  sha256     {model.sha256}"
    yield f"  from       {origin.file} ({origin.format}), sha256 {origin.sha256}"
    yield f"  license    {origin.license or 'not stated'}"
    yield from (f"  {name:<10} {value}" for name, value in origin.training.items())
    yield from (f"  note       {remark}" for remark in origin.remarks)
    yield ""
    yield from network_lines(model.file, model.network, info.network)
    if "prototypes" in model.loss:
        yield ""
        yield from prototype_lines(model.loss["prototypes"], MHEConfig())


def _provenance(file: Path, payload: dict[str, Any], config: RunConfig) -> Iterator[str]:
    yield f"{file}"
    yield f"  sha256     {checkpoint.sha256(file)}"
    yield f"  recipe     {config.name}, step {payload['step']} of {config.train.steps}, seed {config.seed}"
    facts = tasks.of(config).provenance(payload, config)
    yield from (f"  {name:<10} {words}" for name, words in facts.items())
    if start := payload["start"]:
        yield f"  started    from {start['source']}, step {start['step']}, sha256 {start['sha256']}"
    for change in payload.get("changes", []):
        what = f"{change['setting']} {change['before']} -> {change['now']}"
        yield f"  changed    from step {change['step']} on: {what}"
    result, best = tasks.of(config).result(config), payload["best"] or {}
    if result is not None and {result.key, "step"} <= best.keys():
        yield f"  best       {result.words.format(best[result.key])} at step {best['step']}"
