"""What is logged about prototypes, against literal formulas."""

import math

import pytest
import torch

from sphereface_plus.config import ASoftmaxConfig, MHEConfig, SoftmaxConfig
from sphereface_plus.losses import build_loss
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.output import Seen
from sphereface_plus.losses.sampled_head import Sampling
from sphereface_plus.losses.shared_rows import SharedRows
from sphereface_plus.mhe import (
    caffe_surrogate,
    class_balanced_energy,
    classifier_energy,
    hyperspherical_energy,
    opensphere_energy,
    random_push,
)
from sphereface_plus.training.energies import NoEnergy, PrototypeEnergy, log_lines_between_angles
from sphereface_plus.training.shared_energy import SharedPrototypeEnergy
from tests.training.learners import ALONE

C, D, B = 7, 5, 12
PHOTOS = torch.tensor([5, 4, 9, 1, 1, 2, 30])


def alone(value):
    """The mean over the one process."""
    return value


@pytest.fixture(
    params=[SoftmaxConfig(kind="softmax"), ASoftmaxConfig(kind="a_softmax")], ids=lambda c: c.kind
)
def measured(request):
    """The loss, embeddings (B, D), labels (B,), and what is measured of them."""
    loss = build_loss(request.param, num_identities=C, embedding_size=D)
    embeddings, labels = torch.randn(B, D), torch.arange(B) % C
    energies = PrototypeEnergy(loss, MHEConfig(), log_every=1)
    gradient = energies.gradient_of(loss(embeddings, labels, 0).loss)
    scalars = energies.measure(labels, 0, gradient, alone)
    return loss, embeddings, labels, scalars


def literal_tangential_norm(gradient, prototypes):
    rows = []
    for g, w in zip(gradient, prototypes, strict=True):
        unit = w / w.norm()
        rows.append(g - (g @ unit) * unit)
    return float(torch.stack(rows).norm())


def test_energy_gradient_is_the_tangential_part_of_the_literal_formula(measured):
    loss, _, labels, scalars = measured
    prototypes = loss.prototypes.detach().clone().requires_grad_()
    unit = prototypes / prototypes.norm(dim=1, keepdim=True)
    energy = sum((unit[y] - unit[j]).norm() ** -2 for y in labels.tolist() for j in range(C) if j != y) / (
        B * (C - 1)
    )
    (gradient,) = torch.autograd.grad(energy, prototypes)
    assert float(scalars["mhe/energy"]) == pytest.approx(float(energy.detach()), rel=1e-5)
    assert float(scalars["mhe/tangential_gradient"]) == pytest.approx(
        literal_tangential_norm(gradient, prototypes.detach()), rel=1e-4
    )


def test_classification_gradient_is_the_tangential_part_of_autograds(measured):
    loss, embeddings, labels, scalars = measured
    (gradient,) = torch.autograd.grad(loss(embeddings, labels, 0).loss, loss.prototypes)
    expected = literal_tangential_norm(gradient, loss.prototypes.detach())
    assert float(scalars["mhe/classification_tangential_gradient"]) == pytest.approx(expected, rel=1e-4)


def test_smallest_angle_is_in_degrees_over_all_pairs(measured):
    loss, _, _, scalars = measured
    w = loss.prototypes.detach()
    angles = [
        math.degrees(math.acos(float(w[i] @ w[j] / (w[i].norm() * w[j].norm()))))
        for i in range(C)
        for j in range(i)
    ]
    assert float(scalars["mhe/smallest_angle_degrees"]) == pytest.approx(min(angles), rel=1e-4)


@pytest.mark.parametrize(
    ("identities", "lines"), [(2, 1), (4096, 1), (4097, 10), (100_000, 10), (100_001, None)]
)
def test_with_more_identities_the_smallest_angle_is_taken_more_rarely_and_then_not_at_all(identities, lines):
    assert log_lines_between_angles(identities) == lines


