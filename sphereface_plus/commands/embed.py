"""The command `sphereface-plus embed`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision
    from sphereface_plus.embedding import Flip

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--flip",
    type=click.Choice(["none", "sum", "concat"]),
    default="none",
    show_default=True,
    help="How the mirrored crop's embedding joins: not, added, or appended.",
)
@click.option(
    "--input", "spec", type=click.Path(path_type=Path), help="Input spec (YAML) of an ONNX file without one."
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Crops in one go."
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the network runs; auto takes CUDA where there is one.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "auto"]),
    default="fp32",
    show_default=True,
    help="What the network runs in; auto: bf16 or fp16 where the device is fast in it.",
)
@click.option(
    "--add", is_flag=True, help="Add to the folder OUT, which holds other photos of the same model."
)
def embed(
    model: Path,
    images: Path,
    out: Path,
    flip: Flip,
    spec: Path | None,
    batch_size: int,
    device: str,
    precision: Precision,
    add: bool,
) -> None:
    """Write the embeddings of crops to OUT.

    MODEL is a run folder, a checkpoint, a weight file or an ONNX file. IMAGES is a folder with manifest.csv,
    a manifest, an identity/image folder or a list file.

    \b
    OUT.npz    a file with the arrays keys, embeddings and meta (JSON)
    OUT        a folder for any number of them, which programs map into memory; it can be added to

    python -m eval takes either for a model; python -m eval embed makes them of raw photos. The same command
    again goes on where it was stopped. Under torchrun each process takes a share.

    \b
    sphereface-plus embed runs/mine crops/mine mine.npz
    torchrun --nproc-per-node 4 -m sphereface_plus embed runs/mine crops/mine mine
    """
    from sphereface_plus.model_files import check_model, contents
    from sphereface_plus.path_checks import check_file_or_folder, check_source, is_file_name

    check_file_or_folder(out, ".npz")
    if add and is_file_name(out):
        raise click.UsageError("--add is for a folder OUT; an .npz is written whole")
    check_source(images, "folder, manifest, list or packed set of crops")
    if str(model) != "pixels":
        check_model(model, onnx=True)

    from sphereface_plus import processes
    from sphereface_plus.commands.embed_into import embed_to
    from sphereface_plus.commands.model_argument import open_model
    from sphereface_plus.data.crops import check_crops
    from sphereface_plus.data.faces import FaceCrops

    several = processes.start(device) if "WORLD_SIZE" in os.environ else None
    embedder = open_model(model, spec, device, precision, several)
    crops = FaceCrops.open(images)
    check_crops(crops.template, crops.size, embedder.input)
    pixels = str(model) == "pixels"
    of = {"model": "pixels" if pixels else model, "crops": images, "flip": flip, "input": spec}
    if precision != "fp32":
        of["precision"] = precision
    said = embed_to(
        out,
        "sphereface-plus embed",
        embedder,
        crops.keys,
        crops.paths,
        flip,
        of=of,
        contents=contents(model=None if pixels else model, input=spec),
        batch_size=batch_size,
        processes=several,
        add=add,
    )
    if several is None or several.is_main:
        click.echo(said)
