"""Page faults of a process that allocates the same again and again, counted by the system."""

import os
import platform
import subprocess
import sys

import pytest

from sphereface_plus.training.freed_memory import OF_THE_USER, keep_freed_memory

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")

# As a step does: several large blocks, which are freed together.
STEPS = """
import resource, sys, torch
from sphereface_plus.training.freed_memory import keep_freed_memory
print(keep_freed_memory() if sys.argv[1] == "keep" else None)
for step in range(12):
    blocks = [torch.ones(12 << 20) for _ in range(4)]  # 48 MiB each
    del blocks
    if step == 7:  # by then the heap has found its size
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def said(way, **settings):
    environment = {name: value for name, value in os.environ.items() if name not in OF_THE_USER} | settings
    words = [sys.executable, "-c", STEPS, way]
    return subprocess.run(words, capture_output=True, text=True, check=True, env=environment).stdout.split()


@glibc
def test_memory_that_is_freed_and_wanted_again_makes_no_new_pages():
    kept, faults = said("keep")
    assert kept == "True"
    # 16 blocks of 12,288 pages of 4 KiB, or of 24 of 2 MiB.
    assert int(said("as it is")[1]) >= 16 * 24 > 10 * int(faults)


@glibc
def test_what_the_user_has_set_stays():
    assert said("keep", MALLOC_TRIM_THRESHOLD_="131072")[0] == "False"


def test_another_library_than_glibc_is_left_alone(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
