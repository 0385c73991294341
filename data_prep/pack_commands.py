"""The commands `python -m data_prep pack`, `unpack` and `make-bin`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sphereface_plus.commands.cluster import check_cluster, cluster_options, spread
from sphereface_plus.commands.ending import KEEPS
from sphereface_plus.outputs import claimed, locked
from sphereface_plus.path_checks import check_folder, check_source, is_file_name
from sphereface_plus.shares import Share, share_into
from sphereface_plus.words import counted

from .options import CROPS, FILE, FOLDER, PER_TAR, option


@click.command()
@click.argument("source", metavar="CROPS", type=FOLDER)
@click.argument("out", type=FOLDER)
@option(
    "--plain",
    is_flag=True,
    help="A .rec of images only, for readers, such as NVIDIA DALI, that take each record for an image.",
)
@click.option(
    "--per-tar", type=click.IntRange(1), help="Crops of each tar in the folder OUT.  [default: 100,000]"
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Write the I-th of N shares of the tars, while other processes or machines write the others into "
    "the same folder OUT. At last the same command without --shard joins them.",
)
@cluster_options
def pack(
    source: Path,
    out: Path,
    plain: bool,
    per_tar: int | None,
    shard: str | None,
    scheduler: str | None,
    shares: int | None,
) -> None:
    """Pack CROPS into one file, OUT.rec or OUT.tar, or into tars in the folder OUT.

    Training reads each of them faster than single crops, and a folder of tars as one set. CROPS is whatever
    training reads: a folder of crops, a manifest, a list file, a .rec, a .tar, or a folder of tars. A .rec is
    what insightface reads, too; tars are what webdataset and Hugging Face's datasets read, with labels. The
    same command goes on with a folder of tars where it was stopped.
    """
    check_source(source, CROPS)
    check_cluster(scheduler, shares, shard, out if is_file_name(out) else None)
    if is_file_name(out):
        if per_tar is not None:
            raise click.UsageError(f"--per-tar is for a folder OUT of tars; {out} is one file")
        share_into(shard, out)
    else:
        if plain:
            raise click.UsageError(f"--plain is of a .rec; {out} would be a folder of tars")
        check_folder(out)
        click.get_current_context().meta[KEEPS] = True
        share, per_tar = share_into(shard, out), per_tar or PER_TAR
        if scheduler is not None:
            from .packing_tars import pack_tars

            work = partial(pack_tars, source.absolute(), out.absolute(), per_tar=per_tar)
            spread(scheduler, work, shares, "crops")
        _pack_tars(source, out, per_tar, share)
        return

    from sphereface_plus.commands.progress import show_progress

    from .packing import about_set, beside, pack

    claim = claimed(out, "python -m data_prep pack", file=True, beside=beside(out), crops=source)
    with claim, show_progress("crops") as progress:
        crops = pack(source, out, progress, plain=plain)
    people = counted(len(crops.identities), "identity")
    click.echo(f"{counted(len(crops.paths), 'crop')} of {people} packed: {out}")
    for sentence in about_set(crops.left_out, crops.notes):
        click.echo(f"  {sentence}")
    click.echo(f"next: train with --set data.path={out}")


def _pack_tars(source: Path, out: Path, per_tar: int, share: Share | None) -> None:
    from sphereface_plus.commands.progress import show_progress

    from .packing import about_set
    from .packing_tars import pack_tars, told_of_share

    with show_progress("crops") as progress:
        done = pack_tars(source, out, progress, per_tar=per_tar, share=share)
    if share is not None:
        click.echo(told_of_share(share, done))
        return
    before = f", {done.num_before:,} of them before" if done.num_before else ""
    people = counted(len(done.crops.identities), "identity")
    tars = f"{counted(done.num_tars, 'tar')}{before}"
    click.echo(f"{counted(done.num_crops, 'crop')} of {people} packed: {out} ({tars})")
    for sentence in about_set(done.crops.left_out, done.crops.notes):
        click.echo(f"  {sentence}")
    click.echo(f"next: train with --set data.path={out}")


@click.command()
@click.argument("source", metavar="PACKED", type=FOLDER)
@click.argument("out", type=FOLDER)
def unpack(source: Path, out: Path) -> None:
    """Write the crops of PACKED, a .rec, .tar, folder of tars or .bin, as files into the new folder OUT.

    A .rec or .tar becomes OUT/identity/image, and manifest.csv if the set had one; a .bin becomes OUT/images
    and OUT/pairs.txt.
    """
    check_source(source, "packed set")

    from sphereface_plus.commands.progress import show_progress

    from .unpacking import unpack

    with locked(out, file=True), show_progress("crops") as progress:
        count = unpack(source, out, progress)
    click.echo(f"{counted(count, 'crop')} unpacked: {out}")


@click.command("make-bin")
@click.argument("source", metavar="CROPS", type=FOLDER)
@click.argument("pairs", type=FILE)
@click.argument("out", type=FILE)
def make_bin_command(source: Path, pairs: Path, out: Path) -> None:
    """Make OUT.bin, a verification set as insightface reads it, of CROPS and the list PAIRS."""
    check_source(source, CROPS)
    check_source(pairs, "list of pairs")

    from .packing import make_bin

    with claimed(out, "python -m data_prep make-bin", file=True, crops=source, pairs=pairs):
        count = make_bin(source, pairs, out)
    click.echo(f"{counted(count, 'pair')}: {out}")
