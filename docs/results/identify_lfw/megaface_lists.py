"""Lists as MegaFace's kit has them, of LFW's people and CelebA's faces: those of docs/identification.md.

    python docs/results/identify_lfw/megaface_lists.py crops

`crops` holds `lfw` and `celeba`, each with the manifest that `data_prep align` wrote. Into it come

    kit/facescrub_features_list.json           all photos of the people of 20 photos or more
    kit/megaface_features_list.json_SIZE_SET   10 to 5,000 faces of CelebA, in three orders
    one_face.txt                               the face of CelebA that is one of these people
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


def probes_of(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The kit's list of probes. rows: path and person of each photo."""
    count = Counter(person for _, person in rows)
    kept = [(path, person) for path, person in rows if count[person] >= PHOTOS]
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
    kit = crops / "kit"
    kit.mkdir(exist_ok=True)
    probes = probes_of(rows_of(crops / "lfw" / "manifest.csv"))
    (kit / "facescrub_features_list.json").write_text(json.dumps(probes), encoding="utf-8")
    print(f"{len(probes['path']):,} photos of {len(set(probes['id']))} people")
    faces = [path for path, _ in rows_of(crops / "celeba" / "manifest.csv")]
    for number in SETS:
        order = order_of(faces, number)
        for size in SIZES:
            file = kit / f"megaface_features_list.json_{size}_{number}"
            file.write_text(json.dumps({"path": order[:size]}), encoding="utf-8")
    (crops / "one_face.txt").write_text(f"{ONE_FACE}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
