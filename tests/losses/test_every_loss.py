"""What holds for every loss of a recipe: finite gradients, full precision, resumption, and a home for MHE."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import TripletLoss
from sphereface_plus.mhe import classifier_energy
from tests.losses.settings import SETTINGS, C, D, make, name_of


@pytest.fixture(params=SETTINGS, ids=name_of)
def loss(request):
    return make(request.param)


def gradients_of(loss, x, labels, step=3):
    tensors = [x, *loss.parameters()]
    return torch.autograd.grad(loss(x, labels, step).loss, tensors, allow_unused=True)


@pytest.mark.parametrize("degrees", [0, 1e-5, 90, 180 - 1e-5, 180])
def test_the_gradient_is_finite_where_an_embedding_stands_at_any_angle_to_its_prototype(loss, degrees):
    labels = torch.tensor([0, 1, 0, 2])
    prototypes = getattr(loss, "prototypes", torch.randn(C, D)).detach()
    across = torch.linalg.qr(torch.stack([prototypes[0], torch.ones(D)]).T).Q[:, 1]
    along = F.normalize(prototypes[0], dim=0)
    angle = math.radians(degrees)
    x = torch.randn(4, D)
    x[0] = 20 * (math.cos(angle) * along + math.sin(angle) * across)
    gradients = gradients_of(loss, x.requires_grad_(), labels)
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def test_the_gradient_is_finite_for_zero_and_for_equal_embeddings(loss):
    x = torch.zeros(5, D)
    x[3:] = 1.0
    if hasattr(loss, "prototypes"):
        with torch.no_grad():
            loss.prototypes[1] = 0
    gradients = gradients_of(loss, x.requires_grad_(), torch.tensor([0, 1, 1, 0, 2]))
    assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)


def test_the_loss_is_finite_for_a_batch_of_one(loss):
    x = torch.randn(1, D, requires_grad=True)
    assert loss(x, torch.tensor([3]), 0).loss.isfinite()
    assert all(
        gradient.isfinite().all()
        for gradient in gradients_of(loss, x, torch.tensor([3]))
        if gradient is not None
    )


def test_bf16_embeddings_under_autocast_give_the_loss_in_fp32(loss):
    x, labels = (8 * torch.randn(6, D)).bfloat16(), torch.tensor([0, 0, 1, 1, 2, 2])
    again = copy.deepcopy(loss)
    with torch.autocast("cpu", torch.bfloat16):
        output = loss(x, labels, 0)
    assert output.loss.dtype == torch.float32
    assert torch.equal(output.loss, again(x.float(), labels, 0).loss)


def test_evaluation_changes_no_state(loss):
    before = copy.deepcopy(loss.state_dict())
    loss.eval()
    for _ in range(2):
        loss(8 * torch.randn(6, D), torch.tensor([0, 0, 1, 1, 2, 2]), 5)
    assert before.keys() == loss.state_dict().keys()
    assert all(torch.equal(tensor, loss.state_dict()[name]) for name, tensor in before.items())


def test_a_loss_from_its_state_dict_goes_on_bit_by_bit(loss):
    batches = [(8 * torch.randn(6, D), torch.tensor([0, 0, 1, 1, 2, 2])) for _ in range(4)]
    twin = copy.deepcopy(loss)
    twin.load_state_dict({name: torch.full_like(tensor, 0.5) for name, tensor in twin.state_dict().items()})
    for step, batch in enumerate(batches[:2]):
        loss(*batch, step)
    twin.load_state_dict(loss.state_dict())
    for step, batch in enumerate(batches[2:], start=2):
        assert torch.equal(loss(*batch, step).loss, twin(*batch, step).loss)


def test_the_logits_without_margin_know_nothing_of_the_margin(loss, seen):
    """Their argmax over random embeddings is that of the inner product, or of the cosine."""
    if not hasattr(loss, "prototypes"):
        pytest.skip("a loss without prototypes has no logits")
    x, labels = 8 * torch.randn(20, D), torch.arange(20) % C
    output = seen(loss, x, labels, 3)
    w = loss.prototypes.detach()
    answers = [(x @ w.T).argmax(1), (x @ F.normalize(w).T).argmax(1)]
    assert any(torch.equal(output.plain_logits.argmax(1), answer) for answer in answers)
    assert output.logits.shape == (20, C)


def test_every_loss_but_triplet_has_prototypes_for_mhe(loss):
    assert hasattr(loss, "prototypes") != isinstance(loss, TripletLoss)
    if isinstance(loss, TripletLoss):
        return
    prototypes = loss.get_parameter("prototypes")
    energy = classifier_energy(prototypes, torch.tensor([0, 1]))
    (gradient,) = torch.autograd.grad(energy, prototypes)
    assert prototypes.shape == (C, D)
    assert gradient.any()
