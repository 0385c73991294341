"""Two processes (gloo) that share the gallery have the numbers of one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eval import scores, search
from eval.impostors import Impostors
from eval.tallies import Best, MateCounts
from sphereface_plus.processes import Processes
from tests.two_processes import in_two_processes


def numbers(rank: int, world_size: int) -> dict[str, list]:
    search.CHUNK_ROWS = 64
    generator = np.random.default_rng(0)
    probes, gallery = generator.normal(size=(30, 16)), generator.normal(size=(700, 16))
    gallery[[5, 300, 699]] = gallery[[111, 111, 5]]
    probe = np.arange(30)
    score = scores.scores_of_pairs(probes, probe, gallery, 10 * probe + 1)
    counts, best, impostors = MateCounts(probe, score, [10, 100, 700]), Best(4), Impostors(50)
    processes = Processes(rank, world_size, torch.device("cpu"))
    search.scan(
        probes,
        gallery,
        [counts, best, impostors],
        probe_people=probe % 7,
        gallery_people=np.arange(700) % 90,
        processes=processes,
    )
    return {
        "counts": counts.counts.tolist(),
        "best rows": best.rows.tolist(),
        "best scores": best.scores.tolist(),
        "highest": impostors.highest.tolist(),
        "on the grid": impostors.at_or_above_edges[::100].tolist(),
    }


@pytest.mark.slow
def test_two_processes_have_the_numbers_of_one(tmp_path, monkeypatch):
    theirs = in_two_processes(numbers, tmp_path)
    monkeypatch.setattr(search, "CHUNK_ROWS", search.CHUNK_ROWS)  # put back afterwards
    assert theirs == [numbers(0, 1)] * 2
