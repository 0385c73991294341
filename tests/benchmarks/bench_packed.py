"""Reading crops: packed sets against torchvision's ImageFolder with Pillow, on the same crops, decoded.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/bench_packed.py [CROPS ...]

CROPS are folders of aligned crops; without any, some hundred LFW photos are aligned, as JPEG and as PNG.
Every reader visits the same shuffled crops in batches of 128, in this process, on one thread, and gives a
uint8 tensor of each batch. ImageFolder is torchvision's: Pillow, PILToTensor, and a DataLoader's own batches;
with ToTensor and Normalize, as recipes have it, it is shown too. Times are the processor's, which others
disturb less than the clock's; the readers take turns, and a ratio is of two times of one turn.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from data_prep.align import align_folder
from data_prep.packing import pack
from sphereface_plus.data.crop_dataset import CropDataset
from sphereface_plus.data.faces import FaceCrops
from tests.benchmarks.figures import in_turn, keep, spread

REPOSITORY = Path(__file__).resolve().parents[2]
NUM_PHOTOS, BATCH, TURNS = 400, 128, 15
IMAGE_FOLDER = "ImageFolder, PILToTensor"


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(name) for name in sys.argv[1:]] or _aligned(Path(scratch))
        for number, folder in enumerate(folders):
            _measure(folder, Path(scratch) / str(number))


def _aligned(scratch: Path) -> list[Path]:
    lfw = Path(os.environ.get("SPHEREFACE_DATA", REPOSITORY / ".." / "shared" / "data")) / "lfw" / "images"
    if not lfw.is_dir():
        print(f"LFW is not at {lfw}: nothing measured (set SPHEREFACE_DATA, or give folders of crops)")
        return []
    photos = sorted(lfw.glob("*/*.jpg"))
    chosen = np.random.default_rng(0).choice(len(photos), NUM_PHOTOS, replace=False)
    keys = [photos[index].relative_to(lfw).as_posix() for index in chosen]
    for format in ("jpg", "png"):
        align_folder(lfw, scratch / format, selection=keys, format=format)
    return [scratch / "jpg", scratch / "png"]


def _measure(folder: Path, scratch: Path) -> None:
    crops = FaceCrops.open(folder)
    for suffix in (".tar", ".rec"):
        pack(folder, scratch / f"train{suffix}")
    to_tensor = [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
    order = np.random.default_rng(1).permutation(len(crops.paths)).tolist()
    readers: dict[str, Callable[[], int]] = {
        IMAGE_FOLDER: _image_folder(folder, transforms.PILToTensor(), order),
        "ImageFolder, ToTensor, Normalize": _image_folder(folder, transforms.Compose(to_tensor), order),
        "folder": _ours(crops, order),
        "tar": _ours(FaceCrops.open(scratch / "train.tar"), order),
        "rec": _ours(FaceCrops.open(scratch / "train.rec"), order),
    }
    for read in readers.values():
        assert read() == len(order)  # warm-up
    seconds = {name: times[:, 1] for name, times in in_turn(readers, TURNS).items()}

    num_bytes = statistics.mean(path.stat().st_size for path in map(Path, map(str, crops.paths)))
    suffix = Path(str(crops.paths[0])).suffix
    print(
        f"\n{len(order)} crops of {crops.size[0]}x{crops.size[1]}, {suffix}, {num_bytes:,.0f} bytes in the "
        f"mean; {TURNS} turns, one core"
    )
    print(f"{'':34}{'crops/s':>9}   times ImageFolder (range)")
    for name, times in seconds.items():
        ratios = seconds[IMAGE_FOLDER] / times
        keep("packed", name, "times as fast as ImageFolder", ratios, crops=suffix)
        rate = len(order) / np.median(times)
        print(f"{name:34}{rate:9,.0f}   {spread(ratios)}")


def _image_folder(folder: Path, transform: Callable, order: list[int]) -> Callable[[], int]:
    dataset = ImageFolder(folder, transform=transform)
    loader = DataLoader(dataset, batch_size=BATCH, sampler=order)
    return lambda: sum(len(labels) for _, labels in loader)


def _ours(crops: FaceCrops, order: list[int]) -> Callable[[], int]:
    dataset = CropDataset(crops)
    batches = [
        [(index, position) for position, index in enumerate(order[start : start + BATCH])]
        for start in range(0, len(order), BATCH)
    ]
    return lambda: sum(len(dataset.__getitems__(batch)[1]) for batch in batches)


if __name__ == "__main__":
    main()
