"""Fixtures that more than one test file uses."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

hypothesis.settings.register_profile("untimed", deadline=None)  # no test depends on how busy a machine is
hypothesis.settings.load_profile("untimed")

# Code that was compiled for another CPU gives wrong numbers: see training/compiled_code.py. The workers of a
# pytest -n share what they compile, and have this from the process that started them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled_by_a_test_")
    atexit.register(shutil.rmtree, os.environ["TORCHINDUCTOR_CACHE_DIR"], ignore_errors=True)
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # more are processes, which load torch each

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard():
    """Also where the suite is a background job of a shell: it, and what it starts, would ignore SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root, for tests that run commands or read recipes."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; the test is skipped, with the reason, where it is missing."""
    folder = Path(os.environ.get("SPHEREFACE_DATA", REPOSITORY / ".." / "shared" / "data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set SPHEREFACE_DATA to run this test")
    return folder


@pytest.fixture(autouse=True)
def _fixed_seed_and_threads():
    """Each test starts from the same random state and leaves torch's global settings as it found them."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def damage():
    """(data of hypothesis, content): the content with one to four small changes."""

    def change(data, content: bytes) -> bytes:
        damaged = bytearray(content)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(damaged)))
            damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        return bytes(damaged)

    return change
