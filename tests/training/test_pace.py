from time import sleep

from sphereface_plus.training.pace import Pace


def test_rate_counts_images_of_the_steps_since_the_last_reading():
    pace = Pace(batch_size=10)
    for step in range(3):
        pace.step_done(step)
    sleep(0.05)
    first = pace.read()["images_per_second"]
    assert 0 < first <= 30 / 0.05
    assert pace.read()["images_per_second"] == 0


def test_waiting_is_a_share_of_the_time_that_is_not_paused():
    pace = Pace(batch_size=1)
    with pace.paused():
        sleep(0.2)
    with pace.waiting():
        sleep(0.05)
    assert pace.read()["data_wait_share"] > 0.9


def test_listener_hears_how_many_updates_were_made():
    heard = []
    pace = Pace(1, heard.append)
    pace.step_done(0)
    pace.step_done(1)
    assert heard == [1, 2]
