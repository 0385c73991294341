"""The command `python -m data_prep draw`."""

from __future__ import annotations

from pathlib import Path

import click

from sphereface_plus.path_checks import check_folder
from sphereface_plus.words import counted

from .drawn import DrawnSet, draw_set
from .options import FOLDER, option

DRAWN = DrawnSet()  # the defaults


@click.command()
@click.argument("out", type=FOLDER)
@option("--people", type=int, default=DRAWN.people, help="People to train on.")
@option("--photos", type=int, default=DRAWN.photos, help="Photos of each of them.")
@option("--test-people", type=int, default=DRAWN.test_people, help="Others, to verify: 20, 30, ..., or 0.")
@option("--test-photos", type=int, default=DRAWN.test_photos, help="Photos of each of them.")
@option(
    "--pairs", type=int, default=DRAWN.pairs, help="Genuine pairs, and impostor pairs, in each of ten folds."
)
@option(
    "--distractors",
    type=int,
    default=DRAWN.distractors,
    help="People of one photo each, to search among: never those to train on or to verify.",
)
@option("--seed", type=int, default=DRAWN.seed, help="Another seed draws other people.")
@option("--workers", type=click.IntRange(1, 1024), help="Processes.  [default: one for each processor]")
def draw(out: Path, workers: int | None, **options: int) -> None:
    """Draw people, to try everything without photos.

    OUT gets train/ (photos to train on), test/ (photos of other people), distractors/ (others again),
    pairs.txt (pairs of the test people, to verify), and train_landmarks.txt and the like: where eyes, nose
    and mouth are, which `align --landmarks` takes instead of looking for faces. Person 7 of a seed is the
    same in every set, however many there are. So distractors can be drawn by themselves, later, with the
    seed of the training. The same command again continues one that was stopped; the files depend neither on
    that nor on --workers.

    \b
    python -m data_prep draw drawn --people 10000 --photos 12
    python -m data_prep draw gallery --people 0 --test-people 0 --distractors 100000
    """
    check_folder(out)
    drawn = DrawnSet(**options)

    from sphereface_plus.commands.progress import show_progress

    with show_progress("photos") as progress:
        count = draw_set(out, drawn, workers=workers, progress=progress)
    places = ", ".join(str(out / part.folder) for part in drawn.parts)
    pairs = f", pairs: {out / 'pairs.txt'}" if drawn.test_people else ""
    total = len(drawn.files())
    there = f", {total - count:,} were there already" if count < total else ""
    new, everything = counted(count, "photo"), counted(total, "photo")
    said = f"{new} drawn{there}" if count else f"all are there already, {everything}"
    click.echo(f"{said}: {places}{pairs}")
    first = drawn.parts[0]
    command = f"python -m data_prep align {out / first.folder} CROPS"
    click.echo(f"next: {command}")
    click.echo(f"  or, without looking for faces: {command} --landmarks {out / first.landmarks}")
