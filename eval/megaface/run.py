"""MegaFace from files to a report: lists, embeddings, noise, and the measures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sphereface_plus.commands.progress import show_progress
from sphereface_plus.data.formats.megaface_features import write_feature
from sphereface_plus.data.formats.megaface_lists import MegaFaceError, TemplateList, read_noise_list
from sphereface_plus.environment import record
from sphereface_plus.files import write_text
from sphereface_plus.model_files import contents
from sphereface_plus.outputs import claimed

from ..errors import SearchError
from ..example_photos import Images
from ..groups import Groups, check_some, read_groups
from ..public import PUBLIC
from ..statistics import Rates, with_wanted
from ..training_photos import compare_searches
from . import page
from .challenge import FARS, Found, measure, noise_among
from .examples import Searched, hardest, same_images, same_probes, twins
from .kit_files import write_kit_files
from .noise import noise_warnings
from .people import of_people
from .sets import DistractorSet, drawn_sets, sets_of_lists
from .sides import (
    AS_IN_FEATURES,
    Asked,
    Side,
    all_paths,
    check_sides,
    distractors_of_lists,
    embedded,
    paths_in,
    probe_list,
)

MISSING = "missing_distractors.txt"
"""In OUT, where there are such: a path a line."""
LEFT_OUT = (
    "An image that a list names and its folder lacks is refused among the probes, and left out and counted "
    "among the distractors. The images of noise lists are left out of the cleaned numbers. What is damaged, "
    "not finite, zero, or of another dimension is refused. A probe that is its person's only one has no mate "
    "and is not searched for, which is counted; its pairs with distractors are impostors all the same. "
    "Nothing else is left out."
)


def run(asked: Asked) -> dict[str, Any]:
    """Measures, writes OUT/report.json and OUT/kit/, and returns the report.

    Raises UserError (its subclasses) with a sentence for anything that cannot be used.
    """
    with _claimed(asked):
        probes = probe_list(asked)
        lists = distractors_of_lists(asked)
        groups = None if asked.groups is None else read_groups(asked.groups)
        if groups is not None:
            check_some(groups, probes[1])
        report, pictures = _measured(asked, probes, lists, groups)
        page.write(report, asked.out, pictures)
        return report


def _claimed(asked: Asked):
    model = None if asked.model is None else asked.model.name
    file = None if model in (None, "pixels") else Path(model)
    return claimed(
        asked.out,
        "python -m eval megaface",
        within=("kit", PUBLIC),
        contents=contents(
            model=file,
            input=None if asked.model is None else asked.model.input_file,
            probe_noise=asked.probe_noise,
            distractor_noise=asked.distractor_noise,
            groups=asked.groups,
        ),
        model=file or model or "features",
        probes=asked.probes,
        distractors=asked.distractors,
        lists=asked.lists,
        probe_list=asked.probe_list,
        suffix=asked.suffix,
        sets=asked.sets,
        flip=asked.flip,
        groups=asked.groups,
        **(asked.model.other_than_exact if asked.model is not None else {}),
    )


def _measured(
    asked: Asked,
    probe_list: tuple[list[str], list[str]],
    lists: dict[int, dict[int, TemplateList]] | None,
    groups: Groups | None,
) -> tuple[dict[str, Any], Images]:
    probes = embedded(asked, asked.probes, probe_list[0], "probes", may_lack=False)
    names, people = np.unique(np.array(probe_list[1]), return_inverse=True)
    paths = paths_in(asked, asked.distractors) if lists is None else all_paths(lists)
    distractors = embedded(asked, asked.distractors, paths, "distractors", may_lack=lists is not None)
    check_sides(probes, distractors)
    row_of = {key: row for row, key in enumerate(distractors.keys)}
    sets = drawn_sets(len(row_of), asked.sets, 0) if lists is None else sets_of_lists(lists, row_of)
    probe_noise, of_probes = noise_among(probes.keys, _noise(asked.probe_noise))
    distractor_noise, of_distractors = noise_among(distractors.keys, _noise(asked.distractor_noise))
    start = time.monotonic()
    fars = with_wanted(FARS, asked.fars)
    raw = _searched(probes, people, distractors, sets, fars, "raw")
    found = {"raw": (raw, people)}
    warnings = noise_warnings({"probes": of_probes, "distractors": of_distractors})
    if probe_noise.any() or distractor_noise.any():
        kept = np.flatnonzero(~probe_noise)
        clean_sets = [one.without(distractor_noise) for one in sets]
        try:
            clean = _searched(probes, people, distractors, clean_sets, fars, "cleaned", kept)
        except (MegaFaceError, SearchError) as error:
            warnings.append(f"without the images of the noise lists nothing can be measured: {error}")
        else:
            found["cleaned"] = (clean, people[kept])
    seconds = time.monotonic() - start
    if asked.write_features is not None:
        _write_features(asked.write_features, probes, distractors)
    whose = dict(zip(probes.keys, probe_list[1], strict=True))
    of_kind = {"raw": Searched(probes.keys, probe_list[1], raw)}
    if "cleaned" in found:
        rows = np.flatnonzero(~probe_noise).tolist()
        of_kind["cleaned"] = Searched(
            [probes.keys[row] for row in rows], [probe_list[1][row] for row in rows], found["cleaned"][0]
        )
    shown = list(of_kind)[-1]
    report = {
        "format": 1,
        "kind": "megaface",
        "title": "MegaFace, challenge 1",
        "created": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": asked.command,
        "model": probes.model,
        "flip": asked.flip if asked.model is not None else AS_IN_FEATURES,
        "left_out": LEFT_OUT,
        "rule": "A distractor of exactly the mate's score counts as above it.",
        "probes": _about(probes, of_probes, int(probe_noise.sum()))
        | {"people": len(names), "sha256": _hash([f"{key}\t{whose[key]}" for key in sorted(whose)])},
        "distractors": _about(distractors, of_distractors, int(distractor_noise.sum()))
        | {"sha256": _hash(one.words(distractors.keys) for one in sets)},
        "sets": f"{len(sets)} of the lists" if lists is not None else f"{len(sets)} random orders, seed 0",
        "set_numbers": [one.number for one in sets],
        "warnings": warnings,
        "training": compare_searches(whose, probes.trained_on, probes.files),
        "same_image": {kind: same_images(one, distractors) for kind, one in of_kind.items()},
        "same_probes": {kind: same_probes(one) for kind, one in of_kind.items()},
        "examples_are": shown,
        "examples": {
            "hardest": hardest(of_kind[shown], distractors),
            "twins": twins(of_kind[shown], distractors),
        },
        "people": names.tolist(),
        "results": {
            kind: one.numbers | of_people(one, whose_rows, names.tolist(), groups)
            for kind, (one, whose_rows) in found.items()
        },
        "seconds": seconds,
        "environment": record(gpu=probes.runs_on == "cuda"),
    }
    if distractors.missing:
        write_text(asked.out / MISSING, "".join(f"{path}\n" for path in distractors.missing))
    searched = {kind: one for kind, (one, _) in found.items()}
    write_kit_files(asked.out / "kit", probes.model["label"], sets, searched)
    return report, {"probes": probes.files, "distractors": distractors.files}


def _hash(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode(errors="surrogateescape") + b"\n")
    return digest.hexdigest()


def _noise(file: Path | None):
    return None if file is None else read_noise_list(file)


def _searched(
    probes: Side,
    people: np.ndarray,
    distractors: Side,
    sets: Sequence[DistractorSet],
    fars: Rates,
    what: str,
    kept: np.ndarray | None = None,
) -> Found:
    kept = np.arange(len(people)) if kept is None else kept
    with show_progress(f"distractors searched, {what}") as progress:
        return measure(
            probes.rows[kept],
            people[kept],
            distractors.rows,
            sets,
            fars=fars,
            progress=lambda done, total: progress(done, total, 0),
        )


def _about(side: Side, noise: dict[str, Any] | None, noisy: int) -> dict[str, Any]:
    return {
        "images": len(side.paths),
        "missing": len(side.missing),
        "missing_first": side.missing[:20],
        "preparation": side.preparation,
        "noise": None if noise is None else noise | {"left_out": noisy},
    }


def _write_features(folder: Path, probes: Side, distractors: Side) -> None:
    for name, side in (("probes", probes), ("distractors", distractors)):
        with show_progress(f"features of {name} written") as progress:
            for number, (path, row) in enumerate(zip(side.paths, side.rows, strict=True)):
                write_feature(folder / name / f"{path}_{probes.model['label']}.bin", row)
                progress(number + 1, len(side.paths), 0)
