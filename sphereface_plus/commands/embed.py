"""The command `sphereface-plus embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

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
def embed(
    model: Path, images: Path, out: Path, flip: Any, spec: Path | None, batch_size: int, device: str
) -> None:
    """Write the embeddings of crops to the file OUT.

    MODEL is a run folder, a checkpoint, a weight file or an ONNX file. IMAGES is a folder with manifest.csv,
    a manifest, an identity/image folder or a list file. OUT is an .npz with the arrays keys, embeddings and
    meta (JSON); python -m eval takes it for a model.

    \b
    sphereface-plus embed runs/mine crops/mine mine.npz
    """
    from sphereface_plus.model_files import check_model, contents
    from sphereface_plus.path_checks import check_file, check_source

    check_file(out, ".npz")
    check_source(images, "folder, manifest, list or packed set of crops")
    if str(model) != "pixels":
        check_model(model, onnx=True)

    import numpy as np

    from sphereface_plus.commands.model_argument import embed_in_chunks, open_model
    from sphereface_plus.data.crops import check_crops
    from sphereface_plus.data.faces import FaceCrops
    from sphereface_plus.embedding import write_embeddings
    from sphereface_plus.outputs import claimed
    from sphereface_plus.words import counted

    embedder = open_model(model, spec, device)
    crops = FaceCrops.open(images)
    check_crops(crops.template, crops.size, embedder.input)
    pixels = str(model) == "pixels"
    of = {"model": "pixels" if pixels else model, "crops": images, "flip": flip, "input": spec}
    hashes = contents(model=None if pixels else model, input=spec)
    with claimed(out, "sphereface-plus embed", file=True, contents=hashes, **of):
        embeddings = np.concatenate(list(embed_in_chunks(embedder, crops.paths, flip, batch_size=batch_size)))
        write_embeddings(out, crops.keys, embeddings, embedder.meta(flip))
    click.echo(f"{out}: {counted(len(embeddings), 'embedding')} of {counted(embeddings.shape[1], 'number')}")
