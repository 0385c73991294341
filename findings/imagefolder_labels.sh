#!/bin/sh
# datasets: one picture beside the class folders takes the labels of all others away, without a word.
. "$(dirname "$0")/setup.sh"
packages datasets==5.2.0 pillow==13.0.0
cat >make.py <<'PY'
import shutil
from pathlib import Path

from datasets import load_dataset
from PIL import Image

for person in ("Ann", "Bob"):
    Path("photos", person).mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(f"photos/{person}/1.png")
def columns(folder):
    return sorted(load_dataset("imagefolder", data_dir=folder, split="train", cache_dir=f"cache{folder}").features)
shutil.copytree("photos", "with_sheet")
Image.new("RGB", (8, 8)).save("with_sheet/sheet.png")
print("class folders alone:", columns("photos"))
print("and a picture beside them:", columns("with_sheet"))
assert columns("photos") == ["image", "label"]
assert columns("with_sheet") == ["image"]
PY
HF_HOME=$PWD/home HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python make.py
