"""The command `python -m eval who`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.model_options import (
    FILE,
    device_option,
    flip_option,
    input_option,
    model_option,
    precision_option,
)

from ..options import face_option, template_option

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("photo", type=FILE)
@click.option(
    "--gallery",
    required=True,
    type=FILE,
    help="Who can be found, as in identify; embeddings (`sphereface-plus embed`) answer at once.",
)
@model_option()
@click.option(
    "--report",
    type=FILE,
    help="Report of identify with this model: its threshold tells an unknown person.",
)
@click.option(
    "--fpir",
    type=float,
    help="Which of its thresholds: the share of unknown people that may be taken for somebody.  [default: "
    "the report's choice]",
)
@click.option("--count", type=click.IntRange(min=1), default=5, help="How many people to show.")
@face_option
@template_option("as in the report, or mean")
@flip_option(default=None, left_out="as in the report, or none")
@input_option()
@device_option
@precision_option
@click.option(
    "--out",
    type=FILE,
    help="Folder for who.html, with pictures, and who.json; the gallery's embeddings stay there, too.",
)
def who(
    photo: Path,
    gallery: Path,
    model: str,
    report: Path | None,
    fpir: float | None,
    count: int,
    face: str | None,
    template: Any,
    flip: Any,
    input_file: Path | None,
    device: str,
    precision: Precision,
    out: Path | None,
) -> None:
    """Say who is on a photo: the nearest people of a gallery.

    A raw photo is aligned first, as are those of the gallery; images of the model's crop size are taken for
    crops. A photo without a face is refused.

    \b
    python -m eval who photo.jpg --gallery known --model runs/mine --report reports/id
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_one, check_source

    # What is not there is refused before torch is imported.
    check_one(photo, "photo or crop")
    for place, what in ((gallery, "gallery"), (report, "report")):
        if place is not None:
            check_source(place, what)
    if out is not None:
        check_folder(out)
    if model != "pixels":
        check_model(model, onnx=True)

    from ..model import ModelAsked
    from . import who as asking

    asked = ModelAsked(model, input_file, None, 1, device, precision)
    answer = asking.who(
        asking.Question(photo, face, gallery, asked, template, flip, report, fpir, count, out)
    )
    width = max(len(each["person"]) for each in answer["nearest"])
    for each in answer["nearest"]:
        click.echo(f"{each['person']:<{width}}  {each['score']:.4f}")
    click.echo(asking.words(answer))
    for note in answer["notes"]:
        click.echo(f"note: {note}", err=True)
    if out is not None:
        click.echo(f"with pictures: {out / 'who.html'}")
