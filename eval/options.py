"""The options that several commands of eval share beside those of a MODEL, each written once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from sphereface_plus.commands.model_options import FILE, Decorator

OF_MODEL = ("flip", "input_file", "workers", "device", "precision")
"""Parameters that say how a model embeds, and nothing of embeddings that are there."""


def refuse_given(parameters: Sequence[str], why: str) -> None:
    """Raises click's UsageError, which names the option, where the command line gives one that nothing here
    would use. parameters: as the command's function calls them; why: the rest of the sentence."""
    context = click.get_current_context()
    for each in context.command.params:
        if each.name in parameters and context.get_parameter_source(each.name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{each.opts[0]} would change nothing: {why}")


groups_option = click.option(
    "--groups",
    type=FILE,
    help="CSV with a header `identity,group,...`: error rates of each group of people, too.",
)

face_option = click.option(
    "--face",
    type=click.Choice(["centre", "largest", "confident"]),
    help="Which of several faces is meant.  [default: a photo of several is refused]",
)

no_thumbnails_option = click.option("--no-thumbnails", is_flag=True, help="No faces on OUT/report.html.")

public_names_option = click.option(
    "--public-names", is_flag=True, help="Names of people and photos in OUT/public."
)

out_option = click.option(
    "--out",
    required=True,
    type=FILE,
    help="Folder of the report. OUT/public gets one without faces, names and paths, to publish.",
)


RATE = click.FloatRange(0, 1, min_open=True, max_open=True)

far_option = click.option(
    "--far",
    "fars",
    type=RATE,
    multiple=True,
    metavar="RATE",
    help="One more false accept rate to give threshold and TAR at, such as 0.0005; several times for more.",
)

fpir_option = click.option(
    "--fpir",
    "fpirs",
    type=RATE,
    multiple=True,
    metavar="RATE",
    help="One more FPIR, the share of unknown people who may be taken for somebody, to give threshold and "
    "FNIR at, such as 0.003; several times for more.",
)


class _RankOrAll(click.ParamType):
    name = "RANK"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | None:
        if value == "all":
            return None
        try:
            return click.IntRange(min=1).convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is no rank: 1 or more, or all", param, ctx)


rank_option = click.option(
    "--rank",
    type=_RankOrAll(),
    default=1,
    help="R of FNIR(N, R, T): a mate is found if it is among the best R, and scores T or higher. all: at any "
    "rank, R = N.",
)


mates_option = click.option(
    "--mates",
    type=click.Choice(["best", "each"]),
    default="best",
    help="Where the gallery has several photos of a probe's person. best: one search, whose mate is the best "
    "of them. each: a search with each of them as the only mate, as MegaFace does; needs --template image.",
)


def template_option(default: str) -> Decorator:
    """--template. default: what is taken where it is left out, in words."""
    return click.option(
        "--template",
        type=click.Choice(["mean", "best", "image"]),
        help="What is enrolled. mean: one a person, the mean of its unit embeddings. best: one a person, its "
        f"longest embedding. image: every photo.  [default: {default}]",
    )
