"""SphereFace networks of other projects: all have the same parts, under names of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from sphereface_plus.config import NetworkConfig
from sphereface_plus.networks import STAGE_UNITS
from sphereface_plus.pretrained.converted import Converted, take
from sphereface_plus.pretrained.crop_sizes import input_spec
from sphereface_plus.pretrained.errors import PretrainedError

_OURS = re.compile(r"stages\.(\d)\.(?:units\.(\d+)\.)?(?:down|prelu|conv)([12]?)\.(weight|bias)")


@dataclass(frozen=True)
class Names:
    """What a project calls SphereFace's parts.

    Stages are 1 to 4; unit 0 is a stage's convolution of stride 2, the others are residual units, each with
    the convolutions 1 and 2.
    """

    convolution: Callable[[int, int, int], str]
    prelu: Callable[[int, int, int], str]
    embed: str

    def of(self, ours: str) -> str:
        """A tensor's name there, by ours."""
        if ours.startswith("embed."):
            return f"{self.embed}.{ours.removeprefix('embed.')}"
        match = _OURS.fullmatch(ours)
        assert match is not None, ours
        stage, unit, number, kind = match.groups()
        part = self.prelu if "prelu" in ours else self.convolution
        place = (int(stage) + 1, 0 if unit is None else int(unit) + 1, int(number or 1))
        return f"{part(*place)}.{kind}"


def to_sphereface(
    file: Path,
    tensors: Mapping[str, Tensor],
    names: Names,
    *,
    variant: Literal["caffe", "clcarwin", "sfnet_deprecated", "sfnet"],
    color: Literal["bgr", "rgb"],
    std: float,
    prototypes: Tensor | None = None,
    ignored: set[str] | frozenset[str] = frozenset(),
    remarks: list[str] | None = None,
) -> Converted:
    """A project's SphereFace network: which depth, embedding size and crop size follow from the tensors.

    color, std: of the project's own pipeline, (v - 127.5) / std. Raises PretrainedError.
    """
    units = tuple(_units(tensors, names, stage) for stage in (1, 2, 3, 4))
    name = next((name for name, known in STAGE_UNITS.items() if known == units), None)
    embed = tensors.get(f"{names.embed}.weight")
    if (
        name is None
        or f"{names.convolution(1, 0, 1)}.weight" not in tensors
        or embed is None
        or 0 in embed.shape
    ):
        raise PretrainedError(
            f"{file}: is not a SphereFace network of this format: residual units {units} of the four stages, "
            f"{'with' if embed is not None else 'without'} {names.embed}; --from names another one"
        )
    embedding_size, inputs = embed.shape[-2:] if embed.ndim >= 2 else (0, 0)
    spec = input_spec(file, inputs // 512, color=color, std=std)
    config = NetworkConfig.model_validate(
        {"name": name, "embedding_size": embedding_size, "input": spec, "variant": variant}
    )
    return take(file, tensors, config, names.of, prototypes=prototypes, ignored=ignored, remarks=remarks)


def _units(tensors: Mapping[str, Tensor], names: Names, stage: int) -> int:
    count = 0
    while f"{names.convolution(stage, count + 1, 1)}.weight" in tensors:
        count += 1
    return count
