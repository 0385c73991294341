"""Lists as MegaFace's kit has them, of LFW's people and CelebA's faces: those of docs/identification.md.

    python docs/results/identify_lfw/megaface_lists.py crops

`crops` holds `lfw` and `celeba`, each with the manifest that `data_prep align` wrote. Into it come

    kit/facescrub_features_list.json           all photos of the people of 20 photos or more
    kit/megaface_features_list.json_SIZE_SET   10 to 5,000 faces of CelebA, in three orders
    kit_others/...                             the same without the person of most photos
    one_face.txt                               the face of CelebA that is this person
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter
from pathlib import Path

PHOTOS = 20
SIZES = (10, 100, 1000, 5000)
SETS = (1, 2, 3)
ONE_FACE = "003977.jpg"


def probes_of(rows: list[tuple[str, str]], *, most: int | None = None) -> dict[str, list[str]]:
    """The kit's list of probes. rows: path and person of each photo; most: photos a person may have."""
    count = Counter(person for _, person in rows)
    kept = [row for row in rows if PHOTOS <= count[row[1]] <= (most or count.total())]
    return {"path": [path for path, _ in kept], "id": [person for _, person in kept]}


def order_of(paths: list[str], number: int) -> list[str]:
    """Set `number`'s order, of which each size takes the first."""
    order = list(paths)
    random.Random(number).shuffle(order)
    return order


def rows_of(manifest: Path) -> list[tuple[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return [(row["path"], row["identity"]) for row in csv.DictReader(file)]


def main(crops: Path) -> None:
    photos = rows_of(crops / "lfw" / "manifest.csv")
    most = max(Counter(person for _, person in photos).values())
    faces = [path for path, _ in rows_of(crops / "celeba" / "manifest.csv")]
    for kit, probes in (
        (crops / "kit", probes_of(photos)),
        (crops / "kit_others", probes_of(photos, most=most - 1)),
    ):
        kit.mkdir(exist_ok=True)
        (kit / "facescrub_features_list.json").write_text(json.dumps(probes), encoding="utf-8")
        print(f"{kit}: {len(probes['path']):,} photos of {len(set(probes['id']))} people")
        for number in SETS:
            order = order_of(faces, number)
            for size in SIZES:
                file = kit / f"megaface_features_list.json_{size}_{number}"
                file.write_text(json.dumps({"path": order[:size]}), encoding="utf-8")
    (crops / "one_face.txt").write_text(f"{ONE_FACE}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
