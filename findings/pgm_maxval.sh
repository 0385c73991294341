#!/bin/sh
# Pillow and OpenCV: a PGM whose largest value is not 255 is scaled by the one and taken as it is by the other.
. "$(dirname "$0")/setup.sh"
packages pillow==13.0.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat >make.py <<'PY'
import cv2, numpy
from PIL import Image
open("100.pgm", "wb").write(b"P5 5 1 100\n" + bytes([0, 1, 50, 99, 100]))
open("1023.pgm", "wb").write(b"P5 4 1 1023\n" + numpy.array([0, 1, 512, 1023], ">u2").tobytes())
for name in ("100.pgm", "1023.pgm"):
    opencv = cv2.imread(name, cv2.IMREAD_UNCHANGED)
    print(name, "Pillow", numpy.asarray(Image.open(name)).tolist(), "OpenCV", opencv.tolist(), opencv.dtype,
          "as 8 bits", cv2.imread(name, cv2.IMREAD_GRAYSCALE).tolist())
assert numpy.asarray(Image.open("100.pgm")).tolist() == [[0, 3, 128, 252, 255]]
assert cv2.imread("100.pgm", cv2.IMREAD_GRAYSCALE).tolist() == [[0, 1, 50, 99, 100]]
assert numpy.asarray(Image.open("1023.pgm")).tolist() == [[0, 64, 32800, 65535]]
assert cv2.imread("1023.pgm", cv2.IMREAD_GRAYSCALE).tolist() == [[0, 0, 2, 3]]
PY
venv/bin/python make.py
