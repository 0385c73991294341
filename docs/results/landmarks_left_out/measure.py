"""How often OpenCV's estimateAffinePartial2D uses all five landmarks of MTCNN, and how far its crops lie from
those of all five: `python docs/results/landmarks_left_out/measure.py path/to/lfw/images`, 200 photos."""

import random
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from data_prep.alignment import ALIGNMENT_TEMPLATES, similarity
from data_prep.cropping import Cropping, make_detector
from data_prep.detection import pick

PHOTOS = 200
TEMPLATE = ALIGNMENT_TEMPLATES["arcface_112x112"]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    detector = make_detector(Cropping())
    paths = random.Random(0).sample(sorted(folder.glob("*/*.jpg")), PHOTOS)
    corners = np.array([[x, y, 1] for x in (0, TEMPLATE.width - 1) for y in (0, TEMPLATE.height - 1)])
    for name, method in (("RANSAC", cv2.RANSAC), ("LMEDS", cv2.LMEDS)):
        used, moved = [], []
        for path in paths:
            photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            faces = detector.detect([photo])[0]
            if len(faces) == 0:
                continue
            landmarks = faces.landmarks[pick(faces, photo.shape)[0]]
            all_five = similarity(landmarks, TEMPLATE.points, "forward")
            found, inliers = cv2.estimateAffinePartial2D(landmarks, TEMPLATE.points, method=method)
            seen = np.hstack([corners @ cv2.invertAffineTransform(all_five).T, np.ones((4, 1))])
            used.append(int(inliers.sum()))
            moved.append(float(np.linalg.norm(seen @ found.T - corners[:, :2], axis=1).max()))
        share, (middle, far) = np.mean(np.array(used) == 5), np.quantile(moved, (0.5, 0.9))
        print(f"{name}: all five in {100 * share:.1f} % of {len(used)} faces; a crop's furthest corner moves")
        print(f"by {middle:.1f} px (median), and by more than {far:.1f} px in one face of ten")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
