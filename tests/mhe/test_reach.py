"""A penalty that reaches nothing is never silent."""

import copy
import warnings
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from sphereface_plus.mhe import MHERegularizer
from sphereface_plus.mhe.reach import PATIENCE


def model_of(*widths):
    return nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))


@pytest.fixture
def model():
    return model_of(6, 8, 8, 5)


def train(regularizer, parameters, steps):
    optimizer = torch.optim.SGD(parameters, lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        regularizer.penalty().backward()
        optimizer.step()


@pytest.mark.parametrize("place", [1, 2])
def test_a_layer_that_was_replaced_is_refused_by_name(model, place):
    regularizer = MHERegularizer(model)
    regularizer.penalty()
    model[place] = nn.Linear(*reversed(model[place].weight.shape))
    for ask in (regularizer.penalty, regularizer, regularizer.layer_energies):
        with pytest.raises(
            ValueError, match=f"^no longer part of the model: {place}\\. .*a new MHERegularizer"
        ):
            ask()
    assert MHERegularizer(model).penalty().requires_grad


def test_a_block_that_was_taken_out_is_refused():
    model = nn.ModuleDict({"trunk": model_of(6, 8, 8), "head": nn.Linear(8, 5)})
    regularizer = MHERegularizer(model)
    model["trunk"] = model_of(6, 8, 8)
    with pytest.raises(ValueError, match=r"model: trunk\.0, trunk\.1\. "):
        regularizer.penalty()


def test_a_replaced_layer_is_refused_inside_a_wrapper_too(model):
    wrapped = torch.compile(model, backend="eager")
    regularizer = MHERegularizer(wrapped)
    model[0] = nn.Linear(6, 8)
    with pytest.raises(ValueError, match="model: 0"):
        regularizer.penalty()


def test_what_is_frozen_warns_once_a_term(model):
    regularizer = MHERegularizer(model)
    for layer in model[:2]:
        layer.requires_grad_(False)
    with pytest.warns(UserWarning, match=r"penalty mhe/hidden has no effect on 0, 1: .*requires_grad"):
        regularizer.penalty()
    regularizer.penalty()  # warnings are errors here
    model[2].requires_grad_(False)
    with pytest.warns(UserWarning, match=r"penalty mhe/output has no effect on 2: "):
        regularizer.penalty()


def test_one_layer_that_learns_is_enough(model):
    regularizer = MHERegularizer(model)
    model[0].requires_grad_(False)
    train(regularizer, [p for p in model.parameters() if p.requires_grad], PATIENCE + 2)


@pytest.mark.parametrize("which", ["copied model", "copied regularizer", "optimizer of another model"])
def test_weights_that_nobody_trains_warn_once(model, which):
    regularizer, trained = MHERegularizer(model), model
    if which == "copied model":
        trained = copy.deepcopy(model)
    elif which == "copied regularizer":
        regularizer = copy.deepcopy(regularizer)
    else:
        trained = model_of(6, 8)
    with pytest.warns(UserWarning, match="has no effect") as told:
        train(regularizer, trained.parameters(), PATIENCE + 1)
    assert [str(warning.message).split(" has")[0] for warning in told] == [
        "the penalty mhe/hidden",
        "the penalty mhe/output",
    ]
    assert "none of their weights has changed in 100 penalties" in str(told[0].message)
    train(regularizer, trained.parameters(), PATIENCE + 1)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_parametrizations_put_on_later_are_followed(model, norm):
    regularizer = MHERegularizer(model, output=None)
    norm(model[0])
    train(regularizer, model.parameters(), PATIENCE + 2)


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # the tracer looks at every tensor
def test_a_compiled_step_says_the_same(model):
    regularizer = MHERegularizer(model)

    @torch.compile(backend="eager")
    def step(x):
        return model(x).square().sum() + regularizer.penalty()

    step(torch.randn(3, 6)).backward()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with pytest.warns(UserWarning, match="has no effect"):
        step(torch.randn(3, 6))
    model[1] = nn.Linear(8, 8)
    with pytest.raises(ValueError, match="model: 1"):
        step(torch.randn(3, 6))


def test_measuring_alone_says_nothing(model):
    regularizer = MHERegularizer(model)
    model.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regularizer()
        regularizer.layer_energies()
        with torch.no_grad():
            regularizer.penalty()
