from sphereface_plus.training.opening import Forecast
from sphereface_plus.training.run import train


def test_a_run_says_what_it_trains_on_and_what_it_trains(tiny, tmp_path, crops, capsys):
    train(tiny(**{"data.exclude": ["person_1"]}), tmp_path / "run")
    data, network = capsys.readouterr().err.splitlines()[:2]
    assert data == (
        f"data: 25 crops of 5 identities, {crops}; 1 of 6 identities left out: person_1 (excluded)"
    )
    assert network.startswith("network: sphereface4, 1,584,720 parameters, and 80 ")
    assert " of the a_softmax loss; 8 steps of 8 crops, on 1 x cpu " in network
    assert network.endswith(", in fp32")


def test_identities_with_too_few_crops_are_named(tiny, tmp_path, make_crops, capsys):
    folder = make_crops("crops", identities=9, images=3)
    for person in range(7):
        (folder / f"person_{person}" / f"person_{person}_0001.png").unlink()
    train(tiny(**{"data.path": str(folder), "data.min_images": 3}), tmp_path / "run")
    assert (
        f"data: 6 crops of 2 identities, {folder}; 7 of 9 identities left out: "
        + "".join(f"person_{person} (2 crops, fewer than min_images 3), " for person in range(4))
        + "person_4 (2 crops, fewer than min_images 3) and 2 more\n"
    ) in capsys.readouterr().err


def test_adapters_are_what_learns(tiny, tmp_path, capsys):
    train(tiny(), tmp_path / "start")
    capsys.readouterr()
    train(tiny(init_from=str(tmp_path / "start"), finetune={"frozen_stages": 2}), tmp_path / "run")
    assert " parameters, of which " in capsys.readouterr().err


def test_the_time_is_told_once_from_the_steps_after_the_first_ones():
    forecast = Forecast(100, 1100, 32, "crops", warm_up=2, measured=10)
    seconds = {101: 90.0, 102: 100.0, 112: 120.0, 113: 500.0}  # 2 s a step; the first ones took long
    said = {updates: forecast.after(updates, now) for updates, now in seconds.items()}
    assert said == {
        101: None,
        102: None,
        112: "expected: 0:32:56 for the 988 steps left, at 16 crops/s",
        113: None,
    }


def test_no_time_is_told_when_the_run_is_over_soon():
    forecast = Forecast(0, 20, 32, "crops", warm_up=2, measured=10)
    assert all(forecast.after(updates, float(updates)) is None for updates in range(1, 21))
