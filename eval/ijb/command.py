"""The command `python -m eval ijb`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sphereface_plus.commands.model_options import (
    FILE,
    device_option,
    flip_option,
    input_option,
    model_option,
    precision_option,
    workers_option,
)

from ..identify.words import rank_words
from ..options import (
    OF_MODEL,
    far_option,
    fpir_option,
    groups_option,
    out_option,
    rank_option,
    refuse_given,
)
from ..resolutions import UNSURE
from ..threshold_words import no_false_accept_words, rate_words, threshold_words

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

    from .templates import TemplateKind, Weight

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.option(
    "--meta",
    required=True,
    type=FILE,
    help="Folder of the lists: ijbc_face_tid_mid.txt, and ijbc_template_pair_label.txt for 1:1 or "
    "ijbc_1N_gallery_G1.csv, ijbc_1N_gallery_G2.csv and ijbc_1N_probe_mixed.csv for 1:N, or all. Of IJB-B "
    "likewise.",
)
@click.option(
    "--features",
    type=FILE,
    help="The faces' embeddings: an .npy, a row a face in the order of ijbc_face_tid_mid.txt; or an .npz or "
    "a store, by the images' names.",
)
@model_option(without="It takes the place of features.")
@click.option("--images", type=FILE, help="The faces' crops or photos, for a model.")
@click.option(
    "--templates",
    type=click.Choice(["media", "faces"]),
    default="media",
    help="media: faces of one photo or video are averaged first. faces: all at once.",
)
@click.option(
    "--weight",
    type=click.Choice(["none", "detector", "length", "both"]),
    default="none",
    help="What a face counts by: all alike, the detector's score, the length of its embedding, or both.",
)
@click.option("--scores", type=FILE, help="The detector's scores.  [default: META/ijbc_name_5pts_score.txt]")
@rank_option
@far_option
@fpir_option
@groups_option
@flip_option("sum")
@input_option()
@workers_option
@device_option
@precision_option
@out_option
def ijb(
    meta: Path,
    features: Path | None,
    model: str | None,
    images: Path | None,
    templates: TemplateKind,
    weight: Weight,
    scores: Path | None,
    rank: int | None,
    fars: tuple[float, ...],
    fpirs: tuple[float, ...],
    groups: Path | None,
    flip: str,
    input_file: Path | None,
    workers: int | None,
    device: str,
    precision: Precision,
    out: Path,
) -> None:
    """Verify and identify templates, as IJB-B and IJB-C do.

    1:1: TAR at FAR 1e-6 to 1e-1. 1:N: rank-k, and FNIR at FPIR, in each of the two galleries, and their mean.

    \b
    python -m eval ijb --meta IJBC/meta --features ijbc.npy --out reports/ijbc
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_source

    if (features is None) == (model is None):
        raise click.UsageError("give either --features, or --model with --images")
    if (model is None) != (images is None):
        raise click.UsageError("--model and --images go together")
    if model is None:
        refuse_given(OF_MODEL, "--features are taken as they are; leave it out, or give --model and --images")
    if scores is not None and weight not in ("detector", "both"):
        raise click.UsageError("--scores is read with --weight detector or both")
    check_folder(out)
    check_source(meta, "folder of lists")
    for file in (features, images, scores, groups, input_file):
        if file is not None:
            check_source(file, "file or folder")
    if model not in (None, "pixels"):
        check_model(model, onnx=True)

    from ..model import ModelAsked
    from ..public import PUBLIC
    from ..training_photos import about_training
    from .run import Asked, run

    asked = Asked(
        meta=meta,
        features=features,
        model=None if model is None else ModelAsked(model, input_file, None, workers, device, precision),
        images=images,
        templates=templates,
        weight=weight,
        scores=scores,
        rank=rank,
        flip=flip,
        out=out,
        command=shlex.join(["python", "-m", "eval", *sys.argv[1:]]),
        groups=groups,
        fars=fars,
        fpirs=fpirs,
    )
    report = run(asked)
    if words := about_training(report):
        click.echo(words, err=True)
    for line in lines(report):
        click.echo(line)
    click.echo(f"report: {out / 'report.html'}")
    click.echo(f"to publish, without paths: {out / PUBLIC}")


def lines(report: dict) -> list[str]:
    """What the terminal says of a report."""
    said = [
        f"{report['title']}: {report['faces']:,} faces of {report['media']:,} media, "
        f"{report['template_count']:,} templates"
        + ("" if report["subjects"] is None else f" of {report['subjects']:,} subjects"),
        f"templates: {report['templates']['words']}",
    ]
    if report["verification"] is not None:
        said += _verification(report["verification"])
    if report["identification"] is not None:
        said += _identification(report["identification"])
    return said


def _verification(numbers: dict) -> list[str]:
    said = []
    if numbers["contradictions"]:
        said.append(
            f"warning: {numbers['contradictions']:,} labels of pairs contradict the subjects of galleries "
            "and probes; are all lists of one set?"
        )
    said.append(f"1:1: {numbers['genuine']:,} genuine and {numbers['impostor']:,} impostor pairs")
    if numbers["no_intervals"]:
        said.append(f"note: {numbers['no_intervals']}")
    for point in numbers["tar_at_far"]:
        interval = point["interval"]
        said.append(
            f"  TAR at FAR {rate_words(point['far'])}: {100 * point['tar']:6.2f} %"
            + ("" if interval is None else f" (95 % by subject {_ends(interval)})")
            + f"{UNSURE[point['resolution']]}; {threshold_words(point)}"
        )
    fars = [point["far"] for point in numbers["tar_at_far"]]
    if words := no_false_accept_words(fars, numbers["impostor"]):
        said.append(f"  {words}")
    return said


def _identification(numbers: dict) -> list[str]:
    said = [f"1:N: {numbers['probes']:,} probes of {numbers['probe_subjects']:,} subjects"]
    if numbers["in_neither"]:
        said.append(f"note: the subjects of {numbers['in_neither']:,} probes are in neither gallery")
    for gallery in numbers["galleries"]:
        opened = gallery["open_set"]
        without = (
            f"{opened['nonmated']:,} searches without a mate"
            if opened["nonmated_are"] == "given"
            else "no search without a mate, so that FPIR is of those with one, searched without it"
        )
        said.append(
            f"{gallery['name']}: {gallery['subjects']:,} subjects; {gallery['mated']:,} searches with a mate"
            f", {without}"
        )
        said += [_share(f"rank-{one['rank']}", one["share"], one) for one in gallery["ranks"] if _asked(one)]
        if opened["rank"] != 1:
            said.append(f"  FNIR counts as found {rank_words(opened['rank'])}, at the threshold or above")
        for point in opened["points"]:
            name = f"FNIR at FPIR {point['fpir']:g}"
            share = _share(name, point["fnir"], {"interval": point["fnir_interval"], **point})
            said.append(f"{share}; {threshold_words(point)}")
    said.append("mean of both galleries")
    said += [_share(f"rank-{one['rank']}", one["share"], one) for one in numbers["mean"]["ranks"]]
    said += [_share(f"FNIR at FPIR {one['fpir']:g}", one["share"], one) for one in numbers["mean"]["fnir"]]
    return said


def _asked(one: dict) -> bool:
    return one["rank"] in (1, 5, 10)


def _share(name: str, share: float, one: dict) -> str:
    words = f"  {name}: {100 * share:6.2f} % (95 % by subject {_ends(one['interval'])})"
    return words + UNSURE[one.get("resolution", "resolved")]


def _ends(interval: list[float]) -> str:
    return f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"
