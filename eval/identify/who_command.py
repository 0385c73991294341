"""The command `python -m eval who`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "--gallery",
    required=True,
    type=click.Path(path_type=Path),
    help="Who can be found, as in identify; embeddings (`sphereface-plus embed`) answer at once.",
)
@click.option(
    "--model",
    required=True,
    metavar="MODEL",
    help="Run folder, checkpoint, weight file, ONNX file, or the word pixels.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Report of identify with this model: its threshold tells an unknown person.",
)
@click.option(
    "--fpir",
    type=float,
    help="Which of its thresholds: the share of unknown people that may be taken for somebody.  [default: "
    "the report's choice]",
)
@click.option("--count", type=click.IntRange(min=1), default=5, help="How many people to show.")
@click.option(
    "--template",
    type=click.Choice(["mean", "best", "image"]),
    help="What is enrolled, as in identify.  [default: as in the report, or mean]",
)
@click.option(
    "--flip",
    type=click.Choice(["none", "sum", "concat"]),
    help="How the mirrored crop's embedding joins.  [default: as in the report, or none]",
)
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path),
    help="Input spec (YAML, as in configs/input) of pixels, or of an ONNX file with none beside it.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where the network runs; auto takes CUDA where there is one.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "auto"]),
    default="fp32",
    help="What the network runs in; auto: bf16 or fp16 where the device is fast in it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for who.html, with pictures, and who.json; the gallery's embeddings stay there, too.",
)
def who(
    photo: Path,
    gallery: Path,
    model: str,
    report: Path | None,
    fpir: float | None,
    count: int,
    template: Any,
    flip: Any,
    input_file: Path | None,
    device: str,
    precision: Precision,
    out: Path | None,
) -> None:
    """Say who is on a photo: the nearest people of a gallery.

    A raw photo is aligned first, as are those of the gallery; images of the model's crop size are taken for
    crops.

    \b
    python -m eval who photo.jpg --gallery known --model runs/mine --report reports/id
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_source

    # What is not there is refused before torch is imported.
    for place, what in ((photo, "photo"), (gallery, "gallery"), (report, "report")):
        if place is not None:
            check_source(place, what)
    if out is not None:
        check_folder(out)
    if model != "pixels":
        check_model(model, onnx=True)

    from ..model import ModelAsked
    from . import who as asking

    asked = ModelAsked(model, input_file, None, 1, device, precision)
    answer = asking.who(asking.Question(photo, gallery, asked, template, flip, report, fpir, count, out))
    width = max(len(each["person"]) for each in answer["nearest"])
    for each in answer["nearest"]:
        click.echo(f"{each['person']:<{width}}  {each['score']:.4f}")
    click.echo(asking.words(answer))
    for note in answer["notes"]:
        click.echo(f"note: {note}", err=True)
    if out is not None:
        click.echo(f"with pictures: {out / 'who.html'}")
