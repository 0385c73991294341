"""The command `python -m eval embed`: what `sphereface-plus embed` does, from raw photos too.

It is here as the library does not know data_prep, which aligns photos.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

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
    from sphereface_plus.embedding import Flip

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
) -> None:
    """Write the embeddings of photos or crops to OUT, an .npz or a folder.

    Photos are aligned first, as in `lfw` and `verify`; images of the model's crop size are taken for crops.
    Every image below the folder IMAGES counts. The same command again goes on where it was stopped. Under
    torchrun each process embeds a share; jobs that know nothing of each other take theirs by --shard, which
    needs crops: python -m data_prep align has it, too.

    \b
    python -m eval embed runs/mine photos/mine mine
    """
    from sphereface_plus.model_files import check_model, contents
    from sphereface_plus.path_checks import check_file_or_folder, check_source, is_file_name
    from sphereface_plus.shares import share_into

    check_file_or_folder(out, ".npz")
    if add and is_file_name(out):
        raise click.UsageError("--add is for a folder OUT; an .npz is written whole")
    share = share_into(shard, out)
    check_source(images, "folder of photos or crops")
    if model != "pixels":
        check_model(model, onnx=True)

    from sphereface_plus.commands.embed_into import embed_to

    from .errors import PhotosError
    from .model import ModelAsked, embed_together, opened
    from .photos import crops_for, find_images

    asked = ModelAsked(model, input_file, crops, workers, device, precision)
    embedder = opened(asked)
    photos = find_images(images)
    keys = list(photos.files)
    if not keys:
        raise PhotosError(f"{images}: holds no image; name a folder of photos or crops")
    crops = crops or out.with_name(f"{out.stem}_crops")
    found, preparation = crops_for(
        keys, photos, embedder.input, crops=crops, workers=workers, fallback=fallback, align=share is None
    )
    file = None if model == "pixels" else Path(model)
    of = {"model": file or model, "images": images, "flip": flip, "input": input_file, "fallback": fallback}
    into = partial(
        embed_to,
        out,
        "python -m eval embed",
        of={**of, "precision": precision},
        contents=contents(model=file, input=input_file),
        add=add,
        share=share,
    )
    _, said = embed_together(asked, embedder, found, list(found.files), flip, into)
    click.echo(preparation["words"])
    left_out = len(keys) - len(found.files)
    if left_out:
        click.echo(f"{left_out:,} of {len(keys):,} photos have no crop; {crops / 'report.json'} says why")
    click.echo(said)
