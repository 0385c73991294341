"""The command `python -m eval paper`: a table or figure of the paper from a folder of face models."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sphereface_plus.commands.model_options import FILE, device_option, input_option, precision_option

if TYPE_CHECKING:
    from sphereface_plus.commands.model_argument import Precision

    from .tables import FaceTable, Measure, Share

# torch and what needs it are imported inside the command: --help and a wrong option answer at once.


@click.command()
@click.argument("table")
@click.option("--models", required=True, type=FILE, help="Folder of the models, named as in the table.")
@click.option("--lfw", type=FILE, help="LFW's folder; its columns stay empty without it.")
@click.option("--probes", type=FILE, help="FaceScrub, as of `megaface`; its columns stay empty without it.")
@click.option("--distractors", type=FILE, help="MegaFace, as of `megaface`.")
@click.option("--lists", type=FILE, help="The kit's folder templatelists.  [default: random orders of all]")
@click.option("--probe-noise", type=FILE, help="Probes known to be wrong.")
@click.option("--distractor-noise", type=FILE, help="Distractors known to be wrong.")
@input_option("ONNX files with none beside them")
@device_option
@precision_option
@click.option("--out", required=True, type=FILE, help="Folder of the table, and of each model's reports.")
def paper(
    table: str,
    models: Path,
    lfw: Path | None,
    probes: Path | None,
    distractors: Path | None,
    lists: Path | None,
    probe_noise: Path | None,
    distractor_noise: Path | None,
    input_file: Path | None,
    device: str,
    precision: Precision,
    out: Path,
) -> None:
    """Measure a folder of models and write a table of the paper, beside its numbers.

    TABLE is table08 (SphereFace-20 by margin), table09 (SphereFace-64), table10 (losses), table17
    (verification on MegaFace), table18 (training sets), figure09 (identification by number of distractors) or
    figure10 (ROC). `sphereface-plus reproduce TABLE` does the same, and has the tables and figures that are
    trained for. The same command again goes on where it was stopped; models that are not there are empty
    cells.

    \b
    python -m eval paper table08 --models models --lfw lfw --probes crops/facescrub \\
        --distractors crops/megaface --lists devkit/templatelists --out reports/table08
    """
    from sphereface_plus.outputs import claimed
    from sphereface_plus.path_checks import check_folder, check_source

    from . import tables

    description, _ = tables.load_table(table)
    check_folder(out)
    check_source(models, "folder of models")
    for place in (lfw, probes, distractors, lists, probe_noise, distractor_noise, input_file):
        if place is not None:
            check_source(place, "file or folder")
    if (probes is None) != (distractors is None):
        raise click.UsageError("--probes and --distractors go together")
    found = tables.models_of(description, models)
    missing = [name for name, paths in found.items() if not paths]
    if missing:
        click.echo(f"note: {models}: does not hold {', '.join(missing)}; their cells stay empty", err=True)

    measuring = Measuring(
        lfw, probes, distractors, lists, probe_noise, distractor_noise, input_file, device, precision, out
    )
    of_precision: dict[str, Any] = {} if precision == "fp32" else {"precision": precision}
    with claimed(out, "python -m eval paper", within=(), table=table, models=models, **of_precision):
        numbers = tables.cells(description, found, measuring)
        text = tables.markdown(description, numbers, measuring.distractors_searched())
        if of_precision:
            text += "Embedded in what is fast on the device; each model's reports say what.\n"
        from sphereface_plus.files import write_text

        write_text(out / "table.md", text)
        written = [out / "table.md", *_drawn(description, found, measuring, out)]
    click.echo(text)
    click.echo("\n".join(f"wrote {path}" for path in written))


@dataclass
class Measuring:
    """Model, measure -> its share; each report is made once, in OUT/<model>/lfw or OUT/<model>/megaface."""

    lfw: Path | None
    probes: Path | None
    distractors: Path | None
    lists: Path | None
    probe_noise: Path | None
    distractor_noise: Path | None
    input_file: Path | None
    device: str
    precision: Precision
    out: Path
    reports: dict[tuple[Path, str], dict[str, Any]] = field(default_factory=dict)

    def __call__(self, model: Path, measure: Measure) -> tuple[Share, Share | None] | None:
        from .tables import share_of

        report = self.report(model, "lfw" if measure == "lfw_accuracy" else "megaface")
        return None if report is None else share_of(report, measure)

    def distractors_searched(self) -> list[int]:
        """Of each MegaFace report, the distractors of its first set."""
        reports = [report for (_, kind), report in self.reports.items() if kind == "megaface"]
        return [report["results"]["raw"]["sizes"][-1]["distractors"][0] for report in reports]

    def report(self, model: Path, kind: str) -> dict[str, Any] | None:
        if (self.lfw if kind == "lfw" else self.probes) is None:
            return None
        if (model, kind) not in self.reports:
            click.echo(f"{model.name}: {kind}", err=True)
            self.reports[model, kind] = self._verified(model) if kind == "lfw" else self._identified(model)
        return self.reports[model, kind]

    def _asked(self, model: Path):
        from ..model import ModelAsked

        needs_spec = (
            self.input_file is not None and model.suffix == ".onnx" and not Path(f"{model}.yaml").is_file()
        )
        return ModelAsked(
            str(model),
            self.input_file if needs_spec else None,
            device=self.device,
            precision=self.precision,
        )

    def _verified(self, model: Path) -> dict[str, Any]:
        from ..lfw import pairs_of
        from ..report_files import read
        from ..verify import Verification, verify

        pairs, title = pairs_of(self.lfw, 2, None)
        out = self.out / model.name / "lfw"
        verify(Verification(title, self._asked(model), pairs, self.lfw, out, "sphereface", command=_typed()))
        return dict(read(out))

    def _identified(self, model: Path) -> dict[str, Any]:
        from ..megaface.run import run
        from ..megaface.sides import Asked

        assert self.probes is not None
        assert self.distractors is not None
        return run(
            Asked(
                model=self._asked(model),
                probes=self.probes,
                distractors=self.distractors,
                lists=self.lists,
                probe_list=None,
                probe_noise=self.probe_noise,
                distractor_noise=self.distractor_noise,
                suffix=None,
                sets=3,
                flip="concat",
                out=self.out / model.name / "megaface",
                command=_typed(),
            )
        )


def _typed() -> str:
    return shlex.join(["python", "-m", "eval", *sys.argv[1:]])


def _drawn(table: FaceTable, models: dict[str, list[Path]], measuring: Measuring, out: Path) -> list[Path]:
    """The table's plot of every model that was measured, its first seed."""
    if table.plot == "none":
        return []
    from .plots import Drawn, rank_by_distractors, roc_by_distractors

    curves = [
        Drawn(f"{column}, {row}", number, place, report["results"])
        for number, (row, columns) in enumerate(table.rows.items())
        for place, (column, name) in enumerate(columns.items())
        for path in models[name][:1]
        if (report := measuring.report(path, "megaface")) is not None
    ]
    if not curves:
        return []
    draw = rank_by_distractors if table.plot == "rank_by_distractors" else roc_by_distractors
    return draw(curves, out)
