import os
import signal
import subprocess
import sys

from sphereface_plus.training.signals import ECHO_SECONDS, stop_on_signals

TWICE = """
import os, signal, sys, time
from sphereface_plus.training.signals import stop_on_signals
with stop_on_signals() as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    print("first survived", stop.signal, flush=True)
    time.sleep(float(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGINT)
    print("second survived", flush=True)
"""


def test_first_signal_is_a_request_and_handlers_come_back(capfd):
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
        assert stop.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert "told to end: stopping after this step, then saving" in capfd.readouterr().err


def twice(seconds_between):
    command = [sys.executable, "-c", TWICE, str(seconds_between)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_second_signal_ends_the_process_at_once():
    result = twice(ECHO_SECONDS + 0.1)
    assert result.stdout == f"first survived {int(signal.SIGTERM)}\n"
    assert result.returncode == -signal.SIGINT


def test_an_echo_of_the_first_signal_is_no_second_one():
    result = twice(0)
    assert result.stdout == f"first survived {int(signal.SIGTERM)}\nsecond survived\n"
    assert result.returncode == 0
