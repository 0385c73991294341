"""The command line: sphereface-plus, or python -m sphereface_plus (also under torchrun)."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from sphereface_plus import __version__
from sphereface_plus.reproduce.command import reproduce
from sphereface_plus.sphere.command import sphere

# torch and what needs it are imported inside the commands: --help and a wrong option answer at once.


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="sphereface-plus")
def cli() -> None:
    """Train networks with minimum hyperspherical energy (MHE): faces with angular margins, and images.

    Crops are made by `python -m data_prep align`, reports by `python -m eval`.
    """


cli.add_command(sphere)
cli.add_command(reproduce)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--resume", is_flag=True, help="Go on with the run in that folder, if there is one."),
        click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<name>]"),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Change a setting; repeatable. `sphereface-plus settings` lists them all.",
        ),
        click.argument("recipe", type=click.Path(path_type=Path)),
    ):
        command = option(command)
    return command


@cli.command()
@training_options
def train(recipe: Path, overrides: tuple[str, ...], out: Path | None, resume: bool) -> int:
    """Train what RECIPE describes, a YAML file or the name of one that is installed, such as cifar/cnn9.

    Ctrl-C or SIGTERM saves and stops; --resume repeats the uninterrupted run exactly. With --resume,
    train.steps and data.workers may differ from before; of image classifications data.path, where the same
    training images lie there; after a divergence what its message advises; nothing else. The exit code is 3
    where the training has diverged, 130 or 143 where it was stopped, 1 for everything else that the message
    says.

    \b
    sphereface-plus train configs/face/sphereface20_casia.yaml --set data.path=crops/casia
    torchrun --nproc-per-node 4 -m sphereface_plus train RECIPE
    """
    return _train(recipe, overrides, out, resume)


@cli.command()
@training_options
@click.option(
    "--init-from",
    type=click.Path(path_type=Path),
    help="Run folder, checkpoint or weight file to start from.",
)
@click.option("--reset-head", is_flag=True, help="Begin with new prototypes, for other identities.")
def finetune(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    init_from: Path | None,
    reset_head: bool,
) -> int:
    """Train RECIPE from the weights of another run: the paper's way from SphereFace to SphereFace+.

    What was loaded, missing and mismatched is printed and kept in load_report.json of the run. Optimizer and
    step begin anew.

    \b
    sphereface-plus finetune configs/face/sphereface_plus20_casia.yaml --init-from runs/sphereface20_casia
    """
    if init_from is not None:
        overrides = (*overrides, f"init_from={json.dumps(str(init_from))}")
    if reset_head:
        overrides = (*overrides, "reset_head=true")
    return _train(recipe, overrides, out, resume, needs_start=True)


@cli.command()
def settings() -> None:
    """Print every setting of a recipe of faces, then of images: type, default and what it means."""
    from sphereface_plus.commands.settings_help import settings_help

    click.echo(settings_help())


@cli.command()
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
    from sphereface_plus.config import load_input_spec
    from sphereface_plus.model_files import check_model, contents
    from sphereface_plus.path_checks import check_file, check_source

    check_file(out, ".npz")
    check_source(images, "folder, manifest, list or packed set of crops")
    if str(model) != "pixels":
        check_model(model, onnx=True)
    input = load_input_spec(spec) if spec else None

    from sphereface_plus.commands.progress import show_progress
    from sphereface_plus.data.crops import check_crops
    from sphereface_plus.data.faces import FaceCrops
    from sphereface_plus.embedding import Embedder, embed_files, write_embeddings
    from sphereface_plus.outputs import claimed
    from sphereface_plus.words import counted

    embedder = Embedder.load(model, input=input, device=device)
    crops = FaceCrops.open(images)
    check_crops(crops.template, crops.size, embedder.input)
    pixels = str(model) == "pixels"
    of = {"model": "pixels" if pixels else model, "crops": images, "flip": flip, "input": spec}
    hashes = contents(model=None if pixels else model, input=spec)
    claim = claimed(out, "sphereface-plus embed", file=True, contents=hashes, **of)
    total = len(crops.paths)
    with claim, show_progress("crops") as progress:
        progress(0, total)
        embeddings = embed_files(
            embedder,
            crops.paths,
            flip=flip,
            batch_size=batch_size,
            progress=lambda done: progress(done, total),
        )
        write_embeddings(out, crops.keys, embeddings, embedder.meta(flip))
    click.echo(f"{out}: {counted(len(embeddings), 'embedding')} of {counted(embeddings.shape[1], 'number')}")


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--license", help="Terms of the weights, for a weight file or folder.")
@click.option("--with-head", is_flag=True, help="Prototypes and names of identities too, likewise.")
def export(model: Path, out: Path, license: str | None, with_head: bool) -> None:
    """Write the network of a run, checkpoint or weight file in the form that OUT asks for.

    \b
    OUT.onnx         ONNX for batches of any size; the input spec, which says what crops it takes, beside it
    OUT.pt2          a program of torch.export, likewise
    OUT.safetensors  a weight file
    OUT              a folder in the layout of the Hugging Face Hub, with a model card

    The first two are run, and compared with the network, first.

    \b
    sphereface-plus export runs/mine mine.onnx
    """
    from sphereface_plus.export import check_out
    from sphereface_plus.export import export as export_model
    from sphereface_plus.model_files import contents
    from sphereface_plus.outputs import claimed

    check_out(out)
    of = {"model": model, "license": license, "head": "with its head" if with_head else None}
    with claimed(out, "sphereface-plus export", file=bool(out.suffix), contents=contents(model=model), **of):
        words = export_model(model, out, license=license, head=with_head)
    click.echo(words)


@cli.command()
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
    help="The classifier, where it is a separate file; again for each further part, in the labels' order.",
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


@cli.command()
@click.argument("model", type=click.Path(path_type=Path))
def show(model: Path) -> None:
    """Describe a run, checkpoint or weight file: layers, input spec, energy of the prototypes, where it comes
    from."""
    from sphereface_plus.model_files import check_model

    check_model(model)

    from sphereface_plus.commands.describe import describe

    click.echo(describe(model))


def _train(
    recipe: Path, overrides: tuple[str, ...], out: Path | None, resume: bool, *, needs_start: bool = False
) -> int:
    from sphereface_plus import config as configuration
    from sphereface_plus.reproduce.spec import find_recipe
    from sphereface_plus.training import beforehand
    from sphereface_plus.training.folder import RunFolder, place_of

    recipe = find_recipe(recipe)
    if needs_start and configuration.task_of(recipe) == "image":
        raise configuration.ConfigError(f"{recipe}: is of images; fine-tuning is for recipes of faces")
    config = configuration.load(recipe, overrides)
    if needs_start and config.task == "face" and config.init_from is None:
        raise configuration.ConfigError(
            f"{recipe}: a fine-tuning needs --init-from, or init_from in the recipe"
        )
    is_main = os.environ.get("RANK", "0") == "0"  # the others would find what the main process has made
    if is_main:
        beforehand.check(config, RunFolder(place_of(config, out)), resume=resume)

    from sphereface_plus.training.run import train as train_run  # draws in torch
    from sphereface_plus.words import counted

    outcome = train_run(config, out, resume=resume)
    if not is_main:
        return _exit_code(outcome.signal)
    if outcome.was_finished:
        click.echo(
            f"{outcome.folder}: finished already, at step {outcome.step}; raise train.steps to train on"
        )
    elif outcome.signal is not None:
        again = [argument for argument in sys.argv[1:] if argument != "--resume"]
        click.echo(
            f"{outcome.folder}: stopped and saved at step {outcome.step} of {outcome.last_step}; go on with"
        )
        click.echo(f"  sphereface-plus {shlex.join(again)} --resume")
    else:
        steps = counted(outcome.step, "step")
        click.echo(f"{outcome.folder}: trained, {steps}; checkpoints/last.pt, log.jsonl, tensorboard")
    return _exit_code(outcome.signal)


def _exit_code(signal: int | None) -> int:
    return 0 if signal is None else 128 + signal  # as a shell reports a signal: 130 Ctrl-C, 143 SIGTERM


def main() -> NoReturn:
    """Entry point: one sentence and a non-zero exit code for whatever the user can put right."""
    try:
        code = cli.main(prog_name="sphereface-plus", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):  # also in the seconds while torch is imported
        click.echo("stopped", err=True)
        code = 130
    except (ValueError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        code = getattr(error, "exit_code", 1)  # 3: training.folder.DivergedError
    if "WORLD_SIZE" in os.environ and "torch" in sys.modules:
        from sphereface_plus.processes import leave

        leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
