"""The kit's result files."""

import json

import pytest

from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_the_kit_has_a_file_of_each_set_and_size_with_every_rank(kit):
    assert called(kit, "--probe-noise", kit / "probe_noise.txt").exit_code == 0
    results = report_of(kit)["results"]
    names = {f"cmc_facescrub_megaface_m_{size}_{number}.json" for size in (10, 100) for number in (1, 2)}
    for kind in ("raw", "cleaned"):
        assert {file.name for file in (kit / "out/kit" / kind).iterdir()} == names
        for column, size in enumerate((10, 100)):
            for place, number in enumerate((1, 2)):
                file = kit / f"out/kit/{kind}/cmc_facescrub_megaface_m_{size}_{number}.json"
                kept = json.loads(file.read_text())
                assert kept["cmc"][0] == list(range(size))
                for rank in results[kind]["sizes"][column]["ranks"]:
                    if rank["rank"] <= size:
                        assert kept["cmc"][1][rank["rank"] - 1] == pytest.approx(rank["per_set"][place])
                far, tar = kept["roc"]
                assert len(far) == len(tar)
                assert far[-1] == tar[-1] == 1
    last = json.loads((kit / "out/kit/raw/cmc_facescrub_megaface_m_100_1.json").read_text())["roc"]
    assert last == [results["raw"]["verification"][-1]["roc"][name] for name in ("far", "tar")]
