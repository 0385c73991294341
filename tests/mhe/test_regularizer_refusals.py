"""What MHERegularizer cannot regularise is named before training."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from sphereface_plus.mhe import EnergyTerm, MHERegularizer, RandomProjection
from tests.mhe.small_models import small_model


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": -1.0}, "an energy term's weight must be a finite number >= 0, got -1.0"),
        ({"weight": float("nan")}, "an energy term's weight must be a finite number >= 0, got nan"),
        ({"power": -2.0}, "an energy term's power must be a finite number >= 0, got -2.0"),
        ({"distance": "chord"}, "an energy term's distance must be 'euclidean' or 'angular', got 'chord'"),
        ({"layer_reduction": "max"}, "layer_reduction must be 'sum' or 'mean', got 'max'"),
        ({"weight": "10"}, "an energy term's weight must be a finite number >= 0, got '10'"),
        ({"half_space": "no"}, "an energy term's half_space must be True or False, got 'no'"),
        ({"objective": "mhs"}, "an energy term's objective must be a function or class, got 'mhs'"),
        ({"neurons": 1}, "neurons needs a whole number, at least two, got neurons=1"),
        ({"neurons": 2.5}, "neurons needs a whole number, at least two, got neurons=2.5"),
        ({"neurons": 8, "objective": RandomProjection}, "unbiased for the energy only; drop one of them"),
        ({"power": 1.0, "objective": RandomProjection}, "half_space are settings of the energy"),
    ],
)
def test_contradictory_terms_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EnergyTerm(**settings)


class Foreign(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            small_model(),
            {"output": EnergyTerm(half_space=True)},
            "half_space is for hidden layers.*section 3.4",
        ),
        (
            small_model(),
            {"output": EnergyTerm(objective=partial(RandomProjection, half_space=True))},
            "half_space is for hidden layers",
        ),
        (
            small_model(),
            {"hidden": 10.0},
            r"hidden must be an EnergyTerm, such as EnergyTerm\(10.0\), or None; got 10.0",
        ),
        (
            small_model(),
            {"hidden": EnergyTerm(objective=RandomProjection(4))},
            "objective: a RandomProjection holds the state of one",
        ),
        (small_model(), {"hidden": None, "output": None}, "hidden=None and output=None: there is nothing to"),
        (small_model(), {"output_layer": "fc"}, "output_layer 'fc' is not a layer; the layers are 0, 3, 5"),
        (small_model(), {"output_layer": False}, "the model has no output layer; pass output=None, too"),
        (small_model(), {"exclude": "5"}, "exclude '5' matches no layer; the layers are 0, 3"),
        (small_model(), {"exclude": "*"}, "mhe/hidden has nothing to spread: all layers are excluded"),
        (nn.Linear(4, 3), {}, "the model has no hidden layer; pass hidden=None"),
        (
            nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1)),
            {},
            "mhe/output has nothing to spread: 1 has one neuron",
        ),
        (
            nn.Sequential(Foreign(), nn.Linear(4, 3)),
            {},
            "layer 0: Foreign cannot be read as neurons; exclude='0' leaves it out",
        ),
        (nn.Sequential(nn.LSTM(4, 4), nn.Linear(4, 3)), {}, "layer 0: LSTM cannot be read as neurons"),
        (nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 3)), {}, "layer 0: LazyLinear has no weight yet"),
        (nn.ReLU(), {}, "the model has no layer with neurons"),
    ],
)
def test_what_cannot_be_regularised_is_named_before_training(model, settings, message):
    with pytest.raises(ValueError, match=message):
        MHERegularizer(model, **settings)


def test_an_excluded_layer_need_not_be_readable():
    model = nn.Sequential(Foreign(), nn.Linear(4, 4), nn.Linear(4, 3))
    assert MHERegularizer(model, exclude="0").layer_names["mhe/hidden"] == ["1"]
