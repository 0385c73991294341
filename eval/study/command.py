"""The command `python -m eval study`: a study of arms from one start a seed."""

from __future__ import annotations

from pathlib import Path

import click

from sphereface_plus.commands.model_options import FILE

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("study")
@click.option(
    "--data",
    type=FILE,
    help="Folder of the study's crops and lists.  [default: none, which only writes the tables again]",
)
@click.option(
    "--seed",
    "seeds",
    type=click.IntRange(0),
    multiple=True,
    help="Seeds to do now; repeatable.  [default: all of the study]",
)
@click.option(
    "--at-once",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Seeds that are worked on at a time, with a share of the processors each.",
)
@click.option(
    "--work", type=FILE, help="Folder of runs and reports, which are not kept.  [default: runs/STUDY]"
)
@click.option(
    "--out", required=True, type=FILE, help="Folder of the study's tables, which are: it goes on from them."
)
def study(
    study: str, data: Path | None, seeds: tuple[int, ...], at_once: int, work: Path | None, out: Path
) -> None:
    """Train and measure the arms of a study, and compare them with its control, seed by seed.

    STUDY is a file, or one of configs/paper/truth_faces_*.yaml by its name; `sphereface-plus reproduce STUDY`
    does the same. What an arm measured stands in OUT from then on: the same command goes on with the rest,
    after any stop, and on another machine from a copy of OUT. There a seed that was begun is made again as a
    whole, unless its start comes out the same.

    \b
    python docs/results/does_mhe_help/real_faces.py LFW CELEBA crops/real
    python -m eval study truth_faces_real512 --data crops/real --seed 0 --seed 1 --out tables/real512
    """
    from sphereface_plus.outputs import claimed
    from sphereface_plus.path_checks import check_folder, check_source

    from .spec import load_study

    described, file = load_study(study)
    if wrong := [seed for seed in seeds if seed >= described.seeds]:
        raise click.UsageError(f"--seed {wrong[0]}: the study's are 0 to {described.seeds - 1}")
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)

    from sphereface_plus.side_by_side import processors

    from . import chains, figure, measure, page, weights
    from .kept import StudyError, read_kept
    from .run import run_to_the_ends

    kept = read_kept(out)
    if data is not None:
        for name in (*measure.SETS, *measure.lists(described)):
            check_source(data / name, "part of the study's data")
        work = work or Path("runs") / file.stem
        check_folder(work)
        available = processors()
        threads = max(1, available // at_once)
        folders = [f"seed{seed}" for seed in (*range(described.seeds), described.weights_seed)]
        with claimed(work, "python -m eval study", within=folders, study=file, data=data):
            todo = chains.Work(
                *(described, file, data, chains.hash_of(described, data), work, kept),
                *(chains.fastest_precision(), threads, _say),
            )
            if any(arm.ratio is not None for arm in described.arms.values()) and not weights.read_weights(
                out
            ):
                run_to_the_ends(todo, [chains.choosing_weights(todo)], at_once=1, threads=available)
            left = [seed for seed in seeds or range(described.seeds) if not kept.whole(described.rows, seed)]
            try:
                of_seeds = [chains.of_seed(todo, seed) for seed in left]
                run_to_the_ends(todo, of_seeds, at_once=at_once, threads=threads)
            finally:
                if kept.rows:
                    page.write_table(described, kept)
    if not kept.rows:
        raise StudyError(f"{out}: holds no table yet; give --data, the folder of the study's crops")
    click.echo((page.write_table(described, kept)).read_text(encoding="utf-8"))
    drawn = figure.write_figure(described, kept)
    click.echo(f"wrote {out / 'table.md'}" + (f" and {drawn}" if drawn else ""))


def _say(words: str) -> None:
    click.echo(words, err=True)
