"""What the command `doctor` does, and its last words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sphereface_plus.path_checks import check_folder
from sphereface_plus.words import counted

from ..errors import PrepError
from ..packing import about_set, sentences
from .examine import examine
from .findings import KINDS
from .page import PAGE, PROPOSALS, write_report


def run(
    data: Path, out: Path, *, against: Path | None, model: str | None, input_file: Path | None
) -> Iterator[str]:
    """The lines that the command prints. Raises PrepError, PlaceError, and what the model is refused for."""
    check_folder(out)
    embedder = None
    if model is not None:
        from sphereface_plus.commands.model_argument import open_model

        embedder = open_model(model, input_file)
    elif input_file is not None:
        raise PrepError("--input is the input spec of a model; give --model too, or leave it out")
    with sentences():
        examined = examine(data, against=against, embedder=embedder)
    title = data.resolve().name + (f" against {against.resolve().name}" if against else "")
    write_report(examined, out, title=title)
    counts = Counter(finding.kind for finding in examined.findings)
    drops = {entry.crop for finding in examined.findings for entry in finding.entries if entry.drop}
    yield f"{counted(len(examined.names), 'crop')} of {counted(len(examined.crops.identities), 'identity')}"
    yield from (f"  {line}" for line in about_set(examined.crops.left_out, examined.crops.notes))
    for kind, words in KINDS.items():
        if counts[kind]:
            yield f"  {words}: {counts[kind]:,}"
    if examined.left_out:
        yield f"crops of {against} that are unreadable or of another size: {examined.left_out:,}, left out"
    yield f"proposals: {counted(len(drops), 'crop to drop')}, others to look at: {out / PROPOSALS}"
    yield f"next: look at {out / PAGE}, edit the proposals, then"
    yield f"  python -m data_prep drop {out / PROPOSALS} {data}"
