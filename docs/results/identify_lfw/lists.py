"""The lists of the identification runs on LFW and CelebA that docs/results shows: written from LFW's folder.

    python docs/results/identify_lfw/lists.py path/to/lfw/images crops

Into the folder that holds the crops of LFW as `lfw` it writes

    gallery.txt         the first photo of each person of several
    probes.txt          all other photos: of those people, and of the people of one photo
    probes_others.txt   the same without the photos of DOUBLE_NAMES
    all.txt             all photos of people of several, to search for each among the others
    others.txt          the photos of people of one
"""

from __future__ import annotations

import sys
from pathlib import Path

DOUBLE_NAMES = (
    "Hasan_Wirayuda",  # Hassan_Wirajuda
    "Mireya_Elisa_Moscoso_Rodriguez",  # Mireya_Moscoso
    "Sung_Hong_Choi",  # Choi_Sung-hong
    "Wang_Nan",  # Nan_Wang
    "Yingfan_Wang",  # Wang_Yingfan
)
"""People of one photo whose name is written otherwise in the gallery."""


def lists_of(photos: dict[str, list[str]]) -> dict[str, list[tuple[str, str]]]:
    """Name of a list -> its (photo, person). photos: person -> names of the photos, sorted."""
    known = {person for person, names in photos.items() if len(names) > 1}
    rows = [(name, person, number) for person, names in photos.items() for number, name in enumerate(names)]
    gallery = [(name, person) for name, person, number in rows if person in known and number == 0]
    probes = [(name, person) for name, person, number in rows if person not in known or number > 0]
    return {
        "gallery": gallery,
        "probes": probes,
        "probes_others": [row for row in probes if row[1] not in DOUBLE_NAMES],
        "all": [(name, person) for name, person, _ in rows if person in known],
        "others": [(name, person) for name, person, _ in rows if person not in known],
    }


def main(images: Path, crops: Path) -> None:
    photos = {
        person.name: sorted(photo.stem for photo in person.glob("*.jpg"))
        for person in sorted(images.iterdir())
        if person.is_dir()
    }
    for name, rows in lists_of(photos).items():
        lines = [f"lfw/{person}/{photo}.png {person}\n" for photo, person in rows]
        (crops / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
        print(f"{crops / name}.txt: {len(rows):,} photos of {len({person for _, person in rows}):,} people")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
