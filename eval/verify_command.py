"""The commands `python -m eval lfw` and `python -m eval verify`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sphereface_plus.commands.model_options import (
    FILE,
    crops_option,
    device_option,
    input_option,
    model_option,
    precision_option,
    workers_option,
)

from .options import far_option, groups_option, no_thumbnails_option, out_option, public_names_option

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

# The names, here as well, so that --help does not wait for numpy and torch; a test compares them.
PROTOCOLS = ("sphereface", "cosine", "clcarwin", "insightface")


def _options(protocol: str):
    """The options that lfw and verify share. protocol: the default."""
    options = [
        model_option(embeddings=True),
        click.option(
            "--protocol",
            type=click.Choice(PROTOCOLS),
            default=protocol,
            help="How scores and thresholds are made. sphereface: flip concatenated, mean subtracted. "
            "cosine: the cosine alone. clcarwin, insightface: as those projects do it.",
        ),
        input_option(),
        crops_option("OUT/crops"),
        workers_option,
        device_option,
        precision_option,
        far_option,
        groups_option,
        no_thumbnails_option,
        public_names_option,
        out_option,
    ]

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@click.option(
    "--data",
    type=FILE,
    help="LFW's folder (images/ and the lists), crops of it, or insightface's lfw.bin, which has pairs too.",
)
@click.option("--pairs", type=FILE, help="Pairs list, where DATA does not hold it.")
@click.option(
    "--view",
    type=click.IntRange(1, 2),
    default=2,
    help="1: pairsDevTest.txt, for development. 2: pairs.txt, for reporting.",
)
@_options("sphereface")
def lfw(data: Path | None, pairs: Path | None, view: int, **options) -> None:
    """Verify on Labeled Faces in the Wild.

    Photos are aligned first, to the model's template, into OUT/crops. No photo may drop out: a face that is
    not detected is looked for again with lower thresholds, then taken at the photo's centre; the report lists
    them. The same command again continues one that was stopped.

    \b
    python -m eval lfw --model runs/mine --data path/to/lfw --out reports/mine
    """
    from .lfw import pairs_of

    pairs_file, title = pairs_of(data, view, pairs)
    _verify(title, pairs_file, data, **options)


@click.command()
@click.option(
    "--pairs",
    required=True,
    type=FILE,
    help="List of pairs: in LFW's format, or lines `path path 1` (same person) and `path path 0`, also as "
    "CSV; docs/formats.md has them all. `python -m data_prep pairs` writes one of your own crops. Or "
    "insightface's .bin, which holds the crops too.",
)
@click.option(
    "--images",
    type=FILE,
    help="Folder of crops or photos that the paths are relative to, or crops as training takes them: a "
    "manifest, a list, a .rec or .tar. Not for a .bin.",
)
@_options("cosine")
def verify(pairs: Path, images: Path | None, **options) -> None:
    """Verify on the pairs of any list.

    Photos are aligned first, as in `lfw`; images of the model's crop size are taken for crops.

    \b
    python -m eval verify --model runs/mine --pairs pairs.txt --images crops/mine --out reports/mine
    """
    _verify(f"Verification on {pairs.stem}", pairs, images, **options)


def _verify(
    title: str,
    pairs_file: Path,
    images: Path | None,
    *,
    model: str,
    input_file: Path | None,
    crops: Path | None,
    workers: int | None,
    device: str,
    precision: Precision,
    protocol: str,
    fars: tuple[float, ...],
    groups: Path | None,
    no_thumbnails: bool,
    public_names: bool,
    out: Path,
) -> None:
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_source

    # What is not there is refused before torch is imported.
    check_folder(out)
    check_source(pairs_file, "list of pairs")
    if images is not None:
        check_source(images, "folder of photos or crops")
    if groups is not None:
        check_source(groups, "CSV of groups")
    if model != "pixels":
        check_model(model, onnx=True, embeddings=True)

    from .group_words import OF_PAIRS, group_lines
    from .model import ModelAsked
    from .public import PUBLIC
    from .report_files import read
    from .resolutions import UNSURE
    from .threshold_words import no_false_accept_words, threshold_words
    from .training_photos import about_training
    from .verify import Verification
    from .verify import verify as run

    asked = Verification(
        title,
        ModelAsked(model, input_file, crops, workers, device, precision),
        pairs_file,
        images,
        out,
        protocol,
        command=shlex.join(["python", "-m", "eval", *sys.argv[1:]]),
        groups=groups,
        thumbnails=not no_thumbnails,
        public_names=public_names,
        fars=fars,
    )
    page = run(asked)
    report = read(out)
    numbers = report["results"]
    if words := about_training(report):
        click.echo(words, err=True)
    for note in report["pairs"]["notes"]:
        click.echo(f"note: {note['words']}", err=True)
    if numbers["auc"] < 0.5:
        click.echo(
            "warning: genuine pairs score lower than impostor pairs (AUC below 0.5): are the list's labels "
            "exchanged?",
            err=True,
        )
    low, high = numbers["accuracy_interval"]
    click.echo(
        f"accuracy {100 * numbers['accuracy']:.2f} % (95 %: {100 * low:.2f} to {100 * high:.2f}), standard "
        f"deviation of the folds {100 * numbers['accuracy_std']:.2f} %, EER "
        f"{100 * numbers['equal_error_rate']:.2f} %, AUC {numbers['auc']:.5f}"
    )
    for point in numbers["tar_at_far"]:
        if point["far"] in fars:
            click.echo(
                f"TAR {100 * point['tar']:.2f} % at FAR {point['far']:g}{UNSURE[point['resolution']]}: "
                f"{threshold_words(point)}"
            )
    if words := no_false_accept_words(fars, report["pairs"]["impostor"]):
        click.echo(f"{words}.")
    if "per_group" in report:
        click.echo("\n".join(group_lines(report["per_group"], OF_PAIRS)))
    click.echo(f"report: {page}")
    hidden = "faces and paths" if public_names else "faces, names and paths"
    click.echo(f"to publish, without {hidden}: {page.parent / PUBLIC}")
    click.echo(f"next: open it in a browser, or compare it with another: python -m eval compare {out} OTHER")
