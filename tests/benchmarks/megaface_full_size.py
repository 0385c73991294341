"""MegaFace's challenge 1 at full size, on synthetic embeddings whose answer is planted.

    PYTHONPATH=. python tests/benchmarks/megaface_full_size.py [--distractors 1000000] [--dimensions 512]

80 people of 44 photos; the photos of a person have cosine 0.8 with each other. A few distractors, early and
late in the gallery, lie at cosine 0.9 from photo 0 of every tenth person: they are above each of the 43 mates
of that one, and below the mates of all other photos. The others are random. So rank-1 is known at each number
of distractors, and the search has to find exactly that.
"""

import argparse
import resource
import time

import numpy as np
import torch

from eval.megaface.challenge import measure
from eval.megaface.sets import DistractorSet
from eval.scores import unit_rows

PEOPLE, PHOTOS, COSINE, NEAR = 80, 44, 0.8, 0.9


def planted(num_distractors, dimensions):
    """Probes (3520, D), people (3520,), distractors (N, D), which are near a photo 0, (80, N)."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE), PHOTOS)
    centres = unit_rows(rng.standard_normal((PEOPLE, dimensions)))
    own = unit_rows(rng.standard_normal((PEOPLE * PHOTOS, dimensions)))
    own = unit_rows(own - (own * centres[people]).sum(1, keepdims=True) * centres[people])
    probes = unit_rows(np.sqrt(COSINE) * centres[people] + np.sqrt(1 - COSINE) * own)
    distractors = rng.standard_normal((num_distractors, dimensions), dtype=np.float32)
    near = np.zeros((PEOPLE, num_distractors), dtype=bool)
    places = np.geomspace(5, num_distractors - 20, PEOPLE // 10).astype(int)
    for person, place in zip(range(0, PEOPLE, 10), places, strict=True):
        first = probes[person * PHOTOS]
        rows = np.arange(place, place + 1 + person // 10)
        away = unit_rows(rng.standard_normal((len(rows), dimensions)))
        away = unit_rows(away - (away @ first)[:, None] * first)
        distractors[rows] = NEAR * first + np.sqrt(1 - NEAR**2) * away
        near[person, rows] = True
    return probes, people, distractors, near


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=512)
    arguments = parser.parse_args()
    probes, people, distractors, near = planted(arguments.distractors, arguments.dimensions)
    sizes = [10**power for power in range(1, 7) if 10**power < len(distractors)] + [len(distractors)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    whole = DistractorSet(1, np.arange(len(distractors)), sizes, sizes)
    numbers = measure(probes, people, distractors, [whole]).numbers
    seconds = time.monotonic() - start
    searches = PEOPLE * PHOTOS * (PHOTOS - 1)
    for of_size in numbers["sizes"]:
        missed = sum(near[person, : of_size["size"]].any() for person in range(PEOPLE)) * (PHOTOS - 1)
        found, expected = of_size["ranks"][0]["rate"], 1 - missed / searches
        print(f"{of_size['size']:>9,} distractors: rank-1 {found:.6f}, planted {expected:.6f}")
        assert abs(found - expected) < 1e-12
    flops = 2 * len(probes) * len(distractors) * arguments.dimensions
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(
        f"{seconds:.1f} s, {flops / seconds / 1e9:.0f} GFLOP/s of products, {more:.2f} GiB more than before, "
        f"{torch.get_num_threads()} threads"
    )
    for point in numbers["verification"][-1]["tar_at_far"]:
        print(f"TAR at FAR {point['far']:.0e}: {point['tar']:.4f}, {point['false_accepts']:,} false accepts")


if __name__ == "__main__":
    main()
