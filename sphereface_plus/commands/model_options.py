"""The options of the commands that take a MODEL, each written once; every one decorates a command.

Nothing here loads torch: --help and a wrong option answer at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]

FILE = click.Path(path_type=Path)
"""A file or a folder, as a Path."""


def model_option(*, embeddings: bool = False, without: str | None = None) -> Decorator:
    """--model. embeddings: a store or .npz will do, too. without: what holds where it is left out, which it
    may be then."""
    kinds = "embeddings (store or .npz), " if embeddings else ""
    words = f"Run folder, checkpoint, weight file, ONNX file, {kinds}or the word pixels."
    if without is not None:
        words = f"{words} {without}"
    return click.option("--model", required=without is None, metavar="MODEL", help=words)


def input_option(of: str = "pixels, or of an ONNX file with none beside it") -> Decorator:
    """--input, for the argument input_file. of: the models that need one here."""
    return click.option(
        "--input", "input_file", type=FILE, help=f"Input spec (YAML, as in configs/input) of {of}."
    )


def crops_option(default: str) -> Decorator:
    """--crops. default: what is taken where it is left out, in words."""
    words = f"Folder to align photos into; models of one template can share it.  [default: {default}]"
    return click.option("--crops", type=FILE, help=words)


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes that align photos.  [default: the number of cores]",
)

device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the network runs; auto takes CUDA where there is one.",
)

precision_option = click.option(
    "--precision",
    type=click.Choice(["fp32", "auto"]),
    default="fp32",
    show_default=True,
    help="What the network runs in; auto: bf16 or fp16 where the device is fast in it.",
)


shard_option = click.option(
    "--shard",
    metavar="I/N",
    help="Embed the I-th of N shares, while other processes or machines embed the others into the same "
    "folder OUT. At last the same command without --shard joins them.",
)


def flip_option(default: str | None = "none", left_out: str | None = None) -> Decorator:
    """--flip. left_out: what is taken without it, in words, where the default is None."""
    words = "How the mirrored crop's embedding joins: not, added, or appended."
    if left_out is not None:
        words = f"{words}  [default: {left_out}]"
    choices = click.Choice(["none", "sum", "concat"])
    return click.option("--flip", type=choices, default=default, show_default=True, help=words)
