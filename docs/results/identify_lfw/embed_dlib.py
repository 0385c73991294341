"""dlib's recogniser over a folder of photos, for `python -m eval identify`: what docs/results shows of it.

    python embed_dlib.py PHOTOS MANIFEST OUT.npz [WORKERS]

dlib finds the face (its HOG detector, the photo enlarged once; the face nearest to the centre), its five
landmarks, and cuts its own chip of 150x150 with a margin of 0.25. Where it finds none, the box comes from the
landmarks in MANIFEST, which `data_prep align` wrote, and landmarks and chip are dlib's again. Photos
without a row in MANIFEST are left out. The network computes in torch, with the weights of dlib's file: dlib's
wheel has no BLAS, and takes 16 times as long. `--check N` as a last word compares the two on N photos.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from multiprocessing import Pool
from pathlib import Path

import dlib
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

FOLDER = (
    Path(find_spec("face_recognition_models").origin).parent / "models"
)  # its import asks for pkg_resources
WEIGHTS = FOLDER / "dlib_face_recognition_resnet_model_v1.dat"
SIDE, MARGIN = 150, 0.25
MEAN_RGB = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)

detector = dlib.get_frontal_face_detector()
landmarks = dlib.shape_predictor(str(FOLDER / "shape_predictor_5_face_landmarks.dat"))


def detected(photo: np.ndarray) -> dlib.rectangle | None:
    """The face nearest to the centre. photo: (H, W, 3), uint8, RGB."""
    middle = dlib.point(photo.shape[1] // 2, photo.shape[0] // 2)
    faces = detector(photo, 1)
    return min(faces, key=lambda f: (f.center() - middle).x ** 2 + (f.center() - middle).y ** 2, default=None)


def box_of(row: dict[str, str]) -> dlib.rectangle:
    """About the box that dlib's detector draws around a face with these landmarks."""
    eyes = [(float(row[f"{side}_eye_x"]), float(row[f"{side}_eye_y"])) for side in ("left", "right")]
    mouth = (float(row["left_mouth_y"]) + float(row["right_mouth_y"])) / 2
    x, y = np.mean(eyes, axis=0)
    side = 2.2 * max(mouth - y, abs(eyes[1][0] - eyes[0][0]))
    middle = dlib.point(round(x), round((y + mouth) / 2 - 0.02 * side))
    return dlib.centered_rect(middle, round(side), round(side))


def chip(path: Path, box: dlib.rectangle | None) -> np.ndarray | None:
    """(150, 150, 3); None where no box is given and no face is found."""
    photo = np.asarray(Image.open(path).convert("RGB"))
    box = box or detected(photo)
    return None if box is None else dlib.get_face_chip(photo, landmarks(photo, box), SIDE, MARGIN)


def chip_of_detected(path: Path) -> np.ndarray | None:
    return chip(path, None)


def tensors(name: bytes, sizes_before: int = 0) -> Iterator[torch.Tensor]:
    """The parameters of all layers of this name, in the order of the computation, from dlib's own format.

    After a layer's name: its own sizes, if any, then a version and four sizes of the tensor, each a byte of
    length and as many bytes, and the tensor in float32.
    """
    data, at = WEIGHTS.read_bytes(), 0
    while (at := data.find(bytes([1, len(name)]) + name, at)) >= 0:
        at += 2 + len(name)
        sizes = []
        for _ in range(sizes_before + 5):
            sizes.append(int.from_bytes(data[at + 1 : at + 1 + data[at]], "little"))
            at += 1 + data[at]
        yield torch.from_numpy(np.frombuffer(data, "<f4", int(np.prod(sizes[-4:])), at).copy())


