#!/bin/sh
# NVIDIA DALI's reader of MXNet's .rec takes insightface's record 0 and identity records, which hold no image, for samples:
# empty ones with two labels. It runs without a GPU.
. "$(dirname "$0")/setup.sh"
packages nvidia-dali-cuda120==2.4.0 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat >read.py <<'PY'
import struct
import cv2, numpy
from nvidia.dali import fn, pipeline_def

# A face set as insightface writes it: record 0 says where the identities begin and end, records 1 to 4 are images of two
# people, 5 and 6 the identities, each with the range of its images.
picture = cv2.imencode(".jpg", numpy.full((16, 16, 3), 128, numpy.uint8))[1].tobytes()
records = {0: ((5.0, 7.0), b""), 5: ((1.0, 3.0), b""), 6: ((3.0, 5.0), b"")}
records |= {number: ((float((number - 1) // 2),), picture) for number in (1, 2, 3, 4)}
with open("faces.rec", "wb") as rec, open("faces.idx", "w") as idx:
    for number, (label, image) in sorted(records.items()):
        one = len(label) == 1
        content = struct.pack("<IfQQ", 0 if one else len(label), label[0] if one else 0.0, number, 0)
        content += (b"" if one else struct.pack(f"<{len(label)}f", *label)) + image
        idx.write(f"{number}\t{rec.tell()}\n")
        rec.write(struct.pack("<II", 0xCED7230A, len(content)) + content + bytes(-len(content) % 4))


@pipeline_def(batch_size=1, num_threads=1, device_id=None)
def samples():
    image, label = fn.readers.mxnet(path=["faces.rec"], index_path=["faces.idx"], name="reader")
    return image, label


pipeline = samples()
pipeline.build()
seen = []
for _ in range(pipeline.epoch_size("reader")):
    image, label = pipeline.run()
    seen.append((numpy.array(image.at(0)).size, numpy.array(label.at(0)).tolist()))
print(seen)
assert len(seen) == 7
assert sorted(label for size, label in seen if size == 0) == [[1.0, 3.0], [3.0, 5.0], [5.0, 7.0]]
assert sorted(label for size, label in seen if size) == [[0.0], [0.0], [1.0], [1.0]]
PY
venv/bin/python read.py
