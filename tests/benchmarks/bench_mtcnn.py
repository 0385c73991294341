"""MTCNN: ours against facenet-pytorch's `MTCNN.detect(landmarks=True)` on the same LFW photos, one thread.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/bench_mtcnn.py [NUM_PHOTOS]

Both have SphereFace's settings. facenet-pytorch is timed with one photo at a time and in batches of eight,
and the ratio is to the faster of the two. A repetition is eight photos through each, one after the other.
Times are the processor's, which other processes disturb less than the clock's. The same faces are found in
a photo if their number is equal and all boxes agree within one pixel. Then the same with photos of many
sizes, which facenet-pytorch takes one by one only.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import facenet_pytorch
import numpy as np
import torch

from data_prep.detection import Faces
from data_prep.images import read_photo
from data_prep.mtcnn import MTCNN
from tests.benchmarks.figures import keep

REPOSITORY = Path(__file__).resolve().parents[2]
NUM_PHOTOS, BATCH = 400, 8
ONE_BY_ONE, BATCHED = "facenet-pytorch", f"facenet-pytorch, batches of {BATCH}"
MIN_FACE, FACTOR, THRESHOLDS = 20, 0.85, (0.6, 0.7, 0.9)


def main() -> None:
    num_photos = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_PHOTOS
    lfw = Path(os.environ.get("SPHEREFACE_DATA", REPOSITORY / ".." / "shared" / "data")) / "lfw" / "images"
    paths = sorted(lfw.glob("*/*.jpg"))
    if len(paths) < num_photos:
        print(f"LFW is not at {lfw}: nothing measured (set SPHEREFACE_DATA)")
        return
    chosen = np.random.default_rng(0).choice(len(paths), num_photos - num_photos % BATCH, replace=False)
    photos = [read_photo(paths[i]) for i in chosen]
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    ours, coarser = (MTCNN(MIN_FACE, factor, THRESHOLDS) for factor in (FACTOR, 0.709))
    released = facenet_pytorch.MTCNN(
        min_face_size=MIN_FACE, factor=FACTOR, thresholds=THRESHOLDS, keep_all=True, select_largest=False
    )
    methods: dict[str, Callable[[list[np.ndarray]], list[Faces]]] = {
        "ours": ours.detect,
        ONE_BY_ONE: lambda batch: [faces for photo in batch for faces in _released(released, [photo])],
        BATCHED: lambda batch: _released(released, batch),
        "ours, factor 0.709": coarser.detect,
    }
    print(f"min_face {MIN_FACE}, factor {FACTOR}, thresholds {THRESHOLDS}, one thread")
    _compare(f"{len(photos)} LFW photos", methods, photos)
    of_one = {name: detect for name, detect in methods.items() if name in ("ours", ONE_BY_ONE)}
    _compare("the same, each cut to another size", of_one, _cut(photos))


def _cut(photos: list[np.ndarray]) -> list[np.ndarray]:
    """Photos of many sizes, as people's own are: the middle of each, 180 to 250 pixels wide and high."""
    sides = np.random.default_rng(1).integers(180, 251, (len(photos), 2))
    middles = []
    for photo, (height, width) in zip(photos, sides, strict=True):
        top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
        middles.append(np.ascontiguousarray(photo[top : top + height, left : left + width]))
    return middles


def _compare(title: str, methods: dict, photos: list[np.ndarray]) -> None:
    rates, found = _measured(methods, photos)
    best = max((rates[name] for name in (ONE_BY_ONE, BATCHED) if name in rates), key=statistics.median)
    print(f"\n{title:34}{'photos/s':>10}{'quartiles':>16}{'ratio':>8}{'quartiles':>14}")
    for name, values in rates.items():
        ratios = [value / reference for value, reference in zip(values, best, strict=True)]
        print(f"{name:34}{_spread(values, 10, 1)}{_spread(ratios, 8, 2)}")
        keep(
            "mtcnn", name, "times as fast as facenet-pytorch, the faster way", np.array(ratios), photos=title
        )
        keep("mtcnn", name, "photos/s", np.array(values), photos=title)
    for name in [name for name in methods if name.startswith("ours")]:
        _print_agreement(name, found[name], found[ONE_BY_ONE])


def _released(detector: facenet_pytorch.MTCNN, batch: list[np.ndarray]) -> list[Faces]:
    return [
        Faces(*(np.array([] if x is None or x[0] is None else x, dtype=np.float64) for x in faces))
        for faces in zip(*detector.detect(np.stack(batch), landmarks=True), strict=True)
    ]


def _measured(
    methods: dict, photos: list[np.ndarray]
) -> tuple[dict[str, list[float]], dict[str, list[Faces]]]:
    """Photos per second of each repetition, and the faces of each photo, by method."""
    rates: dict[str, list[float]] = {name: [] for name in methods}
    found: dict[str, list[Faces]] = {name: [] for name in methods}
    for detect in methods.values():
        detect(photos[:BATCH])  # warm-up
    for start in range(0, len(photos), BATCH):
        for name, detect in methods.items():
            begin = time.process_time()
            found[name] += detect(photos[start : start + BATCH])
            rates[name].append(BATCH / (time.process_time() - begin))
    return rates, found


def _spread(values: list[float], width: int, digits: int) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{width}.{digits}f}{f'{low:.{digits}f} .. {high:.{digits}f}':>{width + 6}}"


def _print_agreement(name: str, found: list[Faces], expected: list[Faces]) -> None:
    pairs = list(zip(found, expected, strict=True))
    equal = [(a, b) for a, b in pairs if len(a) == len(b)]
    shifts = [_largest_shift(a, b) for a, b in equal]
    same = sum(shift <= 1 for shift in shifts)
    print(
        f"{name}: number of faces equal in {100 * len(equal) / len(pairs):.1f} %, "
        f"and boxes within 1 pixel in {100 * same / len(pairs):.1f} % of the photos; "
        f"largest shift of a box {max(shifts):.4f} pixels; {sum(map(len, found))} faces"
    )


def _largest_shift(found: Faces, expected: Faces) -> float:
    """Of any box side, in pixels, where each face is compared to the nearest one."""
    if not len(found):
        return 0.0
    return float(abs(found.boxes[:, None] - expected.boxes[None]).max(axis=2).min(axis=1).max())


if __name__ == "__main__":
    main()
