"""What came out of a training of generator and discriminator, read from its folder, for `show` and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sphereface_plus.training.folder import RunError, RunFolder
from sphereface_plus.training.logs import read_log

LOSSES = ("discriminator_loss", "generator_loss", "score_of_real", "score_of_fake")
MEASURES = ("energy", "half_space_energy", "largest_singular_value")
"""Of each layer of the discriminator, as `energy/convolutions_0`."""


@dataclass(frozen=True)
class GanResult:
    """A run's newest numbers."""

    step: int
    """Updates that were made when its newest samples were: a finished run's is train.steps."""
    losses: dict[str, float]
    """Each of LOSSES as it was logged last; nothing is chosen by it."""
    energies: dict[str, float]
    """By measure and layer, of the discriminator's weights after the newest checkpoint."""
    samples: Path
    """The grid of generated images of that step."""


def result_of(folder: str | Path) -> GanResult:
    """The newest result of a run's folder. Raises RunError where it has no samples yet."""
    run = RunFolder(folder)
    grids = sorted(run.samples.glob("step_*.png"))
    if not grids or not run.log.is_file():
        raise RunError(f"{folder}: has no samples yet, which a run writes with its checkpoints")
    step = int(grids[-1].stem.removeprefix("step_"))
    newest: dict[str, float] = {}
    for line in read_log(run.log):
        if line["step"] <= step:
            newest |= line
    return GanResult(
        step,
        {name: newest[name] for name in LOSSES if name in newest},
        {name: value for name, value in newest.items() if name.partition("/")[0] in MEASURES},
        grids[-1],
    )


def result_in_words(folder: Path) -> dict[str, str]:
    """What `show` says of a run's folder; nothing where there is no result yet."""
    try:
        result = result_of(folder)
    except RunError:
        return {}
    losses = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in result.losses.items())
    return {"last": f"step {result.step}: {losses}", "samples": f"{result.samples}"}
