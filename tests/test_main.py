"""The command line: what it prints, its exit codes, and that a mistake is one sentence."""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from sphereface_plus.__main__ import cli, main
from sphereface_plus.config import FaceConfig
from sphereface_plus.config.recipes import recipes_folder

RECIPE = {
    "name": "tiny",
    "data": {"path": ""},
    "network": {
        "name": "sphereface4",
        "embedding_size": 8,
        "input": {"template": "test_32x32", "height": 32, "width": 32},
    },
    "loss": {"kind": "a_softmax"},
    "optimizer": {"learning_rate": 0.01},
    "train": {"steps": 3, "batch_size": 4, "log_every": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    random = np.random.default_rng(0)
    for person in range(3):
        (folder / f"p{person}").mkdir()
        for image in range(3):
            cv2.imwrite(
                str(folder / f"p{person}" / f"{image}.png"), random.integers(0, 256, (32, 32, 3), np.uint8)
            )
    return folder


@pytest.fixture(scope="module")
def recipe(crops, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"data": {"path": str(crops)}}))
    return path


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """A finished run, trained by the command."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    result = CliRunner().invoke(cli, ["train", str(recipe), "--out", str(folder)], standalone_mode=False)
    assert result.exception is None, result.exception
    return folder


def call(monkeypatch, *arguments):
    """main() as the shell calls it: its exit code."""
    monkeypatch.setattr(sys, "argv", ["sphereface-plus", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_help_lists_the_commands_without_importing_torch_or_the_config(repository):
    code = """
import sys
from sphereface_plus.__main__ import main
sys.argv = ["sphereface-plus", "--help"]
try:
    main()
except SystemExit:
    print({"torch", "pydantic"} & set(sys.modules))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "set()"
    for command in ("train", "finetune", "embed", "export", "show", "settings"):
        assert f"\n  {command} " in result.stdout


@pytest.mark.parametrize("command", ["train", "finetune"])
def test_help_of_training_says_where_the_settings_are_listed(monkeypatch, capsys, command):
    assert call(monkeypatch, command, "--help") == 0
    assert "`sphereface-plus settings`" in capsys.readouterr().out


def test_settings_lists_every_setting_with_its_sentence(monkeypatch, capsys):
    assert call(monkeypatch, "settings") == 0
    shown = capsys.readouterr().out
    for group, model in FaceConfig.model_fields.items():
        assert group in shown, model
    for line in (
        "mhe.weight  number = 0.0",
        "lambda_M, the factor on the energy; 0 is SphereFace, above 0 is SphereFace+.",
        "train.precision  auto|fp32|bf16|fp16 = auto",
        "loss, with kind: a_softmax",
        "optimizer.learning_rate  number  (required)",
        "network.input.color  bgr|rgb = bgr",
        "validation.pairs  text  (required)",
    ):
        assert line in shown


def test_training_ends_with_where_its_outputs_are(monkeypatch, capsys, recipe, tmp_path):
    assert call(monkeypatch, "train", recipe, "--out", tmp_path / "run", "--set", "train.steps=2") == 0
    assert (
        capsys.readouterr().out
        == f"{tmp_path / 'run'}: trained, 2 steps; checkpoints/last.pt, log.jsonl, tensorboard\n"
    )


