"""The published lists of noise: what is warned of, and what is left of a set."""

import pytest

from tests.eval.megaface.calls import called, report_of

NUM_DISTRACTORS = 120


def test_noise_lists_that_name_nothing_here_are_warned_of(kit):
    (kit / "names.txt").write_text("".join(f"Stranger_{number}.png\n" for number in range(605)))
    result = called(kit, "--probe-noise", kit / "names.txt", "--distractor-noise", kit / "names.txt")
    assert result.exit_code == 0, result.output
    page = (kit / "out/report.html").read_text()
    for words in (
        "names.txt: none of its 605 names is of people whose probes are here; if you expected more, see that",
        "names.txt: none of its 605 names is of people whose distractors are here; if you expected more, see",
        "there are no cleaned numbers, as no noise list names an image that is here",
    ):
        assert f"warning: {words}" in result.stderr
        assert "as MegaFace's 375/1@N00/2_0, which no image of a flat folder has" in result.stderr
        assert words in page
    assert "cleaned:" not in result.output


def test_a_noise_list_of_these_people_of_which_little_is_here_is_warned_of(kit):
    other = "".join(f"Bob_{number}.png\nStranger_{number}.png\n" for number in range(100, 120))
    (kit / "names.txt").write_text("Bob_2.png\n" + other)
    result = called(kit, "--probe-noise", kit / "names.txt")
    expected = (
        "warning: names.txt: only 1 of its 21 names of people whose probes are here matches (41 names in"
    )
    assert expected in result.stderr
    assert "cleaned: 8 probes" in result.stdout


def test_a_noise_list_of_many_others_matches_as_well_as_it_can(kit):
    (kit / "names.txt").write_text("Bob_2.png\n" + "".join(f"Stranger_{n}.png\n" for n in range(20)))
    result = called(kit, "--probe-noise", kit / "names.txt")
    assert "warning: names.txt" not in result.stderr
    assert (
        "1 of 21 names in names.txt is a probe here, which the cleaned numbers leave out; 1 is of people"
        in result.stderr
    )
    assert (
        "1 of its 21 names, of which 1 is of people whose probes are here"
        in (kit / "out/report.html").read_text()
    )


@pytest.mark.parametrize("side", ["probe", "distractor"])
def test_a_noise_list_of_everything_leaves_the_raw_numbers(kit, side):
    folder = kit / f"{side}s"
    names = [path.relative_to(folder).as_posix().removesuffix("_m.bin") for path in folder.rglob("*.bin")]
    names = names if side == "distractor" else [name.split("/")[-1] for name in names]
    (kit / "all.txt").write_text("\n".join(names) + "\n")
    result = called(kit, f"--{side}-noise", kit / "all.txt")
    assert result.exit_code == 0, result.output
    assert "without the images of the noise lists nothing can be measured: " in result.output
    assert list(report_of(kit)["results"]) == ["raw"]
