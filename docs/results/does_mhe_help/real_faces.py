"""The crops and lists of the studies on real faces: LFW's DevTrain people and CelebA's, tested on DevTest's.

    python docs/results/does_mhe_help/real_faces.py path/to/lfw path/to/celeba OUT

LFW's folder holds images/ and the lists of view 1, CelebA's images/ and identities.csv. OUT gets

    train/          crops of DevTrain's people (train/lfw) and of CelebA's (train/celeba), and one manifest of
                    both
    test/           crops of all people of DevTest, of whom pairsDevTest's are a part
    pairs.txt       pairsDevTest, as it is
    gallery.txt, probes.txt, distractors.txt
                    keys of test: the first photo of each person of several; their other photos, and every
                    second person of one photo, who is unknown; the other people of one photo

Nobody of DevTest is trained on: not by name, and not by the look of the faces, and people of CelebA who look
like one of DevTrain are left out too, since they would be two classes. left_out.txt beside this file names
them. It was made by

    ... --model MobileFaceNet.onnx

which aligns the photos for that model as well, has `python -m data_prep doctor` compare them, and writes the
file. The same command again goes on with what is there.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

LEFT_OUT = Path(__file__).with_name("left_out.txt")
INPUT = Path(__file__).parents[3] / "configs" / "input" / "mobilefacenet.yaml"
SETS = {"lfw": "train/lfw", "celeba": "train/celeba", "test": "test"}


def people_of(lfw: Path, name: str) -> list[str]:
    """The people of one of LFW's lists, whose first line is their number."""
    return [line.split("\t")[0] for line in (lfw / name).read_text(encoding="utf-8").splitlines()[1:] if line]


def photos_of(lfw: Path, people: Iterable[str]) -> list[tuple[str, str]]:
    """(path below images, person) of all photos of these people."""
    return [
        (f"{who}/{file.name}", who) for who in people for file in sorted((lfw / "images" / who).glob("*.jpg"))
    ]


def lists_of(keys: Iterable[str]) -> dict[str, list[str]]:
    """gallery, probes and distractors, of photo keys person/photo."""
    of: dict[str, list[str]] = {}
    for key in sorted(keys):
        of.setdefault(key.split("/")[0], []).append(key)
    several = [photos for photos in of.values() if len(photos) > 1]
    single = [photos[0] for photos in of.values() if len(photos) == 1]
    return {
        "gallery": [photos[0] for photos in several],
        "probes": [*(key for photos in several for key in photos[1:]), *single[::2]],
        "distractors": single[1::2],
    }


def data_prep(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "data_prep", *map(str, words)], check=True)


def align(images: Path, rows: list[tuple[str, str]], out: Path, *options: object) -> None:
    """Crops of listed photos, at out/person/photo.png."""
    out.parent.mkdir(parents=True, exist_ok=True)
    photos = out.with_name(f"{out.name}.list.txt")
    photos.write_text("".join(f"{path} {who}\n" for path, who in rows), encoding="utf-8")
    if not (out / "manifest.csv").is_file():
        data_prep("align", images, out, "--layout", "list", "--list", photos, *options)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def write_manifest(out: Path, rows: list[dict[str, str]]) -> None:
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def joined(train: Path, left_out: set[str]) -> list[dict[str, str]]:
    """The rows of train/lfw and train/celeba as one manifest's; numbers of CelebA become names."""
    rows = []
    for name in ("lfw", "celeba"):
        for row in rows_of(train / name):
            who = row["identity"] if name == "lfw" else f"celeba_{row['identity']}"
            if who not in left_out:
                rows.append(row | {"path": f"{name}/{row['path']}", "identity": who})
    return rows


def landmarks(folder: Path, file: Path) -> None:
    """What `align --landmarks` takes, from the manifest of a folder of crops."""
    points = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
    columns = [f"{point}_{axis}" for point in points for axis in "xy"]
    lines = ["\t".join([row["source"], *(row[name] for name in columns)]) for row in rows_of(folder)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def proposals(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def look_for_people(out: Path, places: dict[str, Path], model: str) -> None:
    """Writes left_out.txt: who of the training sets looks like somebody of the test set or of the other."""
    other = out / "by_embedding"
    for name, below in SETS.items():
        landmarks(out / below, other.parent / f"{name}_landmarks.txt")
        kept = [(row["source"], row["identity"]) for row in rows_of(out / below)]
        options = ["--template", "arcface_112x112", "--landmarks", out / f"{name}_landmarks.txt"]
        align(places[name], kept, other / below, *options)
    write_manifest(other / "train", joined(other / "train", set()))
    report = out / "doctor"
    data_prep(
        "doctor", other / "train", report, "--against", other / "test", "--model", model, "--input", INPUT
    )
    found = proposals(report / "proposals.csv")
    shared = {row["identity"] for row in found if row["kind"] in ("shared_name", "shared_face")}
    pairs: dict[str, set[str]] = {}
    for row in found:
        if row["kind"] == "one_person":
            pairs.setdefault(row["finding"], set()).add(row["identity"])
    # Of two identities that look like one person CelebA's goes, else the second by name.
    twins = {
        sorted(two, key=lambda who: (who.startswith("celeba_"), who))[-1] for two in pairs.values()
    } - shared
    lines = [*(f"{who}\n" for who in sorted(shared)), *(f"{who}\n" for who in sorted(twins))]
    LEFT_OUT.write_text("".join(lines), encoding="utf-8")
    print(f"{LEFT_OUT}: {len(shared)} people who look or are called like one of DevTest; {len(twins)} twins")


def main() -> None:
    parser = argparse.ArgumentParser(description="The crops of the studies on real faces.")
    parser.add_argument("lfw", type=Path)
    parser.add_argument("celeba", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", help="an embedder, to write left_out.txt with")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    lfw, celeba, out = asked.lfw, asked.celeba, asked.out
    with (celeba / "identities.csv").open(newline="", encoding="utf-8") as lines:
        faces = [(row["file"], row["identity"]) for row in csv.DictReader(lines)]
    workers = ["--workers", asked.workers]
    align(lfw / "images", photos_of(lfw, people_of(lfw, "peopleDevTrain.txt")), out / SETS["lfw"], *workers)
    align(celeba / "images", faces, out / SETS["celeba"], "--realign", *workers)
    tested = photos_of(lfw, people_of(lfw, "peopleDevTest.txt"))
    align(lfw / "images", tested, out / SETS["test"], "--fallback", "centre", *workers)
    if asked.model is not None:
        places = {"lfw": lfw / "images", "celeba": celeba / "images", "test": lfw / "images"}
        look_for_people(out, places, asked.model)
    left_out = set(LEFT_OUT.read_text(encoding="utf-8").split())
    rows = joined(out / "train", left_out)
    write_manifest(out / "train", rows)
    shutil.copyfile(lfw / "pairsDevTest.txt", out / "pairs.txt")
    for name, keys in lists_of(row["path"].removesuffix(".png") for row in rows_of(out / "test")).items():
        (out / f"{name}.txt").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    print(f"{out}: {len(rows):,} crops of {len({row['identity'] for row in rows}):,} people to train on")


if __name__ == "__main__":
    main()
