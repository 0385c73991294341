"""Embeddings of all of LFW's photos into an .npz for each of the lists that lists.py wrote.

    python docs/results/identify_lfw/npz_of_lists.py NAME.npz crops OUT

NAME.npz has the keys Person/Person_0001. OUT/gallery/NAME.npz and so on have the lists' own,
lfw/Person/Person_0001, so that `eval compare` sees the same photos as in a report that took the lists.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

LISTS = ("gallery", "probes", "probes_others", "all", "others")


def main(embeddings: Path, crops: Path, out: Path) -> None:
    with np.load(embeddings) as file:
        row_of = {key: row for row, key in enumerate(file["keys"].tolist())}
        values, meta = file["embeddings"], file["meta"]
    for name in LISTS:
        lines = (crops / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        keys = [line.rsplit(" ", 1)[0].removesuffix(".png") for line in lines]
        rows = [row_of[key.removeprefix("lfw/")] for key in keys]
        (out / name).mkdir(parents=True, exist_ok=True)
        np.savez(out / name / embeddings.name, keys=np.array(keys), embeddings=values[rows], meta=meta)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
