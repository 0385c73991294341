#!/bin/sh
# OpenCV: cv2.warpAffine (linear) of 4.10 and 4.14 agree; 5.0 gives other pixels for the same picture and matrix.
. "$(dirname "$0")/setup.sh"
packages numpy==2.4.6
cat >warp.py <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import cv2, numpy
x, y = numpy.meshgrid(numpy.arange(250), numpy.arange(250))
photo = (127 + 90 * numpy.sin(x / 7) * numpy.cos(y / 9) + (x * y) % 31).astype(numpy.uint8)
matrix = numpy.array([[0.62, 0.05, -30.0], [-0.05, 0.62, -25.0]])
numpy.save(f"{sys.argv[1]}.npy", cv2.warpAffine(photo, matrix, (96, 112), flags=cv2.INTER_LINEAR))
PY
cat >compare.py <<'PY'
import numpy
old, also_old, new = (numpy.load(f"{version}.npy").astype(int) for version in ("4.10.0.84", "4.14.0.94", "5.0.0.93"))
difference = abs(new - old)
print("4.10 against 4.14: largest difference", abs(old - also_old).max())
print(f"4.10 against 5.0: {100 * (difference > 0).mean():.1f} % of the values, by up to {difference.max()}")
assert (old == also_old).all()
assert 0.005 < (difference > 0).mean() < 0.5
assert 1 <= difference.max() <= 8
PY
for version in 4.10.0.84 4.14.0.94 5.0.0.93; do
    venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --target "$version" "opencv-python-headless==$version"
    venv/bin/python warp.py "$version"
done
venv/bin/python compare.py
