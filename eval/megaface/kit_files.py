"""The kit's own result files, one a set and size, as scripts around the kit read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sphereface_plus.files import write_text

from ..search_statistics import cmc
from .challenge import Found
from .sets import DistractorSet

KIT_RANKS = 1000


def write_kit_files(
    folder: Path, model: str, sets: Sequence[DistractorSet], found: Mapping[str, Found]
) -> None:
    """`cmc_facescrub_megaface_<model>_<size>_<set>.json` into FOLDER/raw and FOLDER/cleaned, the keys of
    `found`; size and set are those of the lists. `cmc`: all ranks up to 1,000, counted from 0, and their
    rates; `roc`: FAR and TAR, at most 300 points."""
    for kind, one in found.items():
        for of_set, above, curves in zip(sets, one.counts, one.curves, strict=True):
            for column, size in enumerate(of_set.sizes):
                ranks, curve = list(range(1, min(KIT_RANKS, size) + 1)), curves[column]
                content = {
                    "cmc": [[rank - 1 for rank in ranks], cmc(above[:, column], ranks).tolist()],
                    "roc": [curve.far.tolist(), curve.tar.tolist()],
                }
                name = f"cmc_facescrub_megaface_{model}_{size}_{of_set.number}.json"
                write_text(folder / kind / name, json.dumps(content) + "\n")
