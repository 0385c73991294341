"""What `show` says of prototypes: of all pairs, and of many prototypes what takes minutes."""

import math

import pytest
import torch

from sphereface_plus.config import MHEConfig
from sphereface_plus.mhe import classifier_energy, hyperspherical_energy, smallest_angle
from sphereface_plus.training import model_lines
from sphereface_plus.training.model_lines import prototype_lines

W = torch.randn(5000, 3, generator=torch.Generator().manual_seed(0))


def test_the_energy_is_that_of_all_pairs_and_the_angle_the_smallest():
    lines = list(prototype_lines(W[:30], MHEConfig()))
    assert lines == [
        "prototypes 30 x 3",
        f"  energy          {hyperspherical_energy(W[:30]).item():.6f}  (power 2, euclidean)",
        f"  smallest angle  {math.degrees(smallest_angle(W[:30])):.2f} degrees",
    ]


def test_of_more_prototypes_than_a_part_holds_the_energy_is_still_of_all_pairs():
    energy = float(next(line for line in prototype_lines(W, MHEConfig()) if "energy" in line).split()[1])
    assert energy == pytest.approx(hyperspherical_energy(W).item(), rel=1e-5)


def test_of_very_many_it_is_of_some_with_all_others_and_no_angle_is_looked_for(monkeypatch):
    monkeypatch.setattr(model_lines, "ALL_PAIRS_IDENTITIES", 4500)
    monkeypatch.setattr(model_lines, "SOME", 500)
    some = classifier_energy(W, torch.arange(0, 5000, 10)).item()
    assert list(prototype_lines(W, MHEConfig())) == [
        "prototypes 5000 x 3",
        f"  energy          {some:.6f}  (power 2, euclidean, of 500 with all others)",
        "  smallest angle  not looked for in 1.2e+07 pairs",
    ]
