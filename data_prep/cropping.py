"""One photo's way: file -> faces -> landmarks -> crops on the disk and their manifest rows."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from sphereface_plus.data.formats.manifest import ManifestRow
from sphereface_plus.files import write_bytes

from .alignment import ALIGNMENT_TEMPLATES, Warp, align, fit_residual
from .detection import Faces, pick
from .errors import LandmarksError
from .images import PhotoError, PluginError, read_photo
from .journal import Crop, Done
from .layouts import Photo, crop_stem
from .mtcnn import MTCNN
from .settings import RELAXED_THRESHOLD, Cropping
from .turning import find_faces

# Where faces are in LFW's 250x250 photos: the mean of the landmarks found there.
_CENTRE_SIDE = 250
_CENTRE = np.array([(105, 112), (145, 112), (125, 136), (108, 157), (144, 157)], dtype=np.float64)


class Cropper:
    """Photo -> Done, with the crops written below `out`."""

    def __init__(
        self, root: Path, out: Path, cropping: Cropping, landmarks: dict[str, np.ndarray] | None
    ) -> None:
        """landmarks (5, 2) by photo path replace detection."""
        self._root, self._out, self._cropping, self._landmarks = root, out, cropping, landmarks
        self._template = ALIGNMENT_TEMPLATES[cropping.template]
        torch.set_num_threads(1)  # several processes with one thread each are faster than the reverse
        cv2.setNumThreads(1)
        self._detector = make_detector(cropping) if landmarks is None else None
        tries_again = self._detector is not None and cropping.fallback != "none"
        self._relaxed = make_detector(cropping, relaxed=True) if tries_again else None

    def __call__(self, photo: Photo) -> Done:
        path = self._root / photo.path
        try:
            status = path.stat()
        except OSError:
            return Done(photo.path, photo.identity, -1, 0, "no such file", "", ())
        done = Done(photo.path, photo.identity, status.st_size, status.st_mtime_ns, "", "", ())
        if not _is_text(photo.path):  # a manifest could not name it
            return replace(done, problem="file name is not UTF-8", detail="rename it, or the folder it is in")
        if self._landmarks is not None and photo.path not in self._landmarks:
            return replace(done, problem="no landmarks given")
        try:
            pixels = read_photo(path)
        except PluginError as error:
            return replace(done, problem=error.plugin.problem, detail=str(error).removeprefix(f"{path}: "))
        except PhotoError as error:
            return replace(done, problem="unreadable", detail=str(error).removeprefix(f"{path}: "))
        faces = self._faces(photo, pixels)
        if not faces:
            return replace(done, problem="no face found")
        try:
            # From the landmarks as the manifest has them, so that anybody can make the same crops from it.
            faces = [replace(face, landmarks=np.round(face.landmarks, 3)) for face in faces]
            crops = [self._crop(pixels, face) for face in faces]
        except LandmarksError as error:
            return replace(done, problem="landmarks of no face", detail=str(error))
        several = self._cropping.face == "all" and self._landmarks is None
        written = []
        for index, (face, crop) in enumerate(zip(faces, crops, strict=True)):
            name = f"{crop_stem(photo.path)}{f'_{index}' if several else ''}.{self._cropping.format}"
            data = self._write(self._out / name, crop)
            written.append(Crop(self._row(name, photo, face), len(data), zlib.crc32(data)))
        return replace(done, crops=tuple(written))

    def _faces(self, photo: Photo, pixels: np.ndarray) -> list[_Face]:
        if self._landmarks is not None:
            return [_Face("given", self._landmarks[photo.path])]
        if self._detector is not None:
            found, turned = find_faces(self._detector, pixels)
            if len(found):
                return [_detected("detected", found, i, turned) for i in self._picked(found, pixels)]
        if self._relaxed is not None:
            (found,) = self._relaxed.detect([pixels])
            if len(found):
                return [_detected("relaxed", found, i) for i in self._picked(found, pixels)]
        if self._cropping.fallback == "centre":
            return [_Face("centre", centre_landmarks(*pixels.shape[:2]))]
        return []

    def _picked(self, found: Faces, pixels: np.ndarray) -> np.ndarray:
        return pick(found, pixels.shape, self._cropping.face)

    def _crop(self, pixels: np.ndarray, face: _Face) -> np.ndarray:
        settings = self._cropping
        return align(pixels, face.landmarks, self._template, settings.fit, settings.warp)

    def _row(self, path: str, photo: Photo, face: _Face) -> ManifestRow:
        template = self._template
        size = (template.height, template.width)
        places = [float(round(value, 3)) for value in (*face.box, *face.landmarks.flat)]
        score = round(face.score, 6)
        names = path, photo.identity, photo.path, face.method, template.name
        row = ManifestRow(*names, *size, score, *places, warp=name_of(self._cropping.warp))
        residual = round(fit_residual(face.landmarks, template, self._cropping.fit), 3)
        return replace(row, residual=residual, **face.others)

    def _write(self, path: Path, crop: np.ndarray) -> bytes:
        """Writes the crop, whole or not at all; returns what is in its file."""
        options = [cv2.IMWRITE_JPEG_QUALITY, self._cropping.quality] if self._cropping.format == "jpg" else []
        encoded, file = cv2.imencode(path.suffix, cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), options)
        assert encoded, f"OpenCV could not encode {path.suffix}"
        data = file.tobytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
        return data


def _is_text(path: str) -> bool:
    """False for names of other bytes than UTF-8, which Python reads as lone surrogates."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class _Face:
    method: str
    landmarks: np.ndarray  # (5, 2)
    score: float = math.nan
    box: tuple[float, ...] = (math.nan,) * 4
    others: dict[str, float] = field(default_factory=dict)  # the manifest's columns about the whole photo


