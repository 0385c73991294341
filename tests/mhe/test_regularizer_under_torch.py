"""MHERegularizer under autocast, checkpointing, compilation and parametrization: the same numbers."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from sphereface_plus.mhe import (
    AdversarialProjection,
    AnglePreservingProjection,
    Covering,
    DecoupledRegularizer,
    EnergyTerm,
    MHERegularizer,
    Polarization,
    RandomProjection,
    hyperspherical_energy,
    negative_log_gram,
    negative_separation,
    orthogonal_penalty,
    orthonormal_penalty,
)
from tests.mhe.small_models import gradients, loss_of, small_model


def test_the_penalty_is_the_same_with_and_without_autocast():
    model = small_model()
    regularizer = MHERegularizer(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(model, torch.randn(4, 3, 8, 8)) + regularizer.penalty()
        inside = regularizer.penalty()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, regularizer.penalty())
    loss.backward()
    assert all(gradient.isfinite().all() for gradient in gradients(model))


OBJECTIVES = {
    "energy": None,
    "half-space A-MHE": partial(hyperspherical_energy, half_space=True, distance="angular"),
    "orthonormal": orthonormal_penalty,
    "orthogonal": orthogonal_penalty,
    "random projection": partial(RandomProjection, size=4),
    "angle-preserving projection": partial(AnglePreservingProjection, size=4),
    "adversarial projection": partial(AdversarialProjection, size=4),
    "separation": negative_separation,
    "polarization": Polarization,
    "covering": Covering,
    "Gram determinant": negative_log_gram,
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("pairs_at_once", [2**22, 8], ids=["one slab", "slabs"])
def test_a_backward_inside_autocast_has_the_same_gradient(name, pairs_at_once, monkeypatch):
    monkeypatch.setattr("sphereface_plus.mhe.energy.PAIRS_AT_ONCE", pairs_at_once)
    model = small_model()
    regularizer = MHERegularizer(model, hidden=EnergyTerm(objective=OBJECTIVES[name]))
    regularizer.penalty(0).backward()
    outside = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        regularizer.penalty(0).backward()
    inside = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for ours, expected in zip(inside, outside, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-7)


def test_gradient_checkpointing_changes_nothing():
    model, images = small_model().eval(), torch.randn(4, 3, 8, 8)
    regularizer = MHERegularizer(model)

    def step(forward) -> list[torch.Tensor]:
        model.zero_grad()
        loss = nn.functional.cross_entropy(forward(images), torch.arange(4)) + regularizer.penalty()
        loss.backward()
        return gradients(model)

    plain = step(model)
    checkpointed = step(lambda x: torch.utils.checkpoint.checkpoint(model, x, use_reentrant=False))
    torch.testing.assert_close(checkpointed, plain)


# torch.compile looks at .grad of what it resumes with, and hides the warning where warnings are not errors
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("neurons", [None, 4])
def test_a_compiled_step_is_the_plain_one(neurons):
    model, images = small_model(), torch.randn(4, 3, 8, 8)
    regularizer = MHERegularizer(model, hidden=EnergyTerm(10.0, half_space=True, neurons=neurons))

    def loss_at(step: int) -> torch.Tensor:
        return loss_of(model, images) + regularizer.penalty(step)

    compiled = torch.compile(loss_at, backend="aot_eager")
    for step in range(3):
        results = []
        for function in (loss_at, compiled):
            model.zero_grad()
            loss = function(step)
            loss.backward()
            results.append((loss.detach(), gradients(model)))
        torch.testing.assert_close(*results)


def test_the_layers_of_a_compiled_model_are_regularised():
    model = small_model()
    compiled = torch.compile(model, backend="aot_eager")
    regularizer = MHERegularizer(compiled)
    assert regularizer.layer_names == MHERegularizer(model).layer_names
    images, results = torch.randn(4, 3, 8, 8), []
    for network in (compiled, model):
        model.zero_grad()
        (loss_of(network, images) + regularizer.penalty()).backward()
        results.append(gradients(model))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_parametrized_layers_train(norm):
    model = small_model()
    norm(model[0])
    norm(model[5])
    regularizer = MHERegularizer(model)
    assert regularizer.layer_names == {"mhe/hidden": ["0", "3"], "mhe/output": ["5"]}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = regularizer.penalty().item()
    for _ in range(20):
        optimizer.zero_grad()
        regularizer.penalty().backward()
        optimizer.step()
    assert regularizer.penalty().item() < before


def test_parametrized_weights_can_be_computed_once_a_step():
    model = small_model()
    parametrizations.spectral_norm(model[0])
    regularizer = DecoupledRegularizer(MHERegularizer(model), magnitude_weight=0.1)
    power_iterations = []
    model[0].parametrizations.weight[0].register_forward_hook(lambda *_: power_iterations.append(1))
    images = torch.randn(4, 3, 8, 8)
    with torch.nn.utils.parametrize.cached():
        (loss_of(model, images) + regularizer.penalty()).backward()
    assert len(power_iterations) == 1
    (loss_of(model, images) + regularizer.penalty()).backward()
    assert len(power_iterations) == 4
