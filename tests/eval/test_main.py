"""The commands: what they accept, what they say, and how they fail."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from data_prep.align import align_folder
from data_prep.errors import PrepError
from eval import report_files, verify_command
from eval.__main__ import main
from eval.protocols import PROTOCOLS
from sphereface_plus.data.formats.pairs import read_pairs


def test_commands_offer_exactly_the_protocols_there_are():
    assert tuple(PROTOCOLS) == verify_command.PROTOCOLS


@pytest.mark.parametrize("command", ["lfw", "verify", "identify", "who", "ijb", "compare", "seeds"])
def test_every_option_has_a_sentence_of_help(command, run_eval):
    assert run_eval(command, "--help").output.startswith("Usage")
    options = [p for p in main.commands[command].params if p.param_type_name == "option"]
    assert [option.name for option in options if not option.help] == []


def test_help_waits_for_no_heavy_package(repository):
    code = "import sys, eval.__main__; print({'torch', 'numpy', 'matplotlib', 'pandas'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository
    )
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lfw_measures_a_file_of_embeddings_under_each_protocol(
    protocol, lfw_lists, embeddings_file, run_eval, tmp_path
):
    model = embeddings_file(lfw_lists / "pairs.txt", flip=PROTOCOLS[protocol].flip)
    out = tmp_path / "out"
    result = run_eval(
        "lfw", "--model", model, "--data", lfw_lists, "--protocol", protocol, "--no-thumbnails", "--out", out
    )
    report = report_files.read(out)
    assert report["protocol"]["name"] == protocol
    assert report["title"] == "LFW view 2"
    assert 0.6 < report["results"]["accuracy"] < 1
    assert f"accuracy {100 * report['results']['accuracy']:.2f} %" in result.output
    assert f"report: {out / 'report.html'}" in result.output
    assert "next: " in result.output


def test_view_1_is_cut_into_ten_folds_and_says_so(lfw_lists, embeddings_file, run_eval, tmp_path):
    model = embeddings_file(lfw_lists / "pairsDevTest.txt", flip="concat")
    run_eval("lfw", "--model", model, "--data", lfw_lists, "--view", 1, "--no-thumbnails", "--out", tmp_path)
    report = report_files.read(tmp_path)
    assert report["title"] == "LFW view 1"
    fold, genuine = np.array(report["per_pair"]["fold"]), np.array(report["per_pair"]["genuine"])
    assert [(genuine[fold == k].sum(), (1 - genuine)[fold == k].sum()) for k in range(1, 11)] == [(4, 4)] * 10
    assert "cut into ten stretches" in report["pairs"]["folds_are"]


def test_verify_reads_a_list_of_paths(lfw_lists, embeddings_file, run_eval, tmp_path):
    pairs = tmp_path / "mine.txt"
    lines = [f"a/{k}.jpg b/{k}.jpg {k % 2}" for k in range(40)]
    pairs.write_text("\n".join(lines) + "\n")
    model = embeddings_file(pairs)
    run_eval("verify", "--model", model, "--pairs", pairs, "--no-thumbnails", "--out", tmp_path / "out")
    report = report_files.read(tmp_path / "out")
    assert report["protocol"]["name"] == "cosine"
    assert report["per_pair"]["first"][3] == "a/3"
    assert "does not state it; the protocol asks for none" in report["model"]["flip"]


def test_exchanged_labels_are_asked_about(lfw_lists, embeddings_file, run_eval, tmp_path):
    pairs = read_pairs(lfw_lists / "pairs.txt")
    for name, genuine in (("right", pairs.genuine), ("exchanged", ~pairs.genuine)):
        rows = zip(pairs.first, pairs.second, genuine.astype(int), strict=True)
        (tmp_path / f"{name}.txt").write_text("".join(f"{a} {b} {kind}\n" for a, b, kind in rows))
    model = embeddings_file(tmp_path / "right.txt")

    def said(name):
        result = run_eval(
            "verify", "--model", model, "--pairs", tmp_path / f"{name}.txt", "--out", tmp_path / name
        )
        return "are the list's labels exchanged?" in result.output

    assert (said("right"), said("exchanged")) == (False, True)


def test_bad_input_ends_in_one_sentence(lfw_lists, embeddings_file, run_eval, tmp_path):
    pairs, out = lfw_lists / "pairs.txt", tmp_path / "out"
    model = embeddings_file(pairs, flip="none")
    few, foreign = tmp_path / "few.txt", tmp_path / "foreign.txt"
    few.write_text("a b 1\na c 0\n")
    foreign.write_text("".join(f"x/{k} y/{k} {k % 2}\n" for k in range(40)))
    for arguments, message in (
        (("--model", model), "either --data (LFW's folder) or --pairs (a list) is needed"),
        (("--model", model, "--data", tmp_path), "does not hold pairs.txt"),
        (("--model", model, "--pairs", tmp_path / "none.txt"), "there is no such list of pairs"),
        (
            ("--model", model, "--pairs", few),
            "at least 10 genuine and 10 impostor pairs, the list has 1 and 1",
        ),
        (("--model", model, "--pairs", pairs), "flip fusion none, and the protocol "),
        (("--model", model, "--pairs", foreign), "has no embedding of 80 of the 80 photos"),
        (("--model", tmp_path / "no.npz", "--pairs", pairs), "no.npz: "),
        (("--model", tmp_path / "no.onnx", "--data", lfw_lists), "no.onnx: "),
        (("--model", tmp_path / "no.pt", "--data", lfw_lists), "no.pt: "),
        (("--model", "pixels", "--pairs", pairs), "photos or crops are needed"),
        (("--model", "pixels", "--data", lfw_lists), "has no image of 130 of the 130 photos asked for"),
    ):
        output = run_eval("lfw", *arguments, "--out", out, code=1).output
        assert output.startswith("error: "), output
        assert message in output
        assert output.count("\n") == 1
    assert not out.exists()


def test_a_place_where_no_report_can_be_written_is_named_before_anything_is_read(run_eval, tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "report"
    measure = ("--model", "no.onnx", "--pairs", tmp_path / "no.txt")
    for arguments in (("lfw", *measure), ("verify", *measure), ("compare", tmp_path, tmp_path)):
        output = run_eval(*arguments, "--out", out, code=1).output
        assert (
            output == f"error: {out}: cannot be a folder, as {tmp_path}/file is a file; name another folder\n"
        )


def test_examples_in_help_are_lines_of_their_own(run_eval):
    for command in ("lfw", "verify", "compare", "seeds"):
        (example,) = [
            line
            for line in run_eval(command, "--help").output.splitlines()
            if line.startswith("  python -m eval")
        ]
        assert example.split()[3] == command
        assert example.endswith(("mine", "both", "*/lfw'"))


def test_a_wrong_protocol_is_a_usage_error(run_eval, tmp_path):
    output = run_eval("lfw", "--model", "pixels", "--protocol", "lfw", "--out", tmp_path, code=2).output
    assert "'sphereface', 'cosine', 'clcarwin', 'insightface'" in output


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(
    lfw_lists, embeddings_file, run_eval, tmp_path
):
    ours = [embeddings_file(lfw_lists / "pairs.txt", name, flip="concat") for name in ("first", "second")]

    def measure(model, out, code=0):
        return run_eval("lfw", "--model", model, "--data", lfw_lists, "--out", out, code=code).output

    def content(folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    measure(ours[0], tmp_path / "report")
    before = content(tmp_path / "report")
    output = measure(ours[1], tmp_path / "report", code=1)
    assert (
        f"{tmp_path / 'report'}: holds the result of python -m eval, and this would be another: model "
        in output
    )
    assert "model first.npz -> second.npz; name another folder" in output
    assert content(tmp_path / "report") == before
    measure(ours[0], tmp_path / "report")  # its own it writes again

    crops = tmp_path / "crops"  # as data_prep align leaves them
    crops.mkdir()
    for name in ("manifest.csv", "progress.jsonl", "report.json"):
        (crops / name).write_text("theirs")
    assert "holds manifest.csv, progress.jsonl, report.json, and nothing says that" in measure(
        ours[0], crops, code=1
    )
    assert sorted(path.name for path in crops.iterdir()) == ["manifest.csv", "progress.jsonl", "report.json"]

    (tmp_path / "photos" / "Ann").mkdir(parents=True)
    (tmp_path / "photos" / "Ann" / "1.jpg").write_bytes(b"x")
    with pytest.raises(PrepError, match="is not empty and holds no crops of this program; give a new folder"):
        align_folder(tmp_path / "photos", tmp_path / "report")
    compared = run_eval("compare", tmp_path / "report", tmp_path / "report", "--out", crops, code=1).output
    assert "and nothing says that this command made it" in compared


def test_crops_and_report_share_no_folder(lfw_lists, run_eval, tmp_path):
    both = ("--out", tmp_path / "a", "--crops", tmp_path / "a")
    output = run_eval("lfw", "--model", "pixels", "--data", lfw_lists, *both, code=1).output
    assert "cannot be both the folder of the report and that of --crops" in output
