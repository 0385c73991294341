"""The command `sphereface-plus export`."""

from __future__ import annotations

from pathlib import Path

import click

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--license", help="Terms of the weights, for a weight file or folder.")
@click.option(
    "--with-head", is_flag=True, help="Write prototypes and names of identities too, to these files."
)
def export(model: Path, out: Path, license: str | None, with_head: bool) -> None:
    """Write the network of a run, checkpoint or weight file in the form that OUT asks for.

    \b
    OUT.onnx         ONNX for batches of any size; the input spec, which says what crops it takes, beside it
    OUT.pt2          a program of torch.export, with its input spec beside it
    OUT.safetensors  a weight file
    OUT              a folder in the layout of the Hugging Face Hub, with a model card

    The first two are run, and compared with the network, first.

    \b
    sphereface-plus export runs/mine mine.onnx
    """
    from sphereface_plus.export import beside, check_out
    from sphereface_plus.export import export as export_model
    from sphereface_plus.model_files import contents
    from sphereface_plus.outputs import claimed

    check_out(out)
    of = {"model": model, "license": license, "head": "with its head" if with_head else None}
    claim = claimed(
        out,
        "sphereface-plus export",
        file=bool(out.suffix),
        beside=beside(out),
        contents=contents(model=model),
        **of,
    )
    with claim:
        words = export_model(model, out, license=license, head=with_head)
    click.echo(words)
