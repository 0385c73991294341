"""The command `python -m eval megaface`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.model_options import (
    FILE,
    device_option,
    flip_option,
    input_option,
    model_option,
    precision_option,
    workers_option,
)
from sphereface_plus.words import counted

from ..group_words import OF_SEARCHES, group_lines
from ..options import OF_MODEL, far_option, groups_option, out_option, refuse_given
from ..resolutions import UNSURE
from ..threshold_words import no_false_accept_words, rate_words, threshold_words
from . import same_words
from .noise import few_matched

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@model_option(without="Without it PROBES and DISTRACTORS hold features in the kit's files.")
@click.option("--probes", required=True, type=FILE, help="FaceScrub: crops, photos or features.")
@click.option("--distractors", required=True, type=FILE, help="MegaFace: crops, photos or features.")
@click.option(
    "--lists",
    type=FILE,
    help="The kit's folder templatelists: which images are probes, and which the distractors of each size "
    "and set.  [default: all images, whose people are their folders, in random orders]",
)
@click.option(
    "--probe-list", type=FILE, help="List of the probes.  [default: LISTS/facescrub_features_list.json]"
)
@click.option("--probe-noise", type=FILE, help="Probes known to be wrong, such as facescrub_noises.txt.")
@click.option(
    "--distractor-noise", type=FILE, help="Distractors known to be wrong, such as megaface_noises.txt."
)
@click.option(
    "--suffix", help="What follows an image's name in the names of its features, such as _mine.bin."
)
@click.option(
    "--sets", type=click.IntRange(min=1), default=3, help="Random orders, where there are no lists."
)
@far_option
@groups_option
@flip_option("concat")
@input_option()
@workers_option
@device_option
@precision_option
@click.option("--write-features", type=FILE, help="Folder to write all features to, in the kit's files.")
@out_option
def megaface(
    model: str | None,
    probes: Path,
    distractors: Path,
    lists: Path | None,
    probe_list: Path | None,
    probe_noise: Path | None,
    distractor_noise: Path | None,
    suffix: str | None,
    sets: int,
    fars: tuple[float, ...],
    groups: Path | None,
    flip: str,
    input_file: Path | None,
    workers: int | None,
    device: str,
    precision: Precision,
    write_features: Path | None,
    out: Path,
) -> None:
    """Identify among distractors, as MegaFace's challenge 1 does.

    Rank-k for 10 to 1,000,000 distractors, and verification down to FAR 1e-6; with noise lists raw and
    cleaned in one run. Embeddings are kept in OUT: the same command again continues one that was stopped.

    \b
    python -m eval megaface --model runs/mine --probes crops/facescrub --distractors crops/megaface \\
        --lists devkit/templatelists --probe-noise facescrub_noises.txt \\
        --distractor-noise megaface_noises.txt --out reports/megaface
    """
    from sphereface_plus.model_files import check_model
    from sphereface_plus.path_checks import check_folder, check_source

    if model is None:
        refuse_given(
            OF_MODEL, "without --model the features are taken as they are; leave it out, or give --model"
        )
    else:
        refuse_given(["suffix"], "it is of features, and --model makes its own; leave it out")
    if lists is not None:
        refuse_given(["sets"], "the lists have their own sets; leave out --sets or --lists")
    check_folder(out)
    check_source(probes, "folder of probes")
    check_source(distractors, "folder of distractors")
    for file in (lists, probe_list, probe_noise, distractor_noise, groups, input_file):
        if file is not None:
            check_source(file, "file or folder")
    if model not in (None, "pixels"):
        check_model(model, onnx=True)

    from ..model import ModelAsked
    from ..public import PUBLIC
    from .run import Asked, run

    report = run(
        Asked(
            None if model is None else ModelAsked(model, input_file, None, workers, device, precision),
            probes,
            distractors,
            lists,
            probe_list,
            probe_noise,
            distractor_noise,
            suffix,
            sets,
            flip,
            out,
            command=shlex.join(["python", "-m", "eval", *sys.argv[1:]]),
            write_features=write_features,
            groups=groups,
            fars=fars,
        )
    )
    for words in [*notes(report, out), *warnings(report)]:
        click.echo(words, err=True)
    for line in lines(report):
        click.echo(line)
    click.echo(f"report: {out / 'report.html'}")
    click.echo(f"to publish, without faces, names and paths: {out / PUBLIC}")


def notes(report: Mapping[str, Any], out: Path) -> list[str]:
    """What was left out, for the terminal."""
    from ..photos import first_three
    from .people import without_mate
    from .run import MISSING

    said = []
    for side in ("probes", "distractors"):
        if number := report[side]["missing"]:
            said.append(
                f"note: no image is there of {counted(number, side[:-1])} of the lists: left out "
                f"({first_three(report[side]['missing_first'])}; all are in {out / MISSING})"
            )
        noise = report[side]["noise"]
        if noise is not None and not few_matched(noise):
            one_or_all = f"is a {side[:-1]}" if noise["matched"] == 1 else f"are {side}"
            of_people = f"{noise['of_people']:,} {'is' if noise['of_people'] == 1 else 'are'}"
            said.append(
                f"note: {noise['matched']:,} of {counted(noise['entries'], 'name')} in "
                f"{Path(noise['file']).name} {one_or_all} here, which the cleaned numbers leave out; "
                f"{of_people} of people whose {side} are here"
            )
    said += [f"note: {words}" for words in same_words.notes(report)]
    for kind, numbers in report["results"].items():
        if alone := numbers["without_mate"]:
            said.append(f"note: {kind}: {without_mate(alone, report['people'])}")
    return said


def warnings(report: Mapping[str, Any]) -> list[str]:
    """What makes the numbers other than they seem, for the terminal."""
    from ..training_photos import about_training

    said = [f"warning: {words}" for words in report["warnings"]]
    if words := about_training(report):
        said.append(words)
    return said + [f"warning: {words}" for words in same_words.warnings(report)]


def lines(report: Mapping[str, Any]) -> list[str]:
    """The figures, for the terminal."""
    from .people import uneven_words

    said = []
    for kind, numbers in report["results"].items():
        probes, people, alone = numbers["probes"], numbers["people"], len(numbers["without_mate"])
        mates = f", {probes - alone:,} of {people - alone:,} with a mate" if alone else ""
        said.append(f"{kind}: {counted(probes, 'probe')} of {counted(people, 'person')}{mates}")
        if words := uneven_words(numbers):
            said.append(f"  {words}")
        for size in numbers["sizes"]:
            rank_1, (low, high) = size["ranks"][0], size["rank_1_interval"]
            sets = len(rank_1["per_set"])
            spread = f"; sd over {sets} sets {100 * (rank_1['deviation'] or 0):.2f}"
            if rank_1["deviation"] is None:
                spread = "; the same in each set" if sets > 1 else "; one set, no sd over sets"
            least, most = min(size["distractors"]), max(size["distractors"])
            there = f"{least:,}" if least == most else f"{least:,} to {most:,}, by the set,"
            fewer = "" if least == size["size"] else f", of which {there} are there"
            said.append(
                f"  rank-1 among {size['size']:>9,}{fewer}: {100 * rank_1['rate']:6.2f} % "
                f"(95 % by person {100 * low:.2f} to {100 * high:.2f}{spread})"
            )
        of_sets = numbers["tar_over_sets"]
        for point, sets in zip(numbers["verification"][-1]["tar_at_far"], of_sets, strict=True):
            low, high = point["interval"]
            said.append(
                f"  TAR at FAR {rate_words(point['far'])}: {100 * point['tar']:6.2f} % (95 % by person "
                f"{100 * low:.2f} to {100 * high:.2f}){UNSURE[point['resolution']]}"
                f"; {threshold_words(point)}{_over_sets(sets)}"
            )
        verified = numbers["verification"][-1]
        fars = [point["far"] for point in verified["tar_at_far"]]
        if words := no_false_accept_words(fars, verified["impostor"]):
            said.append(f"  {words}")
        if numbers["per_group"] is not None:
            said += [f"  {line}" for line in group_lines(numbers["per_group"], OF_SEARCHES)]
    return said


def _over_sets(tar: Mapping[str, Any]) -> str:
    """The mean and spread of a TAR over several sets; what stands before them is of the first."""
    if tar["deviation"] is None:
        return ""
    count = len(tar["per_set"])
    return f"; mean of {count} sets {100 * tar['mean']:.2f} %, sd {100 * tar['deviation']:.2f}"
