"""The command `sphereface-plus reproduce`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Literal

import click

from sphereface_plus.reproduce import MOST_SEEDS
from sphereface_plus.reproduce.face_tables import WithFaceTables

# What needs torch is imported inside the command: --help and a wrong option answer at once.

SETS = ("cifar10", "cifar100", "mnist", "imagenet")


@click.command(cls=WithFaceTables)
@click.argument("table")
@click.option(
    "--data",
    "places",
    multiple=True,
    metavar="SET=PATH",
    help=f"Where a data set lies: {', '.join(SETS)}; repeatable.",
)
@click.option(
    "--budget",
    type=click.Choice(["small", "full"]),
    help="[default: small, or full where a table has no small one]",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1, max=MOST_SEEDS),
    help="Seeds of each run.  [default: the budget's]",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of all runs, such as train.compile=true; repeatable.",
)
@click.option(
    "--at-once", type=click.IntRange(min=1), default=1, show_default=True, help="Runs that train at a time."
)
@click.option(
    "--extractor",
    "extractors",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A feature space that generated images are measured in, as of `python -m eval gan`; repeatable.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: runs/TABLE_BUDGET]")
def reproduce(
    table: str,
    places: tuple[str, ...],
    budget: Literal["small", "full"] | None,
    seeds: int | None,
    overrides: tuple[str, ...],
    at_once: int,
    extractors: tuple[Path, ...],
    out: Path | None,
) -> None:
    """Run a table or figure of the paper, table01 or figure03, and write it beside the paper's numbers.

    The full budget is the paper's; the small one is for two processor cores, with narrower networks and fewer
    steps, and its table says so. It may be interrupted and called again: finished runs are kept, others go
    on, those too that were killed and are unfinished in the table. A run that did not converge is N/C there,
    and tried again only after its .json in the folder was deleted.
    With one thread each, two runs at once are faster on two cores than one after the other.

    \b
    sphereface-plus reproduce table01 --data cifar10=cifar10.tar.gz --at-once 2

    \b
    TABLE       what it compares                                          sets
    table01     kinds of MHE                                              cifar10, cifar100
    table02     the width of CNN-9                                        cifar100
    table03     the depth: CNN-6, 9, 15                                   cifar100
    table04     where MHE acts: hidden layers, output layer               cifar100
    table05     ResNet-32                                                 cifar10, cifar100
    table06     ResNet-18 and 34                                          imagenet
    table07     imbalanced classes                                        cifar10
    table13     SphereNet                                                 cifar10, cifar100
    table14     generated images: normalisations, MHE, MHE + SN           cifar10
    table16     imbalanced classes                                        cifar100
    figure03    the weight of MHE                                         cifar100
    figure04    2-D features of imbalanced digits (Figure 8 too)          mnist
    figure07    generated images, with and without MHE and SN             cifar10
    truth_images  is it the energy, or another rate? CNN-9                cifar10

    Those of face models train nothing. They measure the models of a folder, and take other options, those of
    `python -m eval paper`, which does it: `sphereface-plus reproduce table08 --help` shows them.

    \b
    sphereface-plus reproduce table08 --models DIR --lfw LFW \\
        --probes FACESCRUB --distractors MEGAFACE --out OUT

    \b
    TABLE       what it measures
    table08     SphereFace-20 by margin: LFW, rank-1 on MegaFace
    table09     SphereFace-64 by margin: the same
    table10     losses, SphereFace-64: the same
    table17     SphereFace-20 by margin: verification on MegaFace
    table18     training sets, SphereFace-20: LFW, rank-1 on MegaFace
    figure09    SphereFace-20: rank-1 and rank-10 by number of distractors
    figure10    SphereFace-20: ROC on MegaFace

    Studies of whether MHE helps train arms from one start a seed, and take the options of `python -m eval
    study`, which does it; docs/does_mhe_help.md says what they ask.

    \b
    sphereface-plus reproduce truth_faces_real512 --data CROPS --out OUT

    \b
    STUDY                 what it compares
    truth_faces_real512   forms of MHE and placebos: 7,507 real people, 512 dimensions
    truth_faces_real128   weights of MHE: the same people, 128 dimensions
    truth_faces_margin1   the same in 512, by A-Softmax of m = 1
    truth_faces_cosface   the same in 512, by CosFace
    truth_faces_drawn512  10,572 drawn people, balanced
    """
    from sphereface_plus.config import ConfigError
    from sphereface_plus.outputs import claimed
    from sphereface_plus.path_checks import check_source
    from sphereface_plus.reproduce import spec
    from sphereface_plus.training.folder import RunError
    from sphereface_plus.words import counted

    wrong = [place for place in places if "=" not in place]
    if wrong:
        raise ConfigError(f"--data {wrong[0]}: expected SET=PATH, for example cifar10=/data/cifar10")
    # However the place is spelled, and from wherever: the same run.
    data = {name: str(Path(path).resolve()) for name, _, path in (place.partition("=") for place in places)}
    if unknown := sorted(set(data) - set(SETS)):
        raise ConfigError(f"--data {unknown[0]}=...: is not a set; there are {', '.join(SETS)}")
    description, file = spec.load_table(table)
    budget = budget or ("small" if "small" in description.budgets else "full")
    chosen = description.budgets.get(budget)
    if chosen is None:
        raise ConfigError(f"{file}: has no budget {budget}; there is {', '.join(description.budgets)}")
    seeds = seeds or chosen.seeds
    out = out or Path("runs") / f"{file.stem}_{budget}"
    recipe = (file.parent / description.recipe).resolve()
    jobs = spec.jobs_of(description, chosen, seeds)
    config_of = {job: spec.config_of(job, recipe, data, overrides) for job in jobs}
    some = config_of[jobs[0]]
    spec.refuse_other_tasks(description, some, file)
    for name in sorted({made.data.name for made in config_of.values()}):
        check_source(data[name], f"file or folder of {name}'s images")
    for place in extractors:
        check_source(place, "classifier or file of weights")

    from rich.console import Console
    from rich.live import Live

    from sphereface_plus.reproduce import figures, generated, results, runs  # these draw in torch

    generated.check_measuring(description, extractors, file)
    config_of = runs.settled(config_of)
    contents = runs.check_data(list(config_of.values()))
    folders = {
        job: runs.folder_of(job, made, contents[made.data.name], out) for job, made in config_of.items()
    }
    configs = {folders[job]: config_of[job] for job in jobs}

    # What changes the runs is the result's own; more seeds, or a table put right, go on with what is there.
    claim = claimed(
        out,
        "sphereface-plus reproduce",
        within=("runs",),
        contents={name: hashlib.sha256(content.encode()).hexdigest() for name, content in contents.items()},
        table=file.stem,
        budget=budget,
        set=list(overrides) or None,
    )
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with claim, Live("", console=console, transient=True) as live:

        def show(done: int, seconds: float | None) -> None:
            left = "" if seconds is None else f", {timedelta(seconds=round(seconds))} left"
            say(f"{done} of {counted(len(configs), 'run')}{left}; their lines are in {out / 'runs'}/*.txt")

        def say(line: str) -> None:
            if console.is_terminal:
                live.update(line)
            else:  # a file or a pipe, which a live line would leave empty
                click.echo(line, err=True)

        runs.run_all(configs, contents, at_once=at_once, progress=show)
        cells, scores, words = [], [], {}
        if description.measures:
            measured = out / "measured"
            say(f"measuring; its lines are in {measured}/*.txt")
            real = some.data.name
            how = generated.Measuring(
                data[real], contents[real], extractors, chosen.samples, some.train.device, measured
            )
            found = generated.measured(description, chosen, seeds, folders, some, how)
            cells, scores = found.cells, found.courses
            words = {"called": generated.SCORE, "says": found.says}
        elif description.plot != "samples":  # a figure of images has no numbers
            cells = results.cells_of(description, chosen, seeds, folders)
        tables = []
        if cells:
            footer = results.provenance(configs)
            text = results.write_results(cells, description, chosen, footer, overrides, out, **words)
            click.echo(text)
            tables = [out / "table.md", out / "table.csv"]
        if description.plot != "none" or description.energies or scores:
            say(f"drawing into {out}")
        pictures = figures.draw(description, chosen, seeds, folders, config_of, cells, scores, out)
    click.echo("\n".join(f"wrote {path}" for path in (*tables, *pictures)))
    failed = {folder: words for folder in configs if (words := runs.failure_of(folder)) is not None}
    for diverged, what, remedy in (
        (False, "are unfinished", "the same command goes on with them"),
        (
            True,
            "did not converge",
            "change a setting with --set, or delete a run's .json to have it tried again",
        ),
    ):
        if said := {run: words for run, words in failed.items() if runs.has_diverged(run) == diverged}:
            raise RunError(
                f"{len(said)} of {counted(len(configs), 'run')} {what}: {', '.join(map(str, said))}; "
                "the first said: "
                f"{next(iter(said.values()))}; {remedy}"
            )
