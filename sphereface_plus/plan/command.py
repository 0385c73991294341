"""The command `sphereface-plus plan`."""

from __future__ import annotations

import math
from pathlib import Path

import click

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


MOST_WHOLE = 1e15


class Number(click.ParamType):
    """A number above 0, perhaps as 10e6."""

    name = "number"

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        most = MOST_WHOLE if self.whole else math.inf
        if not 0 < number < math.inf or number > most or (self.whole and number != int(number)):
            kind = "a whole number" if self.whole else "a number"
            limit = "" if number <= most or math.isnan(number) else f", and {most:.0e} at most"
            self.fail(f"{value!r} is not {kind} above 0{limit}, such as 10e6", param, ctx)
        return int(number) if self.whole else number


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--identities", type=Number(whole=True), required=True, help="People to train on, such as 10e6."
)
@click.option(
    "--processes",
    type=Number(whole=True),
    help="GPUs, or processes of CPUs, that train together.  [default: those of torchrun]",
)
@click.option("--images", type=Number(whole=True), help="Images of them, for the time of an epoch.")
@click.option("--network-flops", type=Number(), help="FLOP a second that a process's network trains with.")
@click.option("--product-flops", type=Number(), help="FLOP a second of a process's float32 products.")
@click.option("--memory-rate", type=Number(), help="Bytes a second that an update of weights goes through.")
@click.option("--bandwidth", type=Number(), help="Bytes a second between processes, such as 12.5e9.")
@click.option(
    "--check", type=click.IntRange(min=1), help="Make so many updates here, on noise, and say what they took."
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the recipe; repeatable.",
)
def plan(
    recipe: Path,
    identities: int,
    processes: int | None,
    images: int | None,
    network_flops: float | None,
    product_flops: float | None,
    memory_rate: float | None,
    bandwidth: float | None,
    check: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Say what training RECIPE with so many identities takes: memory, time and traffic of each process.

    RECIPE is a YAML file or the name of one that is installed, such as face/sphereface20_casia.

    Rates that are not given are measured here in some seconds, those of the traffic under torchrun only. Data
    need not be there. The formulas are in plan/prediction.py.

    \b
    sphereface-plus plan configs/face/sphereface20_casia.yaml --identities 10e6 --processes 64 \\
        --set train.batch_size=8192 --set head=sharded --bandwidth 12.5e9
    torchrun --nproc-per-node 2 -m sphereface_plus plan RECIPE --identities 20000 --check 5
    """
    from sphereface_plus.plan.plan import lines_of

    given = {
        "network_flop": network_flops,
        "product_flop": product_flops,
        "memory_bytes": memory_rate,
        "traffic_bytes": bandwidth,
    }
    for line in lines_of(
        recipe,
        overrides,
        identities=identities,
        processes=processes,
        images=images,
        given={name: rate for name, rate in given.items() if rate is not None},
        check=check,
    ):
        click.echo(line)