class Network:
    """dlib's network of 29 convolutions: dlib/tools/python/src/face_recognition.cpp has its definition."""

    def __init__(self) -> None:
        self.convolutions, self.affines = list(tensors(b"con_4")), list(tensors(b"affine_"))
        (self.last,) = tensors(b"fc_2", 2)
        assert len(self.convolutions) == len(self.affines) == 29, (
            "29 convolutions, each with its scale and shift"
        )

    def __call__(self, chips: np.ndarray) -> np.ndarray:
        """(N, 150, 150, 3) uint8, RGB -> (N, 128) float32."""
        layers = iter(zip(self.convolutions, self.affines, strict=True))

        def convolved(x: torch.Tensor, filters: int, size: int, stride: int) -> torch.Tensor:
            weight, affine = next(layers)
            gamma, beta = affine.view(2, -1)
            kernel = weight[:-filters].view(filters, x.shape[1], size, size)
            # dlib pads only where the stride is 1.
            x = F.conv2d(x, kernel, weight[-filters:], stride, size // 2 if stride == 1 else 0)
            return x * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1)

        def residual(x: torch.Tensor, filters: int, stride: int) -> torch.Tensor:
            y = convolved(F.relu(convolved(x, filters, 3, stride)), filters, 3, 1)
            if stride == 2:
                x = F.avg_pool2d(x, 2)
            # dlib's sum of two shapes: what one lacks, of places or channels, is 0.
            shape = [max(sizes) for sizes in zip(x.shape, y.shape, strict=True)]
            x, y = (
                F.pad(z, (0, shape[3] - z.shape[3], 0, shape[2] - z.shape[2], 0, shape[1] - z.shape[1]))
                for z in (x, y)
            )
            return F.relu(x + y)

        with torch.inference_mode():
            x = (torch.from_numpy(chips).permute(0, 3, 1, 2).float() - MEAN_RGB) / 256
            x = F.max_pool2d(F.relu(convolved(x, 32, 7, 2)), 3, 2)
            for filters, strides in (
                (32, (1, 1, 1)),
                (64, (2, 1, 1, 1)),
                (128, (2, 1, 1)),
                (256, (2, 1, 1, 2)),
            ):
                for stride in strides:
                    x = residual(x, filters, stride)
            return (x.mean(dim=(2, 3)) @ self.last.view(256, 128)).numpy()


def main(photos: Path, manifest: Path, out: Path, workers: int = 1) -> None:
    network = Network()
    files = sorted(photos.rglob("*.jpg"))
    embeddings: dict[Path, np.ndarray] = {}
    waiting: list[tuple[Path, np.ndarray]] = []

    def embed(at_least: int) -> None:
        if len(waiting) >= at_least:
            paths, chips = zip(*waiting, strict=True)
            embeddings.update(zip(paths, network(np.stack(chips)), strict=True))
            waiting.clear()

    missed = []
    with Pool(workers) as pool:
        for file, found in zip(files, pool.imap(chip_of_detected, files, 16), strict=True):
            if found is None:
                missed.append(file)
            else:
                waiting.append((file, found))
            embed(64)
    rows = {Path(row["path"]).with_suffix(""): row for row in csv.DictReader(manifest.open(encoding="utf-8"))}
    boxed = [file for file in missed if file.relative_to(photos).with_suffix("") in rows]
    for file in boxed:
        face = chip(file, box_of(rows[file.relative_to(photos).with_suffix("")]))
        assert face is not None
        waiting.append((file, face))
    embed(1)
    kept = [file for file in files if file.relative_to(photos).with_suffix("") in rows]
    meta = {"network": WEIGHTS.stem, "photos without a detected face, box from MANIFEST": len(boxed)}
    np.savez(
        out,
        keys=np.array([file.relative_to(photos).with_suffix("").as_posix() for file in kept]),
        embeddings=np.stack([embeddings[file] for file in kept]),
        meta=np.array(json.dumps(meta)),
    )
    print(f"{out}: {len(kept):,} photos, {len(boxed):,} of them with a box from {manifest}")


def check(photos: Path, count: int) -> None:
    """The largest difference to dlib's own computation."""
    network, dlibs = Network(), dlib.face_recognition_model_v1(str(WEIGHTS))
    chips = [
        found for file in sorted(photos.rglob("*.jpg"))[:count] if (found := chip(file, None)) is not None
    ]
    theirs = np.array([dlibs.compute_face_descriptor(face) for face in chips])
    print(f"{len(chips)} photos: at most {np.abs(network(np.stack(chips)) - theirs).max():.1e} off")


if __name__ == "__main__":
    if sys.argv[1] == "--check":
        check(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:]))
