"""python -m eval {lfw, verify, identify, who, megaface, ijb, gan, paper, study, embed, compare, ...}."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sphereface_plus.commands.ending import Commands

from . import ranks
from .embed_command import embed
from .gan.command import gan
from .identify.command import identify
from .identify.who_command import who
from .ijb.command import ijb
from .megaface.command import megaface
from .paper.command import paper
from .same_command import same
from .study.command import study
from .verify_command import lfw, verify

SHARED = ("lfw", "verify", "identify", "megaface", "ijb", "paper", "embed")
"""What the processes of a torchrun do together."""


@click.group(
    cls=Commands,
    keeping=(*SHARED, "gan", "study"),
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110},
)
@click.pass_context
def main(context: click.Context) -> None:
    """Measure face verification and identification, and generated images: a model in, a report out.

    MODEL is a run folder, a checkpoint, a weight file (.safetensors), an ONNX file, embeddings (a store's
    folder or an .npz), or the word pixels (a baseline: the cosine of grey values).

    Under torchrun lfw, verify, identify, megaface, ijb, paper and embed share the embedding, a GPU each, and
    the search, with the same numbers; the others are for one process.

    \b
    torchrun --nproc-per-node 8 -m eval megaface --model runs/mine ...
    """
    if ranks.several() and context.invoked_subcommand not in SHARED:
        raise click.UsageError(f"{context.invoked_subcommand} is for one process; leave torchrun out")


@main.command()
@click.argument(
    "reports", nargs=-1, required=True, metavar="REPORT REPORT...", type=click.Path(path_type=Path)
)
@click.option(
    "--against",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="The one that each of the others is compared with.  [default: the first]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder for compare.json and compare.html.")
def compare(reports: tuple[Path, ...], against: Path | None, out: Path | None) -> None:
    """Compare models on the same pairs, pair by pair: each with the first, or with the one --against names.

    REPORT is a report's folder or its report.json. Paired tests: McNemar's, and a bootstrap of the
    difference; where few pairs decide, the output says which to believe. Reports of identify, megaface and
    ijb are compared likewise, each with its kind, search by search and template by template.

    \b
    python -m eval compare reports/base reports/mine --out reports/both
    """
    from sphereface_plus.outputs import claimed
    from sphereface_plus.path_checks import check_folder, check_source

    from .report_files import ReportError, kind_said

    if against is not None:  # the base comes first, once, whether it is among the others or not
        reports = (against, *(path for path in reports if _folder(path) != _folder(against)))
    if len(reports) < 2:
        raise click.UsageError("compare needs two reports at least")
    for path in reports:
        check_source(path, "report")
    if out is not None:
        check_folder(out)
    kinds = {kind_said(path) for path in reports}
    if kinds == {"identification"}:
        from .identify import compare as comparing
        from .identify.report_fields import read
    elif kinds == {"megaface"}:
        from .megaface import compare as comparing
        from .megaface.report_fields import read
    elif kinds == {"ijb"}:
        from .ijb import compare as comparing
        from .ijb.report_fields import read
    elif len(kinds - {None}) > 1:
        said = ", ".join(f"{path} of {kind_said(path) or 'verification'}" for path in reports)
        raise ReportError(f"compare takes reports of one kind; here are {said}")
    else:  # which refuses all others by name
        from . import compare as comparing
        from .report_files import read
    read_reports = [read(path) for path in reports]
    comparison = comparing.compare(read_reports, [str(path) for path in reports])
    page = None
    if out is not None:
        with claimed(out, "python -m eval compare", reports=reports):
            page = comparing.write(comparison, read_reports, out)
    click.echo(comparing.table(comparison))  # after the files: the reader of this may leave, as `| head` does
    click.echo(comparison["test"])
    if page is not None:
        click.echo(f"comparison: {page}")


def _folder(report: Path) -> Path:
    """The report's folder, by whichever of its two names it is called."""
    return (report.parent if report.name == "report.json" else report).resolve()


@main.command()
@click.argument("groups", nargs=-1, required=True, metavar="'GLOB'...")
@click.option("--against", required=True, metavar="'GLOB'", help="The baseline's reports, in the same form.")
def seeds(groups: tuple[str, ...], against: str) -> None:
    """Print means, spreads and paired differences over seeds.

    A Markdown table: accuracies of each group, and differences to the baseline, paired by seed. Each GLOB, in
    quotes, names the reports of one group: two or more, of the same pairs, by models that differ in the seed
    alone.

    \b
    python -m eval seeds --against 'runs/sphereface_seed*/lfw' 'runs/sphereface_plus_seed*/lfw'
    """
    from .seeds import table

    click.echo(table(groups, against))


for command in (lfw, verify, identify, who, megaface, ijb, gan, paper, study, embed, same):
    main.add_command(command)

if __name__ == "__main__":
    ranks.run(partial(main, prog_name="python -m eval"))
