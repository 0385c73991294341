"""python -m data_prep: photos in, aligned crops out; or drawn people where there are no photos."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from sphereface_plus.commands.cluster import check_cluster, cluster_options, spread
from sphereface_plus.commands.ending import Commands
from sphereface_plus.commands.model_options import input_option, model_option
from sphereface_plus.model_files import check_model, contents
from sphereface_plus.outputs import claimed, locked
from sphereface_plus.path_checks import check_folder, check_source
from sphereface_plus.shares import share_of
from sphereface_plus.words import counted

from .draw_command import draw
from .layouts import LAYOUTS
from .options import CROPS, FILE, FOLDER, option
from .pack_commands import make_bin_command, pack, unpack
from .pairs_command import pairs
from .settings import CHOICES, Cropping

# align.py is imported inside of its command: torch takes seconds, and --help should not.

CROPPING = Cropping()  # the defaults


@click.group(
    cls=Commands,
    keeping=("align", "draw"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """Prepare photos of faces for training and evaluation."""


for command in (draw, pairs, pack, unpack, make_bin_command):
    main.add_command(command)


def choice(name: str, help: str) -> Callable[..., Any]:
    """The option of a setting that has a fixed number of values."""
    return option(f"--{name}", type=click.Choice(CHOICES[name]), default=getattr(CROPPING, name), help=help)


@main.command()
@click.argument("photos", type=FOLDER)
@click.argument("out", type=FOLDER)
@choice("template", "Alignment template: where the landmarks lie in a crop, and its height x width.")
@option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="folder",
    help="folder: PHOTOS/person/photo. nested: PHOTOS/person/video/frame, or deeper. list: the photos that "
    "--list names. LFW, PHOTOS with its lists: lfw-devtrain to train on view 1, lfw-devtest to test on it, "
    "lfw-view2 to report.",
)
@option(
    "--list",
    "list_file",
    type=FILE,
    help="For --layout list: a file with a line `path label` for each photo, paths relative to PHOTOS, "
    "labels numbers or names; also with a comma or tab between them, and a header.",
)
@option("--min-images", type=click.IntRange(1), default=1, help="Leave out people with fewer photos.")
@option(
    "--landmarks",
    type=FILE,
    help="Landmarks instead of detection: a file with a line `path <tab> x1 y1 ... x5 y5` for each photo, in "
    "pixels from 0: left eye, right eye, nose, left, right corner of the mouth, as the viewer sees them.",
)
@choice(
    "face",
    "Which of several faces: the one nearest to the photo's centre, the largest, the surest, or all of them.",
)
@choice(
    "fallback",
    "Where no face is found. none: no crop. relaxed: look again with 0.5 as last threshold. centre: the "
    "same, then take the place where LFW's faces are, for tests in which no photo may be missing.",
)
@choice(
    "fit",
    "The similarity transform has least squares in the photo, as in SphereFace (inverse), or in the crop.",
)
@choice(
    "warp",
    "What computes the crops' pixels. opencv: its versions from 5.0 on differ from those before in 5 to 7 % "
    "of the values, by up to 5. exact: the same for all versions and processors.",
)
@choice("format", "File format of the crops; png is lossless.")
@option("--quality", type=click.IntRange(1, 100), default=CROPPING.quality, help="Quality of jpg crops.")
@option(
    "--min-face",
    type=float,
    default=CROPPING.min_face,
    help="Side of the smallest face looked for, in pixels; a larger one is faster.",
)
@option(
    "--factor",
    type=float,
    default=CROPPING.factor,
    help="Ratio of each size at which the detector looks at a photo to the one before; a smaller is faster.",
)
@option(
    "--thresholds",
    type=(float, float, float),
    default=CROPPING.thresholds,
    help="Least scores of a face in the detector's three stages.",
)
@option("--realign", is_flag=True, help="Align even photos that are aligned already, which blurs them.")
@option("--workers", type=click.IntRange(1, 1024), help="Processes.  [default: one for each processor]")
@option(
    "--shard",
    metavar="I/N",
    help="Align the I-th of N shares of the photos, while other processes or machines align the others into "
    "the same OUT. At last the same command without --shard joins them.",
)
@cluster_options
def align(
    photos: Path, out: Path, shard: str | None, scheduler: str | None, shares: int | None, **options: Any
) -> None:
    """Find faces in photos and write aligned crops.

    PHOTOS holds a folder for each person, with that person's photos; see --layout for others. OUT gets the
    crops, manifest.csv (a row for each crop), report.json (counts; which photos have no crop, and why) and
    contact_sheet.html (the least sure crops first: look at it). A photo that is upside down or on its side is
    turned. The same command again continues one that was stopped. The crops depend neither on that nor on
    --workers.

    \b
    python -m data_prep align PHOTOS crops/mine
    """
    check_source(photos, "folder of photos")
    check_folder(out)
    check_cluster(scheduler, shares, shard)

    from sphereface_plus.commands.progress import show_progress

    from .shares import told as told_of_share

    share = share_of(shard) if shard is not None else None

    from .align import align_folder, align_share
    from .align_report import told

    if share is not None:
        with show_progress("photos", "without a crop") as progress:
            done = align_share(photos, out, share, progress=progress, **options)
        click.echo("\n".join(told_of_share(done)))
        return
    if scheduler is not None:
        # A worker of Dask may have no children, and has as many threads as its user has given it.
        options_there = {**_with_absolute_paths(options), "workers": 1}
        work = partial(align_share, photos.absolute(), out.absolute(), **options_there)
        spread(scheduler, work, shares, "photos", "without a crop")
    with show_progress("photos", "without a crop") as progress:
        summary = align_folder(photos, out, progress=progress, **options)
    click.echo("\n".join(told(summary)))


def _with_absolute_paths(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value.absolute() if isinstance(value, Path) else value for name, value in options.items()}


@main.command()
@click.argument("data", metavar="CROPS", type=FOLDER)
@click.argument("out", type=FOLDER)
@option("--against", type=FOLDER, help="A test set, whose people should not be among CROPS.")
@model_option(without="Finds what only faces show.")
@input_option()
def doctor(data: Path, out: Path, against: Path | None, model: str | None, input_file: Path | None) -> None:
    """Look for what is wrong with CROPS; nothing is changed.

    Finds unreadable and empty crops and duplicates; with --model also identities that look like two people,
    two that look like one, and crops that look like nobody else; with --against people of the test set. OUT
    gets report.html, to look at, and proposals.csv, to edit and give to `python -m data_prep drop`.
    """
    check_folder(out)
    check_source(data, CROPS)
    if against is not None:
        check_source(against, CROPS)
    if model not in (None, "pixels"):
        check_model(model, onnx=True)

    from .doctor.command import run

    of_model = None if model is None else model if model == "pixels" else Path(model)
    hashes = contents(model=None if of_model == "pixels" else of_model, input=input_file)
    claim = claimed(
        out, "python -m data_prep doctor", contents=hashes, crops=data, against=against, model=of_model
    )
    with claim:
        lines = list(run(data, out, against=against, model=model, input_file=input_file))
    click.echo("\n".join(lines))


@main.command()
@click.argument("proposals", type=FILE)
@click.argument("data", metavar="CROPS", type=FOLDER)
def drop(proposals: Path, data: Path) -> None:
    """Take the crops out of CROPS whose rows in the doctor's PROPOSALS say `drop`.

    No file is deleted: rows move from the manifest into manifest.csv.dropped beside it, or, where there is no
    manifest, files into CROPS.dropped. `align` leaves out what was dropped, until the rows are back.
    """
    check_source(proposals, "file of proposals")
    check_source(data, CROPS)

    from .doctor.drop import drop

    with locked(data, file=not data.is_dir()):
        done = drop(proposals, data)
    click.echo(f"{counted(done.num_dropped, 'crop')} dropped, {done.num_left:,} left: {done.where}")
    if done.rows is not None:
        click.echo(f"their rows: {done.rows}")


if __name__ == "__main__":
    main()
