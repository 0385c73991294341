"""The command `sphereface-plus sphere`."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

# torch and what needs it are imported inside the commands: --help and a wrong option answer at once.

POWERS, SMALLEST = (1.0, 2.0, 4.0), 8
"""What `limits` computes on the sphere in three dimensions: s < d, s = d and s > d, for d = 2."""
DIMENSIONS, RANDOM_POINTS = (3, 4, 8, 16, 32, 64, 128, 256), 1000
"""In which, and how many, `limits` draws at random."""


@click.group()
def sphere() -> None:
    """Points on a sphere: minimal energies, the paper's figures, and Theorem 2."""


def out_option(default: str) -> Any:
    return click.option(
        "--out", type=click.Path(path_type=Path), default=Path(default), show_default=True, help="Folder."
    )


seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Of the random starts.")


class Power(click.ParamType):
    """s >= 0, or inf."""

    name = "S"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            power = float(value)
        except ValueError:
            power = math.nan
        if not power >= 0:
            advice = "give a number >= 0, or inf for the Tammes problem"
            self.fail(f"{value!r} is not a power: {advice}", param, ctx)
        return power


@sphere.command()
@click.argument("num_points", metavar="N", type=int)
@click.option("--dimensions", type=int, default=3, show_default=True, help="Of the space around the sphere.")
@click.option(
    "--power",
    type=Power(),
    default=1.0,
    show_default=True,
    help="s of the energy: 0 logarithm, 1 Thomson problem, inf Tammes problem (largest smallest angle).",
)
@click.option(
    "--distance", type=click.Choice(["euclidean", "angular"]), default="euclidean", show_default=True
)
@click.option("--half-space", is_flag=True, help="Add the opposite of every point (section 3.4).")
@click.option(
    "--starts",
    type=int,
    help="Random starts; an even N gets one antipodal start more for every five. The best is kept.  "
    "[default: 10, in more than three dimensions 30]",
)
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder.  [default: runs/sphere/ and the settings, such as points12_d3_s1]",
)
def points(
    num_points: int,
    dimensions: int,
    power: float,
    distance: Any,
    half_space: bool,
    starts: int | None,
    seed: int,
    out: Path | None,
) -> None:
    """Place N points so that their energy is as small as can be found.

    Writes points.csv, report.json (energies, smallest angle, the known minimum) and plot.png with plot.md.

    \b
    sphereface-plus sphere points 12
    sphereface-plus sphere points 10 --power inf --starts 30
    """
    from sphereface_plus.commands.progress import show_progress
    from sphereface_plus.outputs import claimed

    from .captions import caption, report, summary, write_report
    from .optimise import antipodal_starts, minimise, random_starts
    from .plots import configuration_plot

    if out is None:
        kind = ("_angular" if distance == "angular" else "") + ("_half_space" if half_space else "")
        out = Path("runs/sphere") / f"points{num_points}_d{dimensions}_s{power:g}{kind}"
    half = ", half-space" if half_space else ""
    settings = f"{num_points} in {dimensions}, power {power:g}, {distance}{half}"
    claim = claimed(out, "sphereface-plus sphere points", points=settings)
    starts = random_starts(dimensions) if starts is None else starts
    total = starts + antipodal_starts(num_points, starts, half_space)
    with claim, show_progress("starts") as progress:
        progress(0, total)
        found = minimise(
            num_points,
            dimensions,
            power,
            distance=distance,
            half_space=half_space,
            starts=starts,
            seed=seed,
            progress=lambda done: progress(done, total),
        )
        content = report(found, power, distance, half_space, seed)
        plot = configuration_plot(found.points, half_space)
        write_report(out, content, found.points, plot, caption(content))
    click.echo(summary(content))
    click.echo(f"{out}: points.csv, report.json, plot.png, plot.md")


@sphere.command()
@click.argument("number", type=click.Choice(["1", "2", "5", "6"]))
@click.option(
    "--steps", type=click.IntRange(min=1), default=4000, show_default=True, help="Of gradient descent."
)
@seed_option
@out_option("runs/sphere")
def figure(number: str, steps: int, seed: int, out: Path) -> None:
    """Draw one of the paper's figures: 1 (orthonormal, MHE, half-space MHE), 2, 5 or 6 (weighted MHE).

    Writes figure<NUMBER>.png, .csv with every iterate it shows, and .md, its caption.
    """
    from .figures import draw

    with _claimed(out, [f"figure{number}"], "figure", figure=number, steps=steps, seed=seed):
        files = draw(int(number), out, seed=seed, steps=steps)
    click.echo(files[-1].read_text())
    click.echo(", ".join(map(str, files)))


@sphere.command()
@click.option(
    "--largest",
    type=click.IntRange(min=2 * SMALLEST),
    default=256,
    show_default=True,
    help="N goes from 8 up to this, doubled each time.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Random starts for each N, and an antipodal one for every five or fewer.",
)
@seed_option
@out_option("runs/sphere")
def limits(largest: int, starts: int, seed: int, out: Path) -> None:
    """Theorem 2: how the least energy grows with N, against the closed forms, and I_s against random points.

    On the sphere in three dimensions (d = 2), for s = 1 < d, s = 2 = d and s = 4 > d. Writes growth.csv, .png
    and .md, and random.csv, .png and .md.
    """
    from sphereface_plus.commands.progress import show_progress

    from .captions import growth_files, random_files
    from .limits import grow, sample

    counts = [SMALLEST * 2**k for k in range((largest // SMALLEST).bit_length())]
    with _claimed(out, ["growth", "random"], "limits", largest=largest, starts=starts, seed=seed):
        with show_progress("least energies") as progress:
            rows = []
            progress(0, len(POWERS) * len(counts))
            for row in grow(3, POWERS, counts, starts=starts, seed=seed):
                rows.append(row)
                progress(len(rows), len(POWERS) * len(counts))
        sampled = list(sample(DIMENSIONS, (0.0, 1.0, 2.0), num_points=RANDOM_POINTS, seed=seed))
        files = growth_files(out, rows, starts, seed) + random_files(out, sampled, RANDOM_POINTS, seed)
    click.echo(", ".join(map(str, files)))


def _claimed(folder: Path, stems: list[str], command: str, **of: Any) -> AbstractContextManager[None]:
    """Claims the .png, .csv and .md files of these names; their folder may hold those of other commands."""
    from sphereface_plus.outputs import claimed

    first, *others = (f"{stem}.{suffix}" for stem in stems for suffix in ("png", "csv", "md"))
    return claimed(folder / first, f"sphereface-plus sphere {command}", file=True, beside=others, **of)
