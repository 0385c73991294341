"""The command `sphereface-plus embed`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
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

    python -m eval takes either for a model. The same command again goes on where it was stopped. Under
    torchrun each process takes a share.

    \b
    sphereface-plus embed runs/mine crops/mine mine.npz
    torchrun --nproc-per-node 4 -m sphereface_plus embed runs/mine crops/mine mine
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_file, check_folder, check_source

    is_file = bool(out.suffix) and not out.is_dir()
    if is_file:
        check_file(out, ".npz")
    else:
        check_folder(out)
    if add and is_file:
        raise click.UsageError("--add is for a folder OUT; an .npz is written whole")
    check_source(images, "folder, manifest, list or packed set of crops")
    if str(model) != "pixels":
        check_model(model, onnx=True)

    import os

    from sphereface_plus import processes
    from sphereface_plus.commands.embed_into import embed_into
    from sphereface_plus.commands.model_argument import open_model
    from sphereface_plus.data.crops import check_crops
    from sphereface_plus.data.faces import FaceCrops
    from sphereface_plus.data.formats.embedding_store import open_embeddings
    from sphereface_plus.words import counted

    several = processes.start(device) if "WORLD_SIZE" in os.environ else None
    is_main = several is None or several.is_main
    embedder = open_model(model, spec, device, precision, several)
    crops = FaceCrops.open(images)
    check_crops(crops.template, crops.size, embedder.input)
    store = out.with_name(f".{out.name}.unfinished") if is_file else out
    with _claimed(out, is_file, model, images, flip, spec, precision) if is_main else nullcontext():
        embed_into(
            store,
            embedder,
            crops.keys,
            crops.paths,
            flip,
            batch_size=batch_size,
            processes=several,
            add=add,
            replace=is_file,
        )
        if is_main and is_file:
            _to_npz(store, out, crops.keys)
    if is_main:
        shape = open_embeddings(out).rows.shape
        in_short = "" if embedder.precision == "fp32" else f", in {embedder.precision}"
        click.echo(f"{out}: {counted(shape[0], 'embedding')} of {counted(shape[1], 'number')}{in_short}")


def _claimed(
    out: Path, is_file: bool, model: Path, images: Path, flip: str, spec: Path | None, precision: str
) -> AbstractContextManager[None]:
    """A store says itself what it is of, so that it only has to be locked."""
    from sphereface_plus.model_files import contents
    from sphereface_plus.outputs import claimed, locked

    if not is_file:
        return locked(out)
    pixels = str(model) == "pixels"
    of = {"model": "pixels" if pixels else model, "crops": images, "flip": flip, "input": spec}
    if precision != "fp32":
        of["precision"] = precision
    hashes = contents(model=None if pixels else model, input=spec)
    return claimed(out, "sphereface-plus embed", file=True, contents=hashes, **of)


def _to_npz(store: Path, out: Path, keys: Sequence[str]) -> None:
    """Writes the store as an .npz, and removes it."""
    from sphereface_plus.data.formats.embedding_store import open_embeddings, store_key
    from sphereface_plus.data.formats.embeddings import write_embeddings

    stored = open_embeddings(store)
    row_of = {key: row for row, key in enumerate(stored.keys)}
    write_embeddings(out, keys, stored.rows[[row_of[store_key(key)] for key in keys]], stored.meta)
    shutil.rmtree(store)
