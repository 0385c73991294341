"""The command `python -m eval identify`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.model_options import (
    FILE,
    crops_option,
    device_option,
    flip_option,
    input_option,
    model_option,
    precision_option,
    workers_option,
)

from ..options import (
    OF_MODEL,
    fpir_option,
    groups_option,
    mates_option,
    no_thumbnails_option,
    out_option,
    public_names_option,
    rank_option,
    refuse_given,
    template_option,
)

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@model_option(embeddings=True, without="Not needed where gallery, probes and distractors are embeddings.")
@click.option(
    "--gallery",
    required=True,
    type=FILE,
    help="Who can be found: a folder person/photo of photos or crops, a manifest, a list `path person`, a "
    ".rec, a .tar, or embeddings (store or .npz) with the keys person/photo. Without --probes each of its "
    "photos is searched for among the others.",
)
@click.option(
    "--probes",
    type=FILE,
    help="Who is searched for, in the same forms. People that are not in the gallery are searches without a "
    "mate: they say how often somebody unknown is taken for somebody known.",
)
@click.option(
    "--distractors",
    multiple=True,
    type=FILE,
    help="More entries of the gallery, of people who are none of the probes, in the same forms; their names "
    "are not needed. May be given several times.",
)
@click.option(
    "--other-numbers",
    is_flag=True,
    help="Numbers that distractors are named by are labels of another list: person 7 there is not 7 here.  "
    "[default: distractors with a number of the gallery's or the probes' are left out]",
)
@template_option("mean; image without --probes")
@mates_option
@flip_option()
@groups_option
@click.option(
    "--orders",
    type=click.IntRange(min=1),
    default=5,
    help="Random orders of the distractors, for rank-1 by their number.",
)
@rank_option
@fpir_option
@input_option()
@crops_option("OUT")
@workers_option
@device_option
@precision_option
@no_thumbnails_option
@public_names_option
@out_option
def identify(
    model: str | None,
    gallery: Path,
    probes: Path | None,
    distractors: tuple[Path, ...],
    other_numbers: bool,
    template: Any,
    mates: Any,
    flip: Any,
    groups: Path | None,
    orders: int,
    rank: int | None,
    fpirs: tuple[float, ...],
    input_file: Path | None,
    crops: Path | None,
    workers: int | None,
    device: str,
    precision: Precision,
    no_thumbnails: bool,
    public_names: bool,
    out: Path,
) -> None:
    """Measure identification: who is found among how many.

    Closed set: rank-k, CMC, rank-1 by the number of distractors. Open set: how often somebody unknown is
    taken for somebody known (FPIR), and somebody known is not found at that threshold (FNIR). The same
    command again continues one that was stopped.

    \b
    python -m eval identify --model runs/mine --gallery known --probes new --distractors others --out OUT
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_source

    if model is None:  # --flip has to be that of the embeddings, and is compared with it
        unused = [*OF_MODEL[1:], "crops"]
        refuse_given(unused, "without --model all sets are embeddings; leave it out, or give --model")
    # What is not there is refused before torch is imported.
    check_folder(out)
    for place, what in ((gallery, "gallery"), (probes, "set of probes"), (groups, "CSV of groups")):
        if place is not None:
            check_source(place, what)
    for place in distractors:
        check_source(place, "set of distractors")
    if model is not None and model != "pixels":
        check_model(model, onnx=True, embeddings=True)

    from ..model import ModelAsked
    from ..public import PUBLIC
    from ..training_photos import about_training
    from .run import Identification, run
    from .words import note_words, table, without_face

    asked = Identification(
        ModelAsked(model or "", input_file, crops, workers, device, precision),
        gallery,
        probes,
        distractors,
        out,
        template or ("image" if probes is None else "mean"),
        flip,
        orders,
        groups,
        mates,
        rank,
        command=shlex.join(["python", "-m", "eval", *sys.argv[1:]]),
        thumbnails=not no_thumbnails,
        public_names=public_names,
        fpirs=fpirs,
        other_numbers=other_numbers,
    )
    report, page = run(asked)
    for words in [*map(note_words, report["notes"]), *without_face(report)]:
        click.echo(f"note: {words}", err=True)
    if words := about_training(report):
        click.echo(words, err=True)
    click.echo(table(report))
    click.echo(f"report: {page}")
    hidden = "faces and paths" if public_names else "faces, names and paths"
    click.echo(f"to publish, without {hidden}: {page.parent / PUBLIC}")
