"""unit_prototypes takes OpenSphere's steps: stored weights normalised at each forward, outside the graph."""

import math

import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import AMSoftmaxLoss, ArcFaceLoss, SphereFace2Loss, SphereFaceRLoss
from sphereface_plus.losses.sphereface2 import adjusted

CLASSES, SIZE, STEPS, RATE, MOMENTUM, DECAY = 7, 5, 6, 0.1, 0.9, 5e-3
SCALE = 8.0
LOSSES = {
    "arcface": lambda: ArcFaceLoss(
        CLASSES, SIZE, scale=SCALE, margin_radians=0.3, gradient="detached", unit_prototypes=True
    ),
    "cosface": lambda: AMSoftmaxLoss(CLASSES, SIZE, scale=SCALE, margin_cosine=0.3, unit_prototypes=True),
    "sphereface_r": lambda: SphereFaceRLoss(
        CLASSES, SIZE, version="v1", scale=SCALE, margin=1.5, loss_weight=SCALE, unit_prototypes=True
    ),
    "sphereface2": lambda: SphereFace2Loss(
        CLASSES, SIZE, scale=SCALE, margin=0.2, loss_weight=2.0, gradient="detached", unit_prototypes=True
    ),
}


def literal_loss(name, x, w, labels, bias):
    """One head on unit rows w, image by image; the margin moves the value and not the gradient."""
    total = x.new_zeros(())
    for vector, label in zip(x, labels.tolist(), strict=True):
        cosine = w @ (vector / vector.norm())
        value = cosine.detach().clone()
        theta = math.acos(float(value[label]))
        if name == "arcface":
            value[label] = math.cos(theta + 0.3)
        elif name == "cosface":
            value[label] -= 0.3
        elif name == "sphereface_r":
            value[label] = math.cos(min(math.pi, 1.5 * theta))
        else:
            sign = torch.full((CLASSES,), -1.0, dtype=x.dtype)
            sign[label] = 1.0
            value = adjusted(value, 3.0) - 0.2 * sign
        logits = SCALE * (cosine + (value - cosine.detach()))
        if name != "sphereface2":
            total = total + F.cross_entropy(logits[None], torch.tensor([label]))
            continue
        is_target = F.one_hot(torch.tensor(label), CLASSES).to(x.dtype)
        entropy = F.softplus((1 - 2 * is_target) * (logits + bias))
        total = total + 2.0 / SCALE * ((0.7 * is_target + 0.3 * (1 - is_target)) * entropy).sum()
    return total / len(labels)


@pytest.mark.parametrize("name", LOSSES)
def test_steps_and_momentum_are_those_of_the_literal_slow_form(name):
    loss = LOSSES[name]().double()
    w, buffer = loss.prototypes.detach().clone(), torch.zeros_like(loss.prototypes)
    bias = getattr(loss, "bias", None)
    optimizer = torch.optim.SGD([loss.prototypes], lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    for step in range(STEPS):
        x = torch.randn(4, SIZE, dtype=torch.float64, requires_grad=True)
        labels = torch.randint(CLASSES, (4,))
        ours = loss(x, labels, step).loss
        optimizer.zero_grad()
        (gradient_x,) = torch.autograd.grad(ours, x, retain_graph=True)
        ours.backward()
        optimizer.step()
        w = (w / w.norm(dim=1, keepdim=True)).requires_grad_()
        value = literal_loss(name, x, w, labels, None if bias is None else bias.detach())
        gradient, their_gradient_x = torch.autograd.grad(value, [w, x])
        w = w.detach()
        buffer = MOMENTUM * buffer + gradient + DECAY * w
        w = w - RATE * buffer
        torch.testing.assert_close(ours, value)
        torch.testing.assert_close(gradient_x, their_gradient_x)
        torch.testing.assert_close(loss.prototypes.detach(), w)
        torch.testing.assert_close(optimizer.state[loss.prototypes]["momentum_buffer"], buffer)
    assert not torch.allclose(w.norm(dim=1), torch.ones(CLASSES, dtype=w.dtype))  # unit until the step


@pytest.mark.parametrize("name", LOSSES)
def test_evaluation_changes_no_prototype_and_gives_the_same_loss(name):
    loss = LOSSES[name]().double()
    x, labels = torch.randn(4, SIZE, dtype=torch.float64), torch.randint(CLASSES, (4,))
    before = loss.prototypes.detach().clone()
    value = loss.eval()(x, labels, 0).loss
    assert torch.equal(loss.prototypes, before)
    torch.testing.assert_close(loss.train()(x, labels, 0).loss, value)
    torch.testing.assert_close(loss.prototypes.norm(dim=1), torch.ones(CLASSES, dtype=torch.float64))
