"""What cannot work is refused before torch is imported, whose import takes seconds."""

import json
import subprocess
import sys

import pytest

# Calls the commands one after the other in one process, and tells after each whether torch is there.
CALLS = """
import contextlib, io, json, runpy, sys
ended = []
for module, *arguments in json.loads(sys.argv[1]):
    sys.argv = [module, *arguments]
    said = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            runpy.run_module(module, run_name="__main__")
        except SystemExit as exit:
            ended.append([exit.code or 0, "torch" in sys.modules, said.buffer.getvalue().decode()])
print(json.dumps(ended))
"""
REFUSED = {
    "sphereface_plus train no.yaml": "no.yaml: cannot be read",
    "sphereface_plus train lfw": "did you mean face/lfw?",
    "sphereface_plus train face/lfw --set mhe.weigth=1": "is not a setting; did you mean mhe.weight?",
    "sphereface_plus train face/lfw --set train.steps=many": "train.steps: ",
    "sphereface_plus train face/lfw --set train.device=mps": "train.device: mps, Apple's GPU, is not",
    "sphereface_plus train face/lfw --set data.path=nowhere": "data.path nowhere: there is no such folder",
    "sphereface_plus train cifar/cnn9 --set data.path=nowhere": "data.path nowhere: there is no such file or",
    "sphereface_plus train face/lfw --set data.path={here} --set validation.pairs=no.txt --set "
    "validation.images={here}": "validation.pairs no.txt: there is no such file",
    "sphereface_plus train face/lfw --set data.path={here} --out {here}": "exists: it is not a run; name",
    "sphereface_plus finetune face/lfw": "a fine-tuning needs --init-from",
    "sphereface_plus finetune face/lfw --set data.path={here} --init-from nowhere": "nowhere: there is no",
    "sphereface_plus show nowhere": "nowhere: there is no such run folder or checkpoint",
    "sphereface_plus export nowhere out.onnx": "nowhere: there is no such run folder or checkpoint",
    "sphereface_plus embed nowhere {here} out.npz": "nowhere: there is no such run folder or checkpoint",
    "sphereface_plus embed pixels nowhere out.npz": "nowhere: there is no such folder, manifest, list or",
    "sphereface_plus convert nowhere out.safetensors --from caffe": "nowhere: there is no such file",
    "sphereface_plus reproduce table99": "table99: is not a table or figure",
    "sphereface_plus reproduce figure04 --data mnist=nowhere": "there is no such file or folder of mnist's",
    "data_prep align nowhere out": "nowhere: there is no such folder of photos",
    "data_prep pack nowhere out.rec": "nowhere: there is no such folder",
    "data_prep doctor {here} out --model nowhere": "nowhere: there is no such run folder or checkpoint",
    "eval lfw --model pixels --data {here} --out out": "does not hold pairs.txt",
    "eval verify --model nowhere --pairs {file} --images {here} --out out": "nowhere: there is no such run",
    "eval verify --model pixels --pairs nowhere --images {here} --out out": "nowhere: there is no such list",
}
ANSWERED = ["sphereface_plus --help", "sphereface_plus train --help", "sphereface_plus settings"]
ANSWERED += ["data_prep --help", "data_prep align --help", "eval --help", "eval verify --help"]


@pytest.fixture(scope="module")
def ended(repository, tmp_path_factory):
    """By command: exit code, whether torch was imported, what was said."""
    here = tmp_path_factory.mktemp("here")
    (here / "file.txt").touch()
    calls = {
        command: command.format(here=here, file=here / "file.txt").split()
        for command in [*REFUSED, *ANSWERED]
    }
    result = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(list(calls.values()))],
        capture_output=True,
        text=True,
        cwd=repository,
        check=True,
    )
    return dict(zip(calls, json.loads(result.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_wrong_is_said_without_torch(ended, command):
    code, torch_is_there, said = ended[command]
    assert code == 1
    assert REFUSED[command] in said
    assert said.startswith("error: ")
    assert not torch_is_there


@pytest.mark.parametrize("command", ANSWERED)
def test_help_and_settings_come_without_torch(ended, command):
    code, torch_is_there, _ = ended[command]
    assert (code, torch_is_there) == (0, False)
