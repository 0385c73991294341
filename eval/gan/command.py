"""The command `python -m eval gan`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from sphereface_plus.commands.model_options import FILE, device_option

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=FILE)
@click.option(
    "--real",
    required=True,
    type=FILE,
    help="The real images, where they lie: as data.path of a training.",
)
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    metavar="FILE",
    type=FILE,
    help="A feature space: a classifier trained here (a run or a checkpoint), or the weights of MobileNetV2 "
    "or of Inception, by which alone a score is called inception score or FID. "
    "One at least, or several.",
)
@click.option(
    "--samples", type=click.IntRange(min=2), default=50_000, help="Generated images that are measured."
)
@click.option("--references", type=click.IntRange(min=2), help="Real images.  [default: all of the split]")
@click.option("--split", type=click.Choice(["train", "test"]), default="train", help="Of the real images.")
@click.option(
    "--splits", type=click.IntRange(min=2), default=10, help="Of the samples, for the class score's interval."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the noise, the same for all runs.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=100,
    help="Images at once; changes scores by roundings only (1e-4).",
)
@click.option(
    "--features",
    type=FILE,
    help="Folder that keeps features; reports of one set can share it.  [default: OUT/features]",
)
@click.option(
    "--keep-features/--drop-features",
    default=True,
    show_default=True,
    help="Of generated images, once they have their scores; 12 kB an image of Inception. Those of real ones "
    "are kept.",
)
@device_option
@click.option("--out", required=True, type=FILE, help="Folder of the report.")
def gan(
    runs: tuple[Path, ...],
    real: Path,
    extractors: tuple[Path, ...],
    samples: int,
    references: int | None,
    split: str,
    splits: int,
    seed: int,
    batch_size: int,
    features: Path | None,
    keep_features: bool,
    device: str,
    out: Path,
) -> None:
    """Measure generators: scores of their images, and a page to look at.

    RUN is a run folder or a checkpoint of a training of `task: gan`. Several are compared, on the same noise;
    those that differ in the seed alone are one arm.

    \b
    python -m eval gan runs/gan_small --real CIFAR --extractor runs/cifar10_cnn9 --out reports/gan_small
    """
    from sphereface_plus.path_checks import check_folder, check_source

    check_folder(out)
    if features is not None:
        check_folder(features)
    check_source(real, "file or folder of images")
    for place in runs:
        check_source(place, "run or checkpoint")

    import torch

    from sphereface_plus.errors import UserError

    from ..public import PUBLIC
    from .errors import GeneratorError
    from .extractors import HOW
    from .run import Asked, run

    if not extractors:
        raise GeneratorError(f"--extractor FILE: is not given, and scores need a feature space; {HOW}")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda: torch finds no CUDA device here; take auto or cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    report = run(
        Asked(
            runs=runs,
            real=real,
            extractors=extractors,
            samples=samples,
            references=references,
            split=split,
            splits=splits,
            seed=seed,
            batch_size=batch_size,
            device=torch.device(device),
            features=features,
            keep_features=keep_features,
            out=out,
            command=shlex.join(["python", "-m", "eval", *sys.argv[1:]]),
        )
    )
    for line in lines(report):
        click.echo(line)
    click.echo(f"report: {out / 'report.html'}")
    click.echo(f"to publish, without paths and real images: {out / PUBLIC}")


def lines(report: dict) -> list[str]:
    """What the terminal says of a report."""
    reference = report["reference"]
    said = [
        f"{report['samples']:,} images of each generator, noise of seed {report['seed']}; reference: "
        f"{reference['images']:,} images of {reference['set']} ({reference['split']})"
    ]
    for extractor in report["extractors"]:
        said.append(
            f"{extractor['name']} ({extractor['kind']}, sha256 {extractor['sha256'][:12]}): "
            f"{extractor['dimensions']:,} features, {extractor['classes']:,} classes"
        )
        if extractor["real_class_score"] is not None:
            said.append(f"  real images: class score {_with_sd(extractor['real_class_score'])}")
        for run in report["runs"]:
            said.append(f"  {run['name']}, step {run['step']:,}")
            said += _scores(run["scores"][extractor["name"]], extractor["names"])
        for arm in report["arms"][extractor["name"]]:
            said += _arm(arm, extractor["names"])
    said += [f"warning: {run['name']}: {words}" for run in report["runs"] for words in run["warnings"]]
    return said


def _arm(arm: dict, names: dict[str, str]) -> list[str]:
    """Its means over seeds, and its differences to the first arm; nothing of one seed, and no difference
    where there are no two seeds that both have."""
    means, said = [], []
    for measure, name in names.items():
        one = arm[measure]
        if one["sd"] is not None:
            means.append(f"    {name}: {one['mean']:.4g} ± {one['sd']:.2g}")
        if (found := arm[measure]["difference"]) is not None:
            ends = f"{found['low']:+.3g} to {found['high']:+.3g}"
            said.append(f"    {name}: {found['mean']:+.3g} (95 % over seeds {ends})")
    seeds = ", ".join(map(str, arm["seeds"]))
    means = [f"  {arm['label']}, mean ± sd over seeds {seeds}", *means] if means else []
    return means + ([f"  {arm['label']}, minus the first arm, paired by seed", *said] if said else [])


def _scores(scores: dict, names: dict[str, str]) -> list[str]:
    said = []
    if scores["class_score"] is not None:
        said.append(f"    {names['class_score']}: {_with_sd(scores['class_score'])}")
    for name in ("frechet_distance", "kernel_distance"):
        if scores[name] is not None:
            one = scores[name]
            blocks = (
                f" (of {one['images']:,} images each, in blocks of {one['block']:,})"
                if name == "kernel_distance"
                else ""
            )
            said.append(
                f"    {names[name]}: {one['value']:.4g}, standard error {one['standard_error']:.2g}{blocks}"
            )
    if (found := scores["precision_recall"]) is not None:
        said.append(
            f"    {names['precision']}: {found['precision']:.1%}, recall {found['recall']:.1%} "
            f"(of {found['images']:,} images each)"
        )
    said += [f"    warning: {reason}" for reason in scores["refused"].values()]
    said += [f"    note: {words}" for words in scores["marked"].values()]
    return said


def _with_sd(score: dict) -> str:
    return f"{score['value']:.3f} ± {score['sd']:.3f} (sd of {score['splits']} splits)"
