"""python -m data_prep as people use it: stopped, killed, continued, and given what it cannot work with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main
from data_prep.align import align_folder
from sphereface_plus.data.formats.manifest import read_manifest


@pytest.fixture
def run():
    """Runs a command in this process and gives click's result."""
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def many_photos(photos) -> Path:
    """As many photos as take some seconds."""
    for path in list(photos.glob("*/*.jpg")):
        for copy in range(3):
            shutil.copy(path, path.with_name(f"{path.stem}_{copy}.jpg"))
    return photos


@pytest.fixture
def start(repository):
    """Starts a command in a process of its own."""
    processes = []

    def start(*arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-m", "data_prep", *map(str, arguments)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command,
            cwd=repository,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job, as the suite may be, hands down that Ctrl-C is ignored.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for_lines(path: Path, count: int) -> None:
    """Waits until a journal has its header and `count` photos."""
    while not path.exists() or path.read_bytes().count(b"\n") <= count:
        time.sleep(0.02)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "report.json"  # it tells the times
    }


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(many_photos, tmp_path, start):
    out = tmp_path / "out"
    for count, workers in ((2, 2), (12, 1)):
        process = start("align", many_photos, out, "--min-face", 30, "--workers", workers)
        wait_for_lines(out / "progress.jsonl", count)
        children = _children(process.pid)
        assert len(children) >= workers - 1
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        _wait_until_gone(children)  # workers end with their parent, even with one that could not tell them
        assert not (out / "manifest.csv").exists()
    summary = align_folder(many_photos, out, min_face=30, workers=1)
    assert summary.num_before >= 12
    align_folder(many_photos, tmp_path / "whole", min_face=30, workers=1)
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("command", "words"),
    [("draw", "continues where it stopped"), ("pack", "starts from the beginning")],
)
def test_a_stopped_command_promises_to_go_on_only_where_it_does(tmp_path, monkeypatch, command, words):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("data_prep.packing.pack", stop)
    monkeypatch.setattr("data_prep.drawn.DrawnSet.files", stop)
    arguments = [tmp_path] if command == "pack" else []
    result = CliRunner().invoke(main, [command, *map(str, arguments), str(tmp_path / "out.rec")])
    assert result.exit_code == 130
    assert result.output == f"stopped: the same command {words}\n"


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_says_how_to_continue(many_photos, tmp_path, start, stop, code):
    for path in list(many_photos.glob("*/*.jpg")):  # so many that it cannot have finished before the signal
        for copy in range(10):
            shutil.copy(path, path.with_name(f"{path.stem}_again_{copy}.jpg"))
    process = start("align", many_photos, tmp_path / "out", "--workers", 1)
    wait_for_lines(tmp_path / "out/progress.jsonl", 3)
    process.send_signal(stop)
    output, errors = process.communicate()
    assert process.returncode == code
    assert output == ""
    assert errors == "stopped: the same command continues where it stopped\n"
    assert not list((tmp_path / "out").rglob("*.tmp")) or stop == signal.SIGTERM


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        pytest.skip("needs /proc")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def _wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}/exe").exists() for pid in pids):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.05)


def test_align_tells_what_it_did_and_what_to_do_next(photos, tmp_path, run):
    (photos / "Bob/notes.txt").touch()
    (photos / "Bob/4.jpg").touch()
    result = run("align", photos, tmp_path / "out", "--min-face", 50, "--workers", 1)
    assert result.exit_code == 0
    assert "9 crops of 3 identities from 10 photos in " in result.stdout
    assert "  landmarks: detected 9\n" in result.stdout
    assert "  photos without a crop: unreadable 1\n" in result.stdout
    assert "  ignored: .txt file 1\n" in result.stdout
    assert result.stdout.endswith(
        f"report: {tmp_path}/out/report.json\n"
        f"next: look at {tmp_path}/out/contact_sheet.html, then train or evaluate on {tmp_path}/out\n"
    )
    again = run("align", photos, tmp_path / "out", "--min-face", 50, "--workers", 1)
    assert "photos a second" in result.stdout
    assert "photos a second" not in again.stdout  # nothing was left to do
    assert "  done before: photos 10\n" in again.stdout  # the unreadable one too, as it has not changed


