"""python -m data_prep: photos in, aligned crops out; or drawn people where there are no photos."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from .drawn import DrawnSet, draw_set
from .errors import PrepError
from .layouts import LAYOUTS
from .settings import CHOICES, Cropping

# align.py is imported inside of its command: torch takes seconds, and --help should not.

FOLDER = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
option = partial(click.option, show_default=True)
CROPPING, DRAWN = Cropping(), DrawnSet()  # the defaults


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Prepares photos of faces for training and evaluation."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Bad input ends a command with one sentence, a stop with what to do next; neither with a traceback."""

    @wraps(function)
    def wrapped(*args: Any, **options: Any) -> None:
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            function(*args, **options)
        except BrokenPipeError:
            raise  # who read the output has left, as `| head` does: click ends without a word
        except (PrepError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt as stop:
            click.echo("stopped: the same command continues where it stopped", err=True)
            sys.exit(128 + (stop.args[0] if stop.args else signal.SIGINT))
        finally:
            signal.signal(signal.SIGTERM, before)

    return wrapped


def _interrupt(number: int, _: object) -> None:
    raise KeyboardInterrupt(number)


def choice(name: str, help: str) -> Callable[..., Any]:
    """The option of a setting that has a fixed number of values."""
    return option(f"--{name}", type=click.Choice(CHOICES[name]), default=getattr(CROPPING, name), help=help)


@main.command()
@click.argument("photos", type=FOLDER)
@click.argument("out", type=FOLDER)
@choice("template", "Where the landmarks lie in a crop, and the crop's height x width.")
@option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="folder",
    help="folder: identity/photo. list: the photos of --list. lfw-...: LFW's people or pairs, to train on "
    "view 1, test on view 1, and report on view 2; PHOTOS is the folder with LFW's lists.",
)
@option(
    "--list",
    "list_file",
    type=FILE,
    help="With --layout list: a file with a line `path label` for each photo, paths relative to PHOTOS.",
)
@option("--min-images", type=click.IntRange(1), default=1, help="Leave out identities with fewer photos.")
@option(
    "--landmarks",
    type=FILE,
    help="File with a line `path <tab> x1 y1 ... x5 y5` for each photo, 0-based (left eye, right eye, nose, "
    "left and right corner of the mouth, as the viewer sees them): replaces detection.",
)
@choice(
    "face",
    "Which of several faces is meant: nearest to the photo's centre, largest, best score, or each one.",
)
@choice(
    "fallback",
    "For a photo without a face. none: leave it out. relaxed: look again with 0.5 as last threshold. centre: "
    "the same, and then take the place where LFW's faces are. For tests, where no photo may be missing.",
)
@choice(
    "fit", "Least squares of the similarity transform: in the photo, as SphereFace does it, or in the crop."
)
@choice("format", "Of the crops; png is lossless.")
@option("--quality", type=click.IntRange(1, 100), default=CROPPING.quality, help="Of jpg crops.")
@option(
    "--min-face",
    type=float,
    default=CROPPING.min_face,
    help="Side of the smallest face looked for, in pixels.",
)
@option(
    "--factor",
    type=float,
    default=CROPPING.factor,
    help="Ratio of the sizes at which the detector looks at a photo.",
)
@option(
    "--thresholds",
    type=(float, float, float),
    default=CROPPING.thresholds,
    help="Of the detector's three stages.",
)
@option("--realign", is_flag=True, help="Accept photos that are aligned already.")
@option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@command
def align(photos: Path, out: Path, **options: Any) -> None:
    """Finds the faces in PHOTOS and writes aligned crops to the folder OUT.

    Beside the crops OUT gets manifest.csv (one row a crop), report.json (counts, and why which photo has no
    crop) and contact_sheet.jpg (some crops with their landmarks: look at it). A command that was stopped
    continues where it stopped when it is given again. The result does not depend on that, nor on --workers.
    """
    from .align import align_folder
    from .contact_sheet import CONTACT_SHEET
    from .progress import show_progress
    from .report import REPORT

    with show_progress("photos", "without a crop") as progress:
        summary = align_folder(photos, out, progress=progress, **options)
    rate = (summary.num_photos - summary.num_before) / summary.seconds
    click.echo(
        f"{summary.num_crops:,} crops of {summary.num_identities:,} identities from {summary.num_photos:,} "
        f"photos in {summary.seconds:.0f} s ({rate:.1f} photos a second)"
    )
    counts = {
        "landmarks": summary.methods,
        "photos without a crop": summary.problems,
        "ignored": summary.ignored,
        "done before": {"photos": summary.num_before} if summary.num_before else {},
    }
    for title, numbers in counts.items():
        if numbers:
            click.echo(f"  {title}: " + ", ".join(f"{name} {number:,}" for name, number in numbers.items()))
    click.echo(f"report: {out / REPORT}")
    click.echo(f"next: look at {out / CONTACT_SHEET}, then train or evaluate on {out}")


@main.command()
@click.argument("out", type=FOLDER)
@option("--people", type=int, default=DRAWN.people, help="People to train on.")
@option("--photos", type=int, default=DRAWN.photos, help="Photos of each of them.")
@option("--test-people", type=int, default=DRAWN.test_people, help="Other people, to verify: 20, 30, ...")
@option("--test-photos", type=int, default=DRAWN.test_photos, help="Photos of each of them.")
@option("--pairs", type=int, default=DRAWN.pairs, help="Pairs of each kind in each of ten folds.")
@option("--seed", type=int, default=DRAWN.seed, help="Another seed draws other people.")
@option("--workers", type=click.IntRange(1), help="Processes.  [default: one for each processor]")
@command
def draw(out: Path, workers: int | None, **options: int) -> None:
    """Draws people into the folder OUT: photos to train on, and photos and pairs of other people to verify.

    The same seed draws the same people. A stopped command continues where it stopped when it is given again.
    """
    from .progress import show_progress

    with show_progress("photos") as progress:
        count = draw_set(out, DrawnSet(**options), workers=workers, progress=progress)
    click.echo(f"{count:,} photos drawn: {out / 'train'}, {out / 'test'}, pairs: {out / 'pairs.txt'}")
    click.echo(f"next: python -m data_prep align {out / 'train'} CROPS")


if __name__ == "__main__":
    main()
