"""The command `python -m eval same`."""

from __future__ import annotations

from pathlib import Path

import click

from sphereface_plus.commands.model_options import FILE, device_option, input_option

from .options import face_option

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("model")
@click.argument("first", metavar="A", type=FILE)
@click.argument("second", metavar="B", type=FILE)
@click.option(
    "--report",
    required=True,
    type=FILE,
    help="Report of this model, of a protocol that subtracts no mean: cosine is one.",
)
@face_option
@input_option()
@device_option
def same(
    model: str,
    first: Path,
    second: Path,
    report: Path,
    face: str | None,
    input_file: Path | None,
    device: str,
) -> None:
    """Say whether two photos show the same person.

    The score, and what each threshold of the report makes of it: that of the best accuracy, and those of the
    FARs that its pairs resolve. An image of the size of the model's crops is taken for a crop; any other is
    aligned first, as the report's photos were.

    \b
    python -m eval same runs/mine A.jpg B.jpg --report reports/mine
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_one, check_source

    for photo in (first, second):
        check_one(photo, "photo or crop")
    check_source(report, "report")
    if model != "pixels":
        check_model(model, onnx=True)

    from sphereface_plus.commands.model_argument import model_record, open_model

    from .report_fit import check_same_model
    from .same import compared, decisions, read_thresholds
    from .statistics import cosine_to_l2

    thresholds = read_thresholds(report)
    embedder = open_model(model, input_file, device)
    about = thresholds["model"]
    open_questions = check_same_model(about, report, model_record(embedder, model, about["flip"]))
    score, notes = compared(embedder, thresholds, report, (first, second), face)
    for note in open_questions + notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"score {score:.4f} (cosine; L2 {cosine_to_l2(score):.4f})")
    found, unresolved = decisions(thresholds, score)
    for decision in found:
        verdict = "same person" if decision.same else "not the same"
        click.echo(f"{verdict} at {decision.threshold:.4f}, {decision.name} ({decision.measured})")
    if unresolved:
        fars = ", ".join(f"{100 * far:g} %" for far in unresolved)
        click.echo(
            f"left out: FAR {fars}, which {thresholds['pairs']['impostor']:,} impostor pairs do not resolve"
        )
