#!/bin/sh
# face_recognition_models needs pkg_resources, which setuptools has dropped; the import ends in ModuleNotFoundError,
# and an older setuptools helps, where the advice of face_recognition is to install the models that are installed.
. "$(dirname "$0")/setup.sh"
packages face-recognition-models==0.3.0 setuptools==84.2.1
cat >make.py <<'PY'
try:
    import face_recognition_models
    print("imported")
except ModuleNotFoundError as error:
    print(error)
PY
output=$(venv/bin/python make.py)
echo "$output"
test "$output" = "No module named 'pkg_resources'"
venv/bin/python -m pip install --quiet --disable-pip-version-check setuptools==80.9.0
output=$(venv/bin/python -W ignore make.py)
echo "with setuptools 80.9.0: $output"
test "$output" = imported
