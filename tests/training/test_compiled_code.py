"""Compiled code is kept apart by kind of CPU, where the user does not say where."""

import os

import torch

from sphereface_plus.training.compiled_code import keep_apart


def test_each_kind_of_cpu_has_a_folder_of_its_own(monkeypatch):
    places = set()
    for capability in ("AVX2", "AVX512"):
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
        monkeypatch.setattr(
            torch.backends.cpu, "get_cpu_capability", lambda capability=capability: capability
        )
        keep_apart()
        places.add(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    assert len(places) == 2


def test_the_users_own_folder_is_kept(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "mine")
    keep_apart()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "mine"


def test_a_user_without_a_name_has_a_folder_too(monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    keep_apart()
    assert "_12345_" in os.environ["TORCHINDUCTOR_CACHE_DIR"]
