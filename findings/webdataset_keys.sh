#!/bin/sh
# webdataset: a sample's key ends at the first dot of the file's name, so that all photos of J.Lo are one sample.
. "$(dirname "$0")/setup.sh"
packages webdataset==1.0.2
cat >make.py <<'PY'
import io, tarfile
import webdataset
with tarfile.open("photos.tar", "w") as tar:
    for name in ("J.Lo_0001.jpg", "J.Lo_0002.jpg", "Ann_0001.jpg", "Ann_0002.jpg"):
        member = tarfile.TarInfo(f"photos/{name}")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"jpg"))
samples = [(s["__key__"], sorted(k for k in s if "__" not in k))
           for s in webdataset.WebDataset("photos.tar", shardshuffle=False)]
print(*samples, sep="\n")
assert samples == [("photos/J", ["lo_0001.jpg", "lo_0002.jpg"]),
                   ("photos/Ann_0001", ["jpg"]), ("photos/Ann_0002", ["jpg"])], samples
PY
venv/bin/python make.py