def test_every_option_reaches_the_crops(photos, tmp_path, run):
    (tmp_path / "list.txt").write_text("Bob/1.jpg 0\nBob/2.jpg 0\nZoë/1.jpg 1\n", encoding="utf-8")
    out = tmp_path / "out"
    options = "--template arcface_112x112 --layout list --min-images 2 --face largest --fallback centre"
    options += " --fit forward --format jpg --quality 80 --min-face 40 --factor 0.8 --thresholds 0.5 0.6 0.8"
    options += " --workers 1 --realign"
    result = run("align", photos, out, "--list", tmp_path / "list.txt", *options.split())
    assert result.exit_code == 0, result.output
    assert read_manifest(out / "manifest.csv")["path"].tolist() == ["Bob/1.jpg", "Bob/2.jpg"]
    settings = (out / "progress.jsonl").read_text().splitlines()[0]
    for part in (
        '"template": "arcface_112x112"',
        '"face": "largest"',
        '"fallback": "centre"',
        '"fit": "forward"',
        '"format": "jpg"',
        '"quality": 80',
        '"min_face": 40.0',
        '"factor": 0.8',
        '"thresholds": [0.5, 0.6, 0.8]',
    ):
        assert part in settings


def test_bad_input_is_one_sentence_and_exit_code_1(photos, tmp_path, run):
    (tmp_path / "file").touch()
    for arguments, message in (
        ((tmp_path / "nowhere", tmp_path / "out"), "there is no such folder of photos"),
        ((photos, photos / "out"), "must not lie in the folder of photos"),
        (
            (photos, tmp_path / "out", "--list", tmp_path / "x"),
            "--layout list needs --list FILE, and no other layout takes one",
        ),
        (
            (photos / "Bob/1.jpg", tmp_path / "out"),
            "Bob/1.jpg: is a file; give the folder of photos, in which",
        ),
        ((photos, tmp_path / "file"), "file: is a file; name another folder"),
        ((photos, tmp_path / "file/out"), "file/out: cannot be a folder, as "),
        ((photos, "/proc/out"), "/proc/out: cannot be written to ("),
        ((photos, tmp_path / "out", "--min-face", 0), "min_face must be at least 1 pixel"),
        ((photos, tmp_path / "out", "--landmarks", tmp_path / "x"), "x: cannot be read"),
    ):
        result = run("align", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert result.stdout == ""


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(photos, tmp_path, run):
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run("align", photos, tmp_path / "locked/out", "--workers", 1)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "Permission denied" in result.stderr


def test_aligned_photos_are_refused_with_the_option_that_takes_them(photos, tmp_path, run):
    run("align", photos, tmp_path / "crops", "--min-face", 50, "--workers", 1)
    result = run("align", tmp_path / "crops", tmp_path / "again", "--workers", 1)
    assert result.exit_code == 1
    assert (
        "use its crops as they are, or give python -m data_prep align the option --realign\n" in result.stderr
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names that are plain bytes")
def test_names_that_are_not_utf_8_are_printed_with_escapes(photos, tmp_path, run):
    for name in (b"Bob/\xff.jpg", b"Bob/notes.\xff"):
        shutil.copy(photos / "Bob/1.jpg", photos / os.fsdecode(name))
    out = tmp_path / os.fsdecode(b"out\xff")
    result = run("align", photos, out, "--min-face", 50, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "  photos without a crop: file name is not UTF-8 1\n" in result.stdout
    assert "  ignored: .\\udcff file 1\n" in result.stdout
    assert result.stdout.endswith("out\\udcff\n")


def test_a_wrong_option_is_a_usage_error(photos, tmp_path, run):
    assert run("align", photos, tmp_path / "out", "--template", "dlib").exit_code == 2
    assert run("align", photos).exit_code == 2


def test_help_names_every_option_with_its_default_and_does_not_load_torch(run, repository):
    blocks = [" ".join(block.split()) for block in run("align", "--help").stdout.split("\n  --")[1:]]
    options = {block.split()[0]: block for block in blocks}
    assert {"list", "landmarks", "realign"} <= set(options)
    for name, default in (
        ("template", "sphereface_112x96"),
        ("layout", "folder"),
        ("min-images", "1; x>=1"),
        ("face", "centre"),
        ("fallback", "none"),
        ("fit", "inverse"),
        ("format", "png"),
        ("quality", "95; 1<=x<=100"),
        ("min-face", "20"),
        ("factor", "0.85"),
        ("thresholds", "0.6, 0.7, 0.9"),
        ("workers", "one for each processor"),
    ):
        assert f"[default: {default}]" in options[name]
    program = "import sys, data_prep.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=repository).returncode == 0