def test_resume_of_a_finished_run_says_so(monkeypatch, capsys, recipe, trained):
    assert call(monkeypatch, "train", recipe, "--out", trained, "--resume") == 0
    assert (
        capsys.readouterr().out == f"{trained}: finished already, at step 3; raise train.steps to train on\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "no.yaml"], "error: no.yaml: cannot be read (No such file or directory)\n"),
        (
            ["train", "{recipe}", "--set", "mhe.weigth=1"],
            "error: --set mhe.weigth=1: mhe.weigth: is not a setting; did you mean mhe.weight?\n",
        ),
        (["train", "{recipe}", "--set", "data.path=nowhere"], "error: data.path nowhere: there is no "),
        (
            ["train", "cifar/cnn9", "--set", "data.path=nowhere"],
            "error: data.path nowhere: there is no such file or folder of cifar10's images",
        ),
        (["finetune", "face/lfw"], "error: {recipes}/face/lfw.yaml: a fine-tuning needs --init-from"),
        (
            ["train", "{recipe}", "--out", "{recipe}/run"],
            "error: {recipe}/run: cannot be made and written to",
        ),
        (["train", "{recipe}", "--out", "{trained}"], "error: {trained} exists: continue it with --resume"),
        (
            ["finetune", "cifar/cnn9", "--init-from", "{trained}"],
            "error: {recipes}/cifar/cnn9.yaml: is of images; fine-tuning is for face recognition",
        ),
        (["finetune", "{recipe}"], "error: {recipe}: a fine-tuning needs --init-from"),
        (
            ["finetune", "{recipe}", "--reset-head"],  # which is not told as a --set
            "error: {recipe}: reset_head has no effect without init_from",
        ),
        (["show", "nowhere"], "error: nowhere: "),
        (["embed", "nowhere.pt", "{crops}", "out.npz"], "error: nowhere.pt: "),
        (["export", "nowhere.pt", "out.onnx"], "error: nowhere.pt: "),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_1(
    monkeypatch, capsys, recipe, trained, crops, arguments, sentence
):
    names = {"recipe": recipe, "trained": trained, "crops": crops, "recipes": recipes_folder()}
    assert call(monkeypatch, *(argument.format(**names) for argument in arguments)) == 1
    said = capsys.readouterr().err
    assert said.startswith(sentence.format(**names))
    assert said.count("\n") == 1


def test_ctrl_c_ends_with_a_word_wherever_it_comes(monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("sphereface_plus.config.load", interrupted)  # as in the imports before the training
    assert call(monkeypatch, "train", "face/lfw") == 130
    assert capsys.readouterr().err == "stopped: the same command continues where it stopped\n"


def test_an_unknown_option_is_exit_code_2(monkeypatch, capsys):
    assert call(monkeypatch, "train", "--nonsense") == 2
    assert "No such option" in capsys.readouterr().err


def test_finetune_starts_from_weights_and_names_them(monkeypatch, capsys, recipe, trained, tmp_path):
    out = tmp_path / "tuned"
    arguments = ["finetune", recipe, "--init-from", trained, "--reset-head", "--out", out]
    assert call(monkeypatch, *arguments) == 0
    stored = yaml.safe_load((out / "config.yaml").read_text())
    assert (stored["init_from"], stored["reset_head"]) == (str(trained), True)
    assert "new: loss.prototypes" in capsys.readouterr().err


def test_embed_writes_an_embedding_for_each_crop(monkeypatch, capsys, trained, crops, tmp_path):
    from sphereface_plus.data.formats.embeddings import read_embeddings

    assert call(monkeypatch, "embed", trained, crops, tmp_path / "e.npz", "--flip", "concat") == 0
    keys, embeddings, meta = read_embeddings(tmp_path / "e.npz")
    assert keys[0] == "p0/0"
    assert embeddings.shape == (9, 16)
    assert meta["flip"] == "concat"
    assert "9 embeddings of 16 numbers" in capsys.readouterr().out


def test_embed_refuses_crops_of_another_size(monkeypatch, capsys, trained, tmp_path):
    (tmp_path / "crops" / "p").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "crops" / "p" / "1.png"), np.zeros((112, 96, 3), np.uint8))
    assert call(monkeypatch, "embed", trained, tmp_path / "crops", tmp_path / "e.npz") == 1
    said = capsys.readouterr().err
    assert f"error: {tmp_path / 'crops'}: expected test_32x32 crops of 32x32" in said
    assert "got images of 112x96" in said
    assert said.endswith("; photos as they are go to python -m eval embed\n")
    assert not (tmp_path / "e.npz").exists()


def test_embed_of_a_flat_folder_of_photos_names_the_command_that_takes_it(
    monkeypatch, capsys, trained, tmp_path
):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "1.png"), np.zeros((250, 250, 3), np.uint8))
    assert call(monkeypatch, "embed", trained, tmp_path / "photos", tmp_path / "e.npz") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'photos'}: expected manifest.csv or images in identity/image")
    assert said.endswith("; photos as they are go to python -m eval embed\n")
    assert said.count("\n") == 1


def test_show_describes_layers_input_prototypes_and_origin(monkeypatch, capsys, trained):
    assert call(monkeypatch, "show", trained) == 0
    shown = capsys.readouterr().out
    for part in (
        "recipe     tiny, step 3 of 3, seed 0",
        "9 crops of 3 identities",
        "stages.0.down            Conv2d   64 x 3 x 3 x 3",
        "height     32",
        "color      bgr",
        "prototypes 3 x 8",
        "energy ",
        "smallest angle ",
        "sha256 ",
    ):
        assert part in shown


@pytest.mark.slow
def test_export_writes_an_onnx_file_with_its_input_spec(monkeypatch, capsys, trained, tmp_path):
    assert call(monkeypatch, "export", trained, tmp_path / "net.onnx") == 0
    assert "onnxruntime agrees with torch to" in capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "net.onnx.yaml").read_text())["height"] == 32


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_an_input_spec_of_somebody_else_is_not_written_over(monkeypatch, capsys, tmp_path, suffix):
    (tmp_path / "model.pt").touch()
    spec = tmp_path / f"net{suffix}.yaml"
    spec.write_text("height: 32")
    assert call(monkeypatch, "export", tmp_path / "model.pt", tmp_path / f"net{suffix}") == 1
    assert capsys.readouterr().err == (
        f"error: {spec}: is there already, and nothing says that this command made it; name another file, or "
        "move this one away\n"
    )
    assert spec.read_text() == "height: 32"


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_stops_and_says_how_to_go_on(repository, recipe, tmp_path, number, code):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "sphereface_plus", "train", str(recipe), "--out", str(out)]
    command += ["--set", "train.steps=100000", "--set", "data.workers=1"]
    process = subprocess.Popen(
        command,
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = out / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= 2):
        time.sleep(0.05)
    os.killpg(process.pid, number)  # as a terminal does: the reading process gets it too
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == code, complaints
    assert "stopped and saved at step" in said
    assert f"sphereface-plus train {recipe} --out {out} --set train.steps=100000" in said
    assert said.rstrip().endswith("--resume")
    assert "Traceback" not in complaints
    assert (out / "checkpoints" / "last.pt").exists()
