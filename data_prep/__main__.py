"""python -m data_prep: photos in, aligned crops out; or drawn people where there are no photos."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from .errors import PrepError

# What the commands need is imported inside of them: torch alone takes seconds, and --help should not.

FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Prepares photos of faces for training and evaluation."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Bad input ends a command with one sentence, a stop with what to do next; neither with a traceback."""

    @wraps(function)
    def wrapped(*args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            function(*args, **options)
        except (PrepError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt as stop:
            click.echo("stopped: the same command continues where it stopped", err=True)
            sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))

    return wrapped


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


@main.command()
@click.argument("photos", type=FOLDER)
@click.argument("out", type=FOLDER)
@click.option(
    "--template",
    type=click.Choice(["sphereface_112x96", "arcface_112x112"]),
    default="sphereface_112x96",
    show_default=True,
    help="Where the landmarks lie in a crop, and its height x width.",
)
@click.option(
    "--layout",
    type=click.Choice(["folder", "list", "lfw-devtrain", "lfw-devtest", "lfw-view2"]),
    default="folder",
    show_default=True,
    help="folder: identity/photo. list: the photos of --list. lfw-...: LFW's people or pairs for training on view 1, "
    "testing on view 1, and reporting on view 2; PHOTOS is then the folder with LFW's lists.",
)
@click.option(
    "--list",
    "list_file",
    type=FILE,
    help="File with a line `path label` for each photo; paths relative to PHOTOS.",
)
@click.option(
    "--min-images",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Leave out identities with fewer photos.",
)
@click.option(
    "--landmarks",
    type=FILE,
    help="File with a line `path <tab> x1 y1 ... x5 y5` for each photo (left eye, right eye, nose, left and right corner "
    "of the mouth, as the viewer sees them; 0-based): replaces detection.",
)
@click.option(
    "--face",
    type=click.Choice(["centre", "largest", "confident", "all"]),
    default="centre",
    show_default=True,
    help="Which of several faces is meant: nearest to the photo's centre, largest, best score, or each one.",
)
@click.option(
    "--fallback",
    type=click.Choice(["none", "relaxed", "centre"]),
    default="none",
    show_default=True,
    help="For a photo without a face. none: leave it out. relaxed: look again with 0.5 as last threshold. centre: the "
    "same, and then take the place where LFW's faces are. For tests, where no photo may be missing.",
)
@click.option(
    "--fit",
    type=click.Choice(["inverse", "forward"]),
    default="inverse",
    show_default=True,
    help="Least squares of the similarity transform: in the photo, as SphereFace's Matlab code, or in the crop.",
)
@click.option(
    "--format",
    type=click.Choice(["png", "jpg"]),
    default="png",
    show_default=True,
    help="Of the crops; png is lossless.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of jpg crops.")
@click.option(
    "--min-face",
    type=click.FloatRange(1),
    default=20,
    show_default=True,
    help="Side of the smallest face, in pixels.",
)
@click.option(
    "--factor",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.85,
    show_default=True,
    help="Between the sizes at which the detector looks at a photo.",
)
@click.option(
    "--thresholds",
    type=(float, float, float),
    default=(0.6, 0.7, 0.9),
    show_default=True,
    help="Of the detector's three stages.",
)
@click.option("--realign", is_flag=True, help="Accept photos that are aligned already.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@command
def align(photos: Path, out: Path, **options: Any) -> None:
    """Finds the faces in PHOTOS and writes aligned crops to the folder OUT.

    Beside the crops OUT gets manifest.csv (one row a crop), report.json (counts, and why which photo has no crop) and
    contact_sheet.jpg (some crops with their landmarks: look at it). A command that was stopped continues where it
    stopped when it is given again; the result does not depend on that, nor on the number of workers.
    """
    from .align import align_folder
    from .progress import show_progress

    with show_progress("photos", "without a crop") as progress:
        summary = align_folder(photos, out, progress=progress, **options)
    rate = (summary.num_photos - summary.num_before) / summary.seconds
    click.echo(
        f"{summary.num_crops:,} crops of {summary.num_identities:,} identities from {summary.num_photos:,} photos "
        f"in {summary.seconds:.0f} s ({rate:.1f} photos a second)"
    )
    for title, counts in (
        ("landmarks", summary.methods),
        ("photos without a crop", summary.problems),
        ("ignored", summary.ignored),
    ):
        if counts:
            click.echo(f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if summary.num_before:
        click.echo(f"  done before: {summary.num_before:,} photos")
    click.echo(
        f"manifest: {out / 'manifest.csv'}\nreport: {out / 'report.json'}\nlook at: {out / 'contact_sheet.jpg'}"
    )


@main.command()
@click.argument("out", type=FOLDER)
@click.option("--people", type=click.IntRange(1), default=100, show_default=True, help="People to train on.")
@click.option(
    "--photos", type=click.IntRange(1), default=12, show_default=True, help="Photos of each of them."
)
@click.option(
    "--test-people", type=click.IntRange(1), default=60, show_default=True, help="Other people, to verify."
)
@click.option(
    "--test-photos", type=click.IntRange(1), default=6, show_default=True, help="Photos of each of them."
)
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Pairs of each kind in each of ten folds.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed draws other people."
)
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@command
def draw(out: Path, workers: int | None, **options: int) -> None:
    """Draws people into the folder OUT: photos to train on, and photos and pairs of other people to verify.

    The same seed draws the same people. A stopped command continues where it stopped when it is given again.
    """
    from .drawn import DrawnSet, draw_set
    from .progress import show_progress

    with show_progress("photos") as progress:
        count = draw_set(out, DrawnSet(**options), workers=workers, progress=progress)
    click.echo(f"{count:,} photos drawn: {out / 'train'}, {out / 'test'}, pairs: {out / 'pairs.txt'}")
    click.echo(f"next: python -m data_prep align {out / 'train'} CROPS")


if __name__ == "__main__":
    main()