def _detected(method: str, found: Faces, index: int, turned: int = 0) -> _Face:
    sides = np.sqrt((found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1))
    others: dict[str, float] = {"num_faces": len(found), "turned": turned}
    if len(found) > 1:
        rest = np.delete(np.arange(len(found)), index)
        runner_up = rest[np.argmax(sides[rest])]
        others["runner_up_side"] = round(float(sides[runner_up]), 3)
        others["runner_up_score"] = round(float(found.scores[runner_up]), 6)
    score, box = float(found.scores[index]), tuple(found.boxes[index])
    return _Face(method, found.landmarks[index], score, box, others)


def name_of(warp: Warp) -> str:
    """What a manifest calls it: OpenCV with its version, as the pixels of versions differ."""
    return f"opencv {cv2.__version__}" if warp == "opencv" else warp


def make_detector(cropping: Cropping, *, relaxed: bool = False) -> MTCNN:
    """The detector, or that of the second try. Raises PrepError for settings that it cannot work with."""
    first, second, last = cropping.thresholds
    thresholds = (first, second, min(last, RELAXED_THRESHOLD) if relaxed else last)
    return MTCNN(min_face=cropping.min_face, factor=cropping.factor, thresholds=thresholds)


def centre_landmarks(height: int, width: int) -> np.ndarray:
    """Landmarks (5, 2) where LFW's faces have them: in the middle, scaled to the photo's shorter side."""
    scale = min(height, width) / _CENTRE_SIDE
    middle = np.array([width - 1, height - 1]) / 2
    return middle + scale * (_CENTRE - (_CENTRE_SIDE - 1) / 2)


@contextmanager
def one_thread() -> Iterator[None]:
    """A Cropper sets torch and OpenCV to one thread; afterwards both are as they were."""
    torch_threads, cv2_threads = torch.get_num_threads(), cv2.getNumThreads()
    try:
        yield
    finally:
        torch.set_num_threads(torch_threads)
        cv2.setNumThreads(cv2_threads)
