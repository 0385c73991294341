"""The command `python -m eval embed`: what `sphereface-plus embed` does, from raw photos too.

It is here as the library does not know data_prep, which aligns photos.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.cluster import check_cluster, cluster_options, spread
from sphereface_plus.commands.model_options import (
    FILE,
    crops_option,
    device_option,
    flip_option,
    input_option,
    precision_option,
    shard_option,
    workers_option,
)

if TYPE_CHECKING:
    from data_prep.settings import Fallback
    from sphereface_plus.commands.model_argument import Precision
    from sphereface_plus.commands.progress import Progressed
    from sphereface_plus.embedding import Flip
    from sphereface_plus.shares import Share

    from .model import ModelAsked

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("model")
@click.argument("images", type=FILE)
@click.argument("out", type=FILE)
@flip_option()
@input_option()
@crops_option("OUT_crops")
@click.option(
    "--fallback",
    type=click.Choice(["none", "relaxed", "centre"]),
    default="centre",
    help="Where no face is found. none: the photo is left out. relaxed: look again with lower thresholds. "
    "centre: the same, then take the place where faces usually are, as lfw and verify do.",
)
@workers_option
@device_option
@precision_option
@click.option(
    "--add", is_flag=True, help="Add to the folder OUT, which holds other photos of the same model."
)
@shard_option
@cluster_options
def embed(
    model: str,
    images: Path,
    out: Path,
    flip: Flip,
    input_file: Path | None,
    crops: Path | None,
    fallback: Fallback,
    workers: int | None,
    device: str,
    precision: Precision,
    add: bool,
    shard: str | None,
    scheduler: str | None,
    shares: int | None,
) -> None:
    """Write the embeddings of photos or crops to OUT, an .npz or a folder.

    Photos are aligned first, as in `lfw` and `verify`; images of the model's crop size are taken for crops.
    Every image below the folder IMAGES counts. The same command again goes on where it was stopped. Under
    torchrun each process embeds a share; jobs that know nothing of each other take theirs by --shard, which
    needs crops: python -m data_prep align has it, too.

    \b
    python -m eval embed runs/mine photos/mine mine
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_file_or_folder, check_source, is_file_name
    from sphereface_plus.shares import share_into

    check_file_or_folder(out, ".npz")
    if add and is_file_name(out):
        raise click.UsageError("--add is for a folder OUT; an .npz is written whole")
    share = share_into(shard, out)
    check_cluster(scheduler, shares, shard, out if is_file_name(out) else None)
    check_source(images, "folder of photos or crops")
    if model != "pixels":
        check_model(model, onnx=True)

    from .model import ModelAsked

    def asked(place: Callable[[Path], Path]) -> ModelAsked:
        name = model if model == "pixels" else str(place(Path(model)))
        spec = None if input_file is None else place(input_file)
        return ModelAsked(name, spec, None if crops is None else place(crops), workers, device, precision)

    how: dict[str, Any] = {"flip": flip, "fallback": fallback, "add": add}
    if scheduler is not None:
        there = (asked(Path.absolute), images.absolute(), out.absolute())
        spread(scheduler, partial(embed_images, *there, **how), shares, "crops embedded")
    click.echo("\n".join(embed_images(asked(Path), images, out, share=share, **how)))


def embed_images(
    asked: ModelAsked,
    images: Path,
    out: Path,
    *,
    flip: Flip,
    fallback: Fallback,
    add: bool,
    share: Share | None = None,
    progress: Progressed | None = None,
) -> list[str]:
    """What the command does, with what it was given; returns the lines that it says at its end.

    share, progress: as of embed_to.
    """
    from sphereface_plus.commands.embed_into import embed_to
    from sphereface_plus.model_files import contents

    from .errors import PhotosError
    from .model import embed_together, opened
    from .photos import crops_for, find_images

    embedder = opened(asked)
    photos = find_images(images)
    keys = list(photos.files)
    if not keys:
        raise PhotosError(f"{images}: holds no image; name a folder of photos or crops")
    crops = asked.crops or out.with_name(f"{out.stem}_crops")
    found, preparation = crops_for(
        keys,
        photos,
        embedder.input,
        crops=crops,
        workers=asked.workers,
        fallback=fallback,
        align=share is None,
    )
    file = None if asked.name == "pixels" else Path(asked.name)
    of = {"model": file or asked.name, "images": images, "flip": flip, "input": asked.input_file}
    into = partial(
        embed_to,
        out,
        "python -m eval embed",
        of={**of, "fallback": fallback, "precision": asked.precision},
        contents=contents(model=file, input=asked.input_file),
        add=add,
        share=share,
        progress=progress,
    )
    _, said = embed_together(asked, embedder, found, list(found.files), flip, into)
    left_out = len(keys) - len(found.files)
    why = [f"{left_out:,} of {len(keys):,} photos have no crop; {crops / 'report.json'} says why"]
    return [preparation["words"], *(why if left_out else []), said]
