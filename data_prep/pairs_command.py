"""The command `python -m data_prep pairs`."""

from __future__ import annotations

from pathlib import Path

import click

from sphereface_plus.outputs import claimed
from sphereface_plus.path_checks import check_folder, check_source

from .options import CROPS, FOLDER, option


@click.command()
@click.argument("source", metavar="CROPS", type=FOLDER)
@click.argument("out", type=FOLDER)
@option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Of the people with two photos or more, those to verify.  [default: a fifth, but 4 people at least "
    "and 1,000 at most, and up to half where a fifth has too few pairs]",
)
@option(
    "--folds",
    type=click.IntRange(2),
    help="Parts of the pairs; the threshold for each comes from the others.  [default: 10, or fewer where "
    "they would have fewer than three people of their own]",
)
@option(
    "--pairs",
    type=click.IntRange(1),
    help="Genuine pairs, and impostor pairs, in each fold.  [default: 300, or fewer where one person would "
    "give more than twice an even share, or a photo would come more than four times on average]",
)
@option("--seed", type=click.IntRange(0), default=0, help="Another seed chooses other people and pairs.")
def pairs(
    source: Path, out: Path, share: float | None, folds: int | None, pairs: int | None, seed: int
) -> None:
    """Split the people of CROPS into those to train on and those to verify, and write pairs of the latter.

    CROPS is whatever training reads: a folder of crops, a manifest, a list file, a .rec or a .tar. OUT gets
    pairs.csv (as many genuine pairs as impostor pairs, in folds that share no person where there are two
    people for each) and verified.txt (the people in them, whom a training leaves out by data.exclude_file).
    The training and the verification to give next are printed. The same crops and the same seed give the
    same files.

    \b
    python -m data_prep pairs crops/mine pairs/mine
    """
    check_folder(out)
    check_source(source, CROPS)

    from sphereface_plus.commands.progress import show_progress

    from .packing import about_set, sentences
    from .pairs import told, write_pairs

    asked = {"share": share, "folds": folds, "pairs": pairs, "seed": seed}
    with (
        claimed(out, "python -m data_prep pairs", crops=source, **asked),
        sentences(),
        show_progress("crops", "that cannot be used") as progress,
    ):
        written = write_pairs(
            source, out, share=share, folds=folds, pairs=pairs, seed=seed, progress=progress
        )
    for line in told(written, source, out):
        click.echo(line)
    for sentence in about_set(written.crops.left_out, written.crops.notes):
        click.echo(f"  {sentence}")