@pytest.mark.parametrize(
    ("form", "energy"),
    [
        ("paper", classifier_energy),
        ("class_balanced", lambda w, y: class_balanced_energy(w, y, PHOTOS)),
        ("full_space", lambda w, y: hyperspherical_energy(w)),
        ("caffe", caffe_surrogate),
        ("opensphere", opensphere_energy),
        ("random_push", lambda w, y: random_push(w, y, 8, 0)),
    ],
)
def test_the_form_of_the_recipe_is_penalised_and_measured(form, energy):
    loss = build_loss(SoftmaxConfig(kind="softmax"), num_identities=C, embedding_size=D)
    labels = torch.arange(B) % 3
    config = MHEConfig(weight=4.0, form=form)
    added = PrototypeEnergy(loss, config, log_every=1, photos_of_class=PHOTOS, seed=8)
    expected = energy(loss.prototypes, labels)
    torch.testing.assert_close(added.of_batch(Seen(loss.prototypes, labels, C), 0), 4 * expected)
    (ours,) = torch.autograd.grad(added.of_batch(Seen(loss.prototypes, labels, C), 0), loss.prototypes)
    (theirs,) = torch.autograd.grad(4 * expected, loss.prototypes)
    assert (ours - theirs).norm() <= 1e-5 * theirs.norm()
    scalars = added.measure(labels, 0, torch.zeros(C, D), alone)
    assert scalars["mhe/energy"].item() == pytest.approx(expected.item())


def test_a_placebo_holds_its_directions_for_the_steps_that_the_recipe_says():
    loss = build_loss(SoftmaxConfig(kind="softmax"), num_identities=C, embedding_size=D)
    config = MHEConfig(weight=1.0, form="random_push", hold_steps=3)
    added = PrototypeEnergy(loss, config, log_every=1, seed=8)
    seen = Seen(loss.prototypes, torch.arange(B) % 3, C)
    pushes = [torch.autograd.grad(added.of_batch(seen, step), loss.prototypes)[0] for step in range(5)]
    assert torch.equal(pushes[0], pushes[1])
    assert torch.equal(pushes[1], pushes[2])
    assert torch.equal(pushes[3], pushes[4])
    assert not torch.allclose(pushes[2], pushes[3])


def test_class_balanced_needs_to_know_the_photos():
    loss = build_loss(SoftmaxConfig(kind="softmax"), num_identities=C, embedding_size=D)
    with pytest.raises(ValueError, match="photos_of_class is missing"):
        PrototypeEnergy(loss, MHEConfig(form="class_balanced"), log_every=1)


def test_a_loss_without_prototypes_has_no_energy():
    assert NoEnergy().of_batch(None, 0) is NoEnergy().of_weights(0) is None
    assert NoEnergy().measure(torch.arange(3), 0, None, alone) == NoEnergy().state_dict() == {}


def test_nothing_is_left_behind_in_the_gradients(measured):
    assert measured[0].prototypes.grad is None


def test_class_balanced_of_a_sample_weighs_a_label_by_its_class():
    sampling = Sampling(
        lambda _: DenseHead, C, 0.6, lambda step, many, count: torch.arange(count)
    )  # 0 and 1 are drawn
    loss = build_loss(SoftmaxConfig(kind="softmax"), num_identities=C, embedding_size=D, head=sampling)
    labels, config = torch.tensor([6, 2, 6]), MHEConfig(weight=4.0, form="class_balanced")
    loss.begin(0, labels)
    seen = loss(torch.randn(3, D), labels, 0).seen
    unit = loss.prototypes / loss.prototypes.norm(dim=1, keepdim=True)

    def pair(y, j):
        return (unit[y] - unit[j]).norm() ** -2

    expected = sum(
        (PHOTOS.sum() / (C * PHOTOS[y])) * (pair(y, other) + 5 / 2 * (pair(y, 0) + pair(y, 1)))
        for y, other in ((6, 2), (2, 6), (6, 2))
    ) / (3 * (C - 1))
    energies = PrototypeEnergy(loss, config, log_every=1, photos_of_class=PHOTOS)
    torch.testing.assert_close(energies.of_batch(seen, 0), 4.0 * expected)


def test_a_form_that_is_not_implemented_for_shares_is_not_measured_as_another_and_may_have_no_weight():
    rows = SharedRows(C, ALONE)
    loss = build_loss(SoftmaxConfig(kind="softmax"), num_identities=C, embedding_size=D)
    loss.hold(rows)
    energies = SharedPrototypeEnergy(loss, rows, MHEConfig(form="caffe"))
    labels = torch.arange(B) % C
    output = loss(torch.randn(B, D), labels, 0)
    assert energies.of_batch(output.seen, 0) is None
    measured = energies.measure(labels, 0, energies.gradient_of(output.loss), alone)
    assert measured.keys() == {"mhe/classification_tangential_gradient"}
    with pytest.raises(ValueError, match="caffe of prototypes that processes share is not implemented"):
        SharedPrototypeEnergy(loss, rows, MHEConfig(form="caffe", weight=1.0))
    with pytest.raises(ValueError, match="photos_of_class is missing"):
        SharedPrototypeEnergy(loss, rows, MHEConfig(form="class_balanced"))
