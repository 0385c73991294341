"""The command `sphereface-plus embed`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.cluster import check_cluster, cluster_options, spread
from sphereface_plus.commands.model_options import (
    FILE,
    device_option,
    flip_option,
    input_option,
    precision_option,
    shard_option,
)

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision
    from sphereface_plus.commands.progress import Progressed
    from sphereface_plus.embedding import Flip
    from sphereface_plus.shares import Share

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE)
@click.argument("out", type=FILE)
@flip_option()
@input_option()
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Crops in one go."
)
@device_option
@precision_option
@click.option(
    "--add", is_flag=True, help="Add to the folder OUT, which holds other photos of the same model."
)
@shard_option
@cluster_options
def embed(
    model: Path,
    images: Path,
    out: Path,
    flip: Flip,
    input_file: Path | None,
    batch_size: int,
    device: str,
    precision: Precision,
    add: bool,
    shard: str | None,
    scheduler: str | None,
    shares: int | None,
) -> None:
    """Write the embeddings of crops to OUT.

    MODEL is a run folder, a checkpoint, a weight file or an ONNX file. IMAGES is a folder with manifest.csv,
    a manifest, an identity/image folder or a list file.

    \b
    OUT.npz    a file with the arrays keys, embeddings and meta (JSON)
    OUT        a folder for any number of them, which programs map into memory; it can be added to

    python -m eval takes either for a model; python -m eval embed makes them of raw photos. The same command
    again goes on where it was stopped. Under torchrun each process takes a share; jobs that know nothing of
    each other take theirs by --shard.

    \b
    sphereface-plus embed runs/mine crops/mine mine.npz
    torchrun --nproc-per-node 4 -m sphereface_plus embed runs/mine crops/mine mine
    sphereface-plus embed runs/mine crops/mine mine --shard $SLURM_ARRAY_TASK_ID/64
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_file_or_folder, check_source, is_file_name
    from sphereface_plus.shares import share_into

    check_file_or_folder(out, ".npz")
    if add and is_file_name(out):
        raise click.UsageError("--add is for a folder OUT; an .npz is written whole")
    share = share_into(shard, out)
    check_cluster(scheduler, shares, shard, out if is_file_name(out) else None)
    check_source(images, "folder, manifest, list or packed set of crops")
    pixels = str(model) == "pixels"
    if not pixels:
        check_model(model, onnx=True)
    options: dict[str, Any] = {"flip": flip, "batch_size": batch_size, "device": device, "add": add}
    options["precision"] = precision
    if scheduler is not None:
        place = {"input_file": None if input_file is None else input_file.absolute()}
        there = model if pixels else model.absolute()
        work = partial(embed_crops, there, images.absolute(), out.absolute(), **place, **options)
        spread(scheduler, work, shares, "crops embedded")
    said = embed_crops(model, images, out, input_file=input_file, share=share, **options)
    if said:  # of a torchrun the main process speaks
        click.echo(said)


def embed_crops(
    model: Path,
    images: Path,
    out: Path,
    *,
    flip: Flip,
    input_file: Path | None,
    batch_size: int,
    device: str,
    precision: Precision,
    add: bool,
    share: Share | None = None,
    progress: Progressed | None = None,
) -> str:
    """What the command does, with what it was given; returns what it says at its end.

    share, progress: as of embed_to.
    """
    from sphereface_plus import processes
    from sphereface_plus.commands.embed_into import embed_to
    from sphereface_plus.commands.model_argument import open_model
    from sphereface_plus.data.crops import CropsError, SpecError, check_crops
    from sphereface_plus.data.faces import FaceCrops
    from sphereface_plus.data.formats.manifest import MANIFEST
    from sphereface_plus.model_files import contents

    several = processes.start(device) if "WORLD_SIZE" in os.environ else None
    embedder = open_model(model, input_file, device, precision, several)
    try:
        crops = FaceCrops.open(images)
        check_crops(crops.template, crops.size, embedder.input, origin=images)
    except (CropsError, SpecError) as error:
        if not images.is_dir() or (images / MANIFEST).is_file():
            raise
        raise type(error)(f"{error}; photos as they are go to python -m eval embed") from None
    pixels = str(model) == "pixels"
    of = {"model": "pixels" if pixels else model, "crops": images, "flip": flip, "input": input_file}
    if precision != "fp32":
        of["precision"] = precision
    return embed_to(
        out,
        "sphereface-plus embed",
        embedder,
        crops.keys,
        crops.paths,
        flip,
        of=of,
        contents=contents(model=None if pixels else model, input=input_file),
        batch_size=batch_size,
        processes=several,
        add=add,
        share=share,
        progress=progress,
    )
