"""Small matrices are faster on one thread, and far faster where other tests keep the other cores busy."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)  # set back by tests/conftest.py
