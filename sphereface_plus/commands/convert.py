"""The command `sphereface-plus convert`."""

from __future__ import annotations

from pathlib import Path

import click

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "format",
    required=True,
    type=click.Choice(["caffe", "clcarwin", "cosface", "opensphere", "opensphere_deprecated", "insightface"]),
    help="Whose weights they are: docs/pretrained.md.",
)
@click.option(
    "--head",
    type=click.Path(path_type=Path),
    multiple=True,
    help="The classifier, where it is a separate file; again for each further part, in the labels' order. Of "
    "insightface also the folder of its ranks' files, rank_*_softmax_weight.pt, softmax_fc_gpu_*.pt or "
    "checkpoint_gpu_*.pt, which are merged in the order of the ranks.",
)
@click.option(
    "--identities", type=click.Path(path_type=Path), help="Names of the classifier's identities, one a line."
)
@click.option("--license", help="Terms of the weights; they are kept with them.")
@click.option(
    "--fold-input",
    is_flag=True,
    help="Fold channel order and pixel scale into the first convolution: crops are then RGB of scale 1.",
)
def convert(
    source: Path,
    out: Path,
    format: str,
    head: tuple[Path, ...],
    identities: Path | None,
    license: str | None,
    fold_input: bool,
) -> None:
    """Write the weights of another project, SOURCE, as a weight file OUT (.safetensors) that serves as MODEL.

    Nothing in SOURCE is executed. Each tensor is accounted for: what lacks one, or has one too many, is
    refused.

    \b
    sphereface-plus convert sphereface_model.caffemodel sphereface20.safetensors --from caffe
    """
    from sphereface_plus.path_checks import check_file, check_source

    check_file(out, ".safetensors")
    for file in (source, *head, *([identities] if identities else [])):
        check_source(file, "file")

    from sphereface_plus.outputs import claimed
    from sphereface_plus.pretrained import convert as convert_weights
    from sphereface_plus.pretrained import summary

    of = {"weights": source, "format": format, "head": head or None, "identities": identities}
    of |= {"license": license, "input": "folded" if fold_input else None}
    with claimed(out, "sphereface-plus convert", file=True, **of):
        model = convert_weights(
            source, out, format, head=head, identities=identities, license=license, fold=fold_input
        )
    click.echo(summary(model))
