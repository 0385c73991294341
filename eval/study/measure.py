"""What a study measures of one run: verification, identification, angles of embeddings and prototypes.

    DATA/train, DATA/test       crops; identities of test are nobody of train
    DATA/pairs.txt              pairs of test, in LFW's format
    DATA/{gallery,probes,distractors}.txt
                                photos of test by their keys, person/photo, one a line: who can be found, who
                                is searched for, and who else is enrolled

The test crops are embedded once. `verify` and `identify` then read these embeddings, so that their numbers
are those that anybody gets by these commands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sphereface_plus import checkpoint
from sphereface_plus.data.faces import FaceCrops
from sphereface_plus.data.formats.embeddings import read_embeddings, write_embeddings
from sphereface_plus.data.formats.names import read_names
from sphereface_plus.data.formats.pairs import read_pairs
from sphereface_plus.mhe import classifier_energy, hyperspherical_energy, smallest_angle
from sphereface_plus.training.logs import read_log

from ..people import people_of
from ..statistics import equal_error_rate, roc, tar_at_far
from .spec import Study

ROLES = ("gallery", "probes", "distractors")
SETS = ("train", "test")
"""Folders of crops in a study's data."""
FPIR, FAR = 1e-2, 1e-3
MOST = 4500
LATE = 0.2
"""The last share of a run's log lines, over which its numbers are averaged."""


def lists(study: Study) -> list[str]:
    """The texts that are needed beside them."""
    first = [] if study.first_without is None else [study.first_without]
    return ["pairs.txt", *(f"{role}.txt" for role in ROLES), *first]


def turned_degrees(prototypes: torch.Tensor, before: torch.Tensor) -> float:
    """The mean angle between the rows of two (C, D), in degrees."""
    cosine = torch.cosine_similarity(prototypes.double(), before.double()).clamp(-1, 1)
    return math.degrees(cosine.arccos().mean().item())


def measuring(run: Path, data: Path, place: Path) -> Iterator[list[str]]:
    """The commands, words behind `python -m eval`, one after the other; what they need of each other is made
    in between. place: a folder for embeddings and reports."""
    embeddings = place / "test.npz"
    yield ["embed", str(run), str(data / "test"), str(embeddings), "--precision", "fp32"]
    keys, rows, meta = read_embeddings(embeddings)
    row_of = {key: row for row, key in enumerate(keys)}
    for role in ROLES:
        chosen = read_names(data / f"{role}.txt")
        write_embeddings(place / f"{role}.npz", chosen, rows[[row_of[key] for key in chosen]], meta)
    out = ["--no-thumbnails", "--out"]
    yield [
        "verify",
        "--model",
        str(embeddings),
        "--pairs",
        str(data / "pairs.txt"),
        *out,
        str(place / "pairs"),
    ]
    sets = [word for role in ROLES for word in (f"--{role}", str(place / f"{role}.npz"))]
    yield ["identify", *sets, "--orders", "1", *out, str(place / "searches")]


def numbers_of(
    run: Path, start: Path, data: Path, place: Path
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Every number of a run that `measuring` has measured; which pairs (P,) and searches (Q,) were right.
    start: the run that it went on from, or itself."""
    pairs, searches = (
        json.loads((place / kind / "report.json").read_text(encoding="utf-8"))
        for kind in ("pairs", "searches")
    )
    found = {
        "accuracy": 100 * pairs["results"]["accuracy"],
        "rank_1": 100 * searches["results"]["ranks"][0]["share"],
        "fnir": 100 * next(p["fnir"] for p in searches["results"]["open_set"]["points"] if p["fpir"] == FPIR),
    }
    keys, rows, _ = read_embeddings(place / "test.npz")
    found |= angles_of(rows, np.unique([key.split("/")[0] for key in keys], return_inverse=True)[1])
    found |= _prototypes(run, start, FaceCrops.open(data / "train").labels)
    found |= _log(run)
    above = searches["per_search"]["above"]
    right = {
        "pairs": np.array(pairs["per_pair"]["correct"], dtype=bool),
        "searches": np.array([count == 0 for count in above if count is not None]),
    }
    return found, right


def subjects_of(data: Path, place: Path) -> dict[str, np.ndarray]:
    """Whose the pairs and the searches are: int (P, 3), fold and two people, and (Q, 1)."""
    people = people_of(read_pairs(data / "pairs.txt"))
    fold = json.loads((place / "pairs" / "report.json").read_text(encoding="utf-8"))["per_pair"]["fold"]
    searches = json.loads((place / "searches" / "report.json").read_text(encoding="utf-8"))["per_search"]
    named = [
        who for who, count in zip(searches["person"], searches["above"], strict=True) if count is not None
    ]
    return {
        "pairs": np.stack([np.array(fold), people.first, people.second], axis=1),
        "searches": np.unique(named, return_inverse=True)[1].reshape(-1, 1),
    }


def angles_of(embeddings: np.ndarray, person: np.ndarray) -> dict[str, float]:
    """Whether the spread of prototypes reaches embeddings (N, D) of unseen people, person (N,): mean angles
    in degrees, of all pairs of one person and of two, how far apart the two kinds are (d', of cosines), and
    the error rates over all pairs. Of the first MOST photos, whose pairs are ten millions."""
    embeddings, person = embeddings[:MOST], person[:MOST]
    units = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    one, other = np.triu_indices(len(units), 1)
    cosine = np.clip((units @ units.T)[one, other].astype(np.float64), -1, 1)
    same = person[one] == person[other]
    genuine, impostor = cosine[same], cosine[~same]
    curve = roc(cosine, same)
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    return {
        "genuine_degrees": float(np.degrees(np.arccos(genuine)).mean()),
        "impostor_degrees": float(np.degrees(np.arccos(impostor)).mean()),
        "d_prime": float(genuine.mean() - impostor.mean()) / spread,
        "all_pairs_eer": 100 * equal_error_rate(curve),
        "all_pairs_tar": 100 * tar_at_far(curve, FAR, len(impostor)).tar,
    }


@torch.no_grad()
def _prototypes(run: Path, start: Path, labels: list[int]) -> dict[str, float]:
    """Energies of s = 2 that count people alike, and by their photos; angles, lengths, and how far they have
    turned since the start."""
    prototypes, before = (
        checkpoint.load(checkpoint.resolve(each))["loss"]["prototypes"].float() for each in (run, start)
    )
    return {
        "turned_degrees": turned_degrees(prototypes, before),
        "energy_of_people": hyperspherical_energy(prototypes).item(),
        "energy_of_photos": classifier_energy(prototypes, torch.tensor(labels), chunk_size=512).item(),
        "smallest_angle_degrees": math.degrees(smallest_angle(prototypes)),
        "prototype_length": prototypes.norm(dim=1).mean().item(),
    }


def _log(run: Path) -> dict[str, float]:
    """Of the last log lines: how well the training set is classified, and the two tangential gradients."""
    lines = [line for line in read_log(run / "log.jsonl") if "classification_loss" in line]
    late = lines[-max(1, round(LATE * len(lines))) :]
    names = {
        "classification_loss": "classification_loss",
        "cross_entropy_without_margin": "cross_entropy_without_margin",
        "mhe/tangential_gradient": "energy_gradient",
        "mhe/classification_tangential_gradient": "classification_gradient",
    }
    return {
        column: float(np.mean([line[name] for line in late]))
        for name, column in names.items()
        if name in late[0]
    }
