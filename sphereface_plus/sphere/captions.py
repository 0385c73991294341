"""What `sphereface-plus sphere` writes and prints: numbers, and the captions of its plots."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sphereface_plus import __version__
from sphereface_plus.files import write_csv, write_figure, write_text
from sphereface_plus.mhe import hyperspherical_energy, negative_separation
from sphereface_plus.mhe.kernel import Distance
from sphereface_plus.words import counted

from .known import known_minimum
from .limits import SETS, Growth, Sampled, energy_integral
from .optimise import Configuration
from .plots import growth_plot, sample_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report(
    found: Configuration, power: float, distance: Distance, half_space: bool, seed: int
) -> dict[str, Any]:
    """Settings, what was found, and the known minimum beside it; plain data for JSON.

    `found` and `known` are sums over pairs i < j, in half-space of the 2N points; for power inf the smallest
    angle in degrees. Eq. (1) counts ordered pairs: `energies` has that sum, and its mean over the pairs.
    """
    num_points, dimensions = found.points.shape
    known = known_minimum(num_points, dimensions, power, distance=distance, half_space=half_space)
    settings: dict[str, Any] = {"distance": distance, "half_space": half_space}
    angle = None
    if num_points > 1:
        separation = negative_separation(found.points, distance="angular", half_space=half_space)
        angle = math.degrees(-separation.item())
    energies = {
        power: partial(hyperspherical_energy, found.points, power=power, **settings)
        for power in sorted({0.0, 1.0, 2.0, power} - {math.inf})
    }
    return {
        "points": num_points,
        "dimensions": dimensions,
        "power": "inf" if power == math.inf else power,  # JSON has no infinity
        **settings,
        "found": found.pair_sum,
        "known": known and known._asdict(),
        "of_starts": found.of_starts,
        "of_antipodal_starts": found.of_antipodal_starts,
        "smallest_angle_degrees": angle,
        "energies": {
            f"s={power:g}": {"sum": energy(reduction="sum").item(), "mean": energy().item()}
            for power, energy in energies.items()
        },
        "seed": seed,
        "versions": {"sphereface_plus": __version__, "torch": torch.__version__},
    }


def summary(content: dict[str, Any]) -> str:
    """The report in a few lines."""
    tammes = content["power"] == "inf"
    what = "smallest angle" if tammes else f"energy of pairs, s = {content['power']:g}"
    unit = "°" if tammes else ""
    lines = [f"{what}: {content['found']:.9g}{unit}"]
    known = content["known"]
    if known is None:
        lines.append("no known minimum for these settings")
    else:
        kind = "minimum" if known["proven"] else "best known"
        if tammes:
            kind = kind.replace("minimum", "maximum")
        gap = content["found"] - known["value"]
        lines.append(f"{kind}: {known['value']:.9g}{unit} ({known['source']}); found - known: {gap:.1e}")
    tolerance = 1e-6 * max(1.0, abs(content["found"]))
    kinds = {"random": content["of_starts"], "antipodal": content["of_antipodal_starts"]}
    close = {
        kind: sum(abs(x - content["found"]) <= tolerance for x in values) for kind, values in kinds.items()
    }
    ended = (f"{close[kind]} of {len(values)} {kind} starts" for kind, values in kinds.items() if values)
    lines.append(f"{' and '.join(ended)} ended there")
    if known is None or not known["proven"] or abs(content["found"] - known["value"]) > tolerance:
        lines.append(
            "that starts agree proves nothing, a better end may be rare: look again with more --starts or "
            "another --seed"
        )
    if not tammes and content["smallest_angle_degrees"] is not None:
        lines.append(f"smallest angle: {content['smallest_angle_degrees']:.4f}°")
    return "\n".join(lines)


def caption(content: dict[str, Any]) -> str:
    """The caption of plot.png."""
    opposites = " (red) and their opposites (pink)" if content["half_space"] else ""
    return (
        f"{counted(content['points'], 'point')}{opposites} in {content['dimensions']} dimensions, the "
        "best of "
        f"{_starts(content)} (seed {content['seed']}). Rings lie on the far side. The "
        f"histogram has the angles of all pairs of the {content['points']} points.\n\n"
        + "\n".join(f"* {line}" for line in summary(content).splitlines())
    )


def _starts(content: dict[str, Any]) -> str:
    random, antipodal = len(content["of_starts"]), len(content["of_antipodal_starts"])
    words = f"{random} random" + (f" and {antipodal} antipodal" if antipodal else "")
    return words + (" start" if random + antipodal == 1 else " starts")


def write_report(folder: Path, content: dict[str, Any], points: Tensor, plot: Figure, text: str) -> None:
    """points.csv (one a row, read back exactly), report.json, plot.png and plot.md."""
    write_csv(folder / "points.csv", [f"x{axis + 1}" for axis in range(points.shape[1])], points.tolist())
    write_text(folder / "report.json", json.dumps(content, indent=2) + "\n")
    write_figure(folder / "plot.png", plot)
    write_text(folder / "plot.md", text + "\n")


def growth_files(folder: Path, rows: Sequence[Growth], starts: int, seed: int) -> list[Path]:
    """growth.csv, .png, .md."""
    integrals = {row.power: energy_integral(row.power, 3) for row in rows}
    finite = {power: value for power, value in integrals.items() if value < math.inf}
    lines = [
        "# Theorem 2: the growth of the least energy",
        "",
        "Least energies (ordered pairs) of N points on the sphere in three dimensions, d = 2, over p(N): N^2 "
        "for s = 1, N^2 log N for s = 2, N^(1 + s/2) for s = 4. L-BFGS in float64, the best of "
        f"{starts} random {'start' if starts == 1 else 'starts'} (seed {seed}) and an antipodal one for "
        "every five or fewer; "
        "large N have many local minima, whose energies differ by "
        "less than can be seen here. Dashed: the closed form of the limit; for s = 4 it is conjectured. "
        "Squares: the limit that two neighbouring N point to, the next term of the expansion taken off. "
        "Dotted: random points, whose expected energy is I_s N(N - 1), finite for s < d only.",
        "",
        "| s | N | energy | energy / p(N) | extrapolated | limit | of the limit |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {row.power:g} | {row.num_points} | {row.energy:.6g} | {row.ratio:.5f} "
            f"| {'' if math.isnan(row.extrapolated) else f'{row.extrapolated:.5f}'} "
            f"| {row.limit:.5f} | {row.basis} |"
            for row in rows
        ),
    ]
    return _files(folder, "growth", Growth._fields, rows, growth_plot(rows, finite), lines)


def random_files(folder: Path, rows: Sequence[Sampled], num_points: int, seed: int) -> list[Path]:
    """random.csv, .png, .md."""
    lines = [
        "# I_s: the energy of random points",
        "",
        f"Mean pair energy of {num_points} independent uniform points in n dimensions, over {SETS} sets "
        f"(seed {seed}), with three standard errors. Lines: I_s of Theorem 2, its expected value; s = 0 is "
        "the logarithm.",
        "",
        "| n | s | mean | standard error | I_s |",
        "|---|---|---|---|---|",
        *(
            f"| {row.dimensions} | {row.power:g} | {row.mean:.6f} "
            f"| {row.standard_error:.6f} | {row.integral:.6f} |"
            for row in rows
        ),
    ]
    return _files(folder, "random", Sampled._fields, rows, sample_plot(rows), lines)


def _files(
    folder: Path, name: str, header: Sequence[str], rows: Sequence[tuple], figure: Figure, lines: list[str]
) -> list[Path]:
    files = [folder / f"{name}.{suffix}" for suffix in ("csv", "png", "md")]
    write_csv(files[0], header, rows)
    write_figure(files[1], figure)
    write_text(files[2], "\n".join(lines) + "\n")
    return files
