"""The small sets of README.md's MegaFace run: twelve photos each of LFW's people of 20 or more, and CelebA.

    python docs/results/identify_lfw/readme_sets.py LFW_PHOTOS CELEBA_PHOTOS small
    # small/photos/lfw, small/photos/celeba with 1,000 faces
    python -m data_prep align small/photos/lfw small/lfw --template arcface_112x112
    python -m data_prep align small/photos/celeba small/celeba --template arcface_112x112
    python docs/results/identify_lfw/readme_sets.py small
    # small/lists: three sets of 10, 100 and 900 faces

LFW_PHOTOS holds a folder a person, CELEBA_PHOTOS image files; of both the first by name are taken.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from megaface_lists import PHOTOS, SETS, order_of, rows_of

PHOTOS_EACH = 12
NUM_FACES = 1000
SIZES = (10, 100, 900)


def photos(lfw: Path, celeba: Path, out: Path) -> None:
    for person in sorted(lfw.iterdir()):
        files = sorted(person.glob("*.jpg"))
        if len(files) >= PHOTOS:
            (out / "photos/lfw" / person.name).mkdir(parents=True, exist_ok=True)
            for file in files[:PHOTOS_EACH]:
                shutil.copy(file, out / "photos/lfw" / person.name)
    for file in sorted(celeba.glob("*.jpg"))[:NUM_FACES]:
        (out / "photos/celeba" / file.stem).mkdir(parents=True, exist_ok=True)  # `align` wants a folder each
        shutil.copy(file, out / "photos/celeba" / file.stem)


def lists(crops: Path) -> None:
    rows = rows_of(crops / "lfw/manifest.csv")
    probes = {"path": [path for path, _ in rows], "id": [person for _, person in rows]}
    faces = [path for path, _ in rows_of(crops / "celeba/manifest.csv")]
    kit = crops / "lists"
    kit.mkdir(exist_ok=True)
    (kit / "facescrub_features_list.json").write_text(json.dumps(probes), encoding="utf-8")
    for number in SETS:
        for size in SIZES:
            file = kit / f"megaface_features_list.json_{size}_{number}"
            file.write_text(json.dumps({"path": order_of(faces, number)[:size]}), encoding="utf-8")


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    photos(*given) if len(given) == 3 else lists(*given)
