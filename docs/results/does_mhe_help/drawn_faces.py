"""The crops and lists of the study on drawn people: balanced classes, and unseen people to test on.

    python docs/results/does_mhe_help/drawn_faces.py OUT [--people 10572] [--photos 4] [--test-people 2000]
    ...

OUT gets train/, test/, pairs.txt, gallery.txt, probes.txt and distractors.txt, as real_faces.py says: of each
test person the first photo is in the gallery and the others are probes; of the people drawn as distractors
every second one is searched for, and unknown. later.txt names all people to train on but the first 1,000:
the first training is done without them, since all are too many for one that begins with nothing. The
landmarks are those that were drawn: nothing is detected. The same command again goes on with what is there.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path


def data_prep(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "data_prep", *map(str, words)], check=True)


def keys_of(folder: Path) -> list[str]:
    return sorted(f"{photo.parent.name}/{photo.stem}" for photo in folder.glob("*/*.png"))


def main() -> None:
    parser = argparse.ArgumentParser(description="The crops of the study on drawn people.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=10572)
    parser.add_argument("--first-people", type=int, default=1000)
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--test-people", type=int, default=2000)
    parser.add_argument("--test-photos", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=300, help="of each kind in each of ten folds")
    parser.add_argument("--distractors", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    out, drawn = asked.out, asked.out / "photos"
    sizes = ("people", "photos", "test_people", "test_photos", "pairs", "distractors", "workers")
    options = [word for name in sizes for word in (f"--{name.replace('_', '-')}", getattr(asked, name))]
    data_prep("draw", drawn, *options)
    crops = {
        "train": out / "train",
        "test": out / "crops" / "test",
        "distractors": out / "crops" / "distractors",
    }
    for name, place in crops.items():
        if not (place / "manifest.csv").is_file():
            how = ["--landmarks", drawn / f"{name}_landmarks.txt", "--workers", asked.workers]
            data_prep("align", drawn / name, place, *how)
    tested, others = keys_of(crops["test"]), keys_of(crops["distractors"])
    for keys, place in ((tested, crops["test"]), (others, crops["distractors"])):
        for key in keys:  # one folder of all that is embedded
            (out / "test" / key).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place / f"{key}.png", out / "test" / f"{key}.png")
    lists = {
        "gallery": [key for key in tested if key.endswith("_0001")],
        "probes": [*(key for key in tested if not key.endswith("_0001")), *others[::2]],
        "distractors": others[1::2],
    }
    for name, keys in lists.items():
        (out / f"{name}.txt").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    shutil.copyfile(drawn / "pairs.txt", out / "pairs.txt")
    people = sorted({key.split("/")[0] for key in keys_of(crops["train"])})
    later = "".join(f"{person}\n" for person in people[asked.first_people :])
    (out / "later.txt").write_text(later, encoding="utf-8")
    others = len(lists["probes"]) + len(lists["gallery"]) + len(lists["distractors"])
    print(f"{out}: {asked.people:,} people to train on, {others:,} photos of others to test with")


if __name__ == "__main__":
    main()
