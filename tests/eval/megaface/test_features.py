"""Features of MegaFace's kit: read once into a store, written, and named where they cannot be used."""

import shutil
from functools import partial

import numpy as np

from eval.megaface import features
from sphereface_plus.data.formats import embedding_store_writing
from sphereface_plus.data.formats.embedding_store import Index, open_embeddings
from sphereface_plus.data.formats.megaface_features import read_feature, write_feature
from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_written_features_give_the_same_numbers(kit):
    assert called(kit, "--write-features", kit / "again").exit_code == 0
    name = "probes/Ann/Ann_0.png_m.bin"
    np.testing.assert_array_equal(read_feature(kit / "again" / name), read_feature(kit / name))
    first = report_of(kit)
    for name in ("probes", "distractors"):
        shutil.rmtree(kit / name)
        (kit / "again" / name).rename(kit / name)
    assert called(kit, out="second").exit_code == 0
    assert report_of(kit, "second")["results"] == first["results"]


def store_of(kit, side):
    return open_embeddings(kit / "out" / side / "embeddings")


def test_features_are_read_once_and_stay_memory_mapped(kit, monkeypatch):
    read, files = features.read_feature, []
    monkeypatch.setattr(features, "read_feature", lambda file: files.append(file) or read(file))
    assert called(kit).exit_code == 0
    assert len(files) == 9 + NUM_DISTRACTORS
    assert isinstance(store_of(kit, "distractors").rows, np.memmap)
    first, stored = report_of(kit)["results"], store_of(kit, "probes").rows[:]
    files.clear()
    assert called(kit).exit_code == 0
    assert (files, report_of(kit)["results"]) == ([], first)
    changed = kit / "probes/Ann/Ann_0.png_m.bin"
    write_feature(changed, np.arange(16) + 1)
    assert called(kit).exit_code == 0
    assert changed in files
    assert len(files) == 9  # of the block that holds it
    np.testing.assert_array_equal(store_of(kit, "probes").rows[0], np.arange(16) + 1)
    np.testing.assert_array_equal(store_of(kit, "probes").rows[1:], stored[1:])


def test_reading_features_goes_on_after_a_stop(kit, monkeypatch):
    monkeypatch.setattr(embedding_store_writing, "Index", partial(Index, block=16))
    read, files = features.read_feature, []

    def stopped(file):
        if len(files) == 50:
            raise KeyboardInterrupt
        files.append(file)
        return read(file)

    monkeypatch.setattr(features, "read_feature", stopped)
    called(kit)
    assert not (kit / "out/report.json").exists()
    before = list(files)
    monkeypatch.setattr(features, "read_feature", lambda file: files.append(file) or read(file))
    assert called(kit).exit_code == 0
    again = set(before) & set(files[50:])
    assert len(files) - 50 < NUM_DISTRACTORS  # of 50 files at most the last, unfinished block is read again
    assert len(again) < 16
    assert called(kit, out="whole").exit_code == 0
    assert report_of(kit, "whole")["results"] == report_of(kit)["results"]


def test_all_features_that_cannot_be_used_are_named_and_counted(kit):
    strangers = sorted((kit / "distractors").rglob("*.bin"))
    for file in strangers[:4]:
        write_feature(file, np.full(16, np.nan))
    write_feature(strangers[5], np.zeros(16))
    write_feature(strangers[6], np.ones(12))
    strangers[7].write_bytes(b"cut")
    result = called(kit)
    assert result.exit_code == 1
    assert "distractors: 7 of the 120 features of distractors cannot be used: " in result.output
    names = [file.relative_to(kit / "distractors").as_posix() for file in strangers]
    assert "5 not finite, or 0 (" in result.output
    assert f"1 of other than 16 numbers ({names[6]})" in result.output
    assert f"1 damaged ({names[7]}: ends within its header)" in result.output
    for file in strangers[:8]:
        file.unlink()
    assert "no image is there of 8 distractors of the lists: left out" in called(kit).output


def test_sides_of_other_dimensions_are_refused(kit):
    for file in (kit / "probes").rglob("*.bin"):
        write_feature(file, read_feature(file)[:8])
    assert "the probes' features have 8 numbers, the distractors' 16; both need one" in called(kit).output


def test_features_whose_names_tell_two_models_are_refused(kit):
    for file in (kit / "probes").rglob("*_m.bin"):
        file.rename(file.with_name(file.name.replace("_m.bin", "_other.bin")))
    result = called(kit)
    assert result.exit_code == 1
    assert (
        "the probes' features are named _other.bin, the distractors' _m.bin, which is of two" in result.output
    )
