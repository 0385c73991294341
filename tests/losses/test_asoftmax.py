import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import ASoftmaxLoss
from sphereface_plus.mhe import classifier_energy

MARGINS = (1, 2, 3, 4)
MODES = ("exact", "detached", "caffe")
STEP = 300
LAMBDA = 1000 / (1 + 0.12 * 301)


def make(margin=4, gradient="exact", identities=7, size=5, dtype=torch.float64, **settings):
    return ASoftmaxLoss(identities, size, margin=margin, gradient=gradient, **settings).to(dtype)


def batch(size=5, identities=7, count=12, dtype=torch.float64):
    return 8 * torch.randn(count, size, dtype=dtype), torch.randint(identities, (count,))


def slow_logits(x, weight, labels, margin, lambda_):
    """Section by section as in the papers, one entry at a time, in numpy and in the angle."""
    logits = np.zeros((len(x), len(weight)))
    for i, embedding in enumerate(x):
        length = np.linalg.norm(embedding)
        for j, row in enumerate(weight):
            cosine = row @ embedding / np.linalg.norm(row) / length
            if j == labels[i]:
                theta = math.acos(cosine)
                k = min(math.floor(margin * theta / math.pi), margin - 1)
                psi = (-1) ** k * math.cos(margin * theta) - 2 * k
                cosine = (lambda_ * cosine + psi) / (1 + lambda_)
            logits[i, j] = length * cosine
    return logits


def cross_entropy_gradient(logits, labels):
    g = np.exp(logits - logits.max(1, keepdims=True))
    g /= g.sum(1, keepdims=True)
    g[np.arange(len(labels)), labels] -= 1
    return g / len(labels)


def gradients(loss, x, labels, step=STEP):
    x = x.clone().requires_grad_()
    loss(x, labels, step).loss.backward()
    return x.grad, loss.prototypes.grad


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("margin", MARGINS)
def test_the_loss_equals_its_formula_entry_by_entry(margin, mode, seen):
    loss, (x, labels) = make(margin, mode), batch()
    weight = loss.prototypes.detach().numpy().copy()
    output = seen(loss, x, labels, STEP)
    logits = torch.from_numpy(slow_logits(x.numpy(), weight, labels.numpy(), margin, LAMBDA))
    torch.testing.assert_close(output.logits, logits, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(output.loss, F.cross_entropy(logits, labels))
    torch.testing.assert_close(output.plain_logits, x @ F.normalize(torch.from_numpy(weight)).T)
    assert output.terms["lambda"].item() == pytest.approx(LAMBDA)


@pytest.mark.parametrize("margin", MARGINS)
def test_the_exact_gradient_is_the_derivative(margin):
    loss, (x, labels) = make(margin, lambda_min=0.0, lambda_base=2.0), batch()

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


def test_the_exact_gradient_of_the_prototypes_is_orthogonal_to_them():
    loss = make()
    _, grad = gradients(loss, *batch())
    torch.testing.assert_close((grad * loss.prototypes).sum(1), torch.zeros(7).double(), atol=1e-14, rtol=0)


@pytest.mark.parametrize("margin", MARGINS)
def test_the_detached_gradient_takes_the_change_of_the_cosine_as_constant(margin):
    loss, (x, labels) = make(margin, "detached"), batch()
    grad_x, grad_w = gradients(loss, x, labels)

    # |x| (cos + constant), where the constant is the value of (psi - cos) / (1 + lambda)
    x.requires_grad_()
    weight = loss.prototypes.detach().clone().requires_grad_()
    plain = x @ F.normalize(weight).T
    length = x.norm(dim=1, keepdim=True)
    logits = torch.from_numpy(
        slow_logits(x.detach().numpy(), weight.detach().numpy(), labels.numpy(), margin, LAMBDA)
    )
    constant = ((logits - plain) / length).detach()
    F.cross_entropy(plain + length * constant, labels).backward()
    torch.testing.assert_close(grad_x, x.grad)
    torch.testing.assert_close(grad_w, weight.grad)


def caffe_coefficients(c, length, margin):
    """A and B of d(|x| psi) / dx = A w + B x, as the released layer has them; margin 1 is a linear layer."""
    s0 = np.sign(c)
    s1 = np.sign(abs(c) - 0.5)
    s3 = s0 * np.sign(2 * c**2 - 1)
    return {
        1: (1.0, 0.0),
        2: (4 * s0 * c, -(2 * s0 * c**2 + 1) / length),
        3: (s1 * (12 * c**2 - 3), -(8 * s1 * c**3 - (s0 * (1 + s1) - 2)) / length),
        4: (
            s3 * (32 * c**3 - 16 * c),
            -(s3 * (24 * c**4 - 8 * c**2 - 1) - (2 * s0 + s3 - 3)) / length,
        ),
    }[margin]


@pytest.mark.parametrize("margin", MARGINS)
def test_the_released_coefficients_are_the_derivative_of_psi_before_they_are_scaled(margin):
    generator = np.random.default_rng(0)
    for _ in range(50):
        x, w = generator.normal(size=(2, 5)) * 8
        w /= np.linalg.norm(w)

        def scaled_psi(x, w=w):
            length = np.linalg.norm(x)
            theta = math.acos(w @ x / length)
            k = min(math.floor(margin * theta / math.pi), margin - 1)
            return length * ((-1) ** k * math.cos(margin * theta) - 2 * k)

        length = np.linalg.norm(x)
        a, b = caffe_coefficients(w @ x / length, length, margin)
        steps = 1e-6 * np.eye(5)
        differences = [(scaled_psi(x + step) - scaled_psi(x - step)) / 2e-6 for step in steps]
        np.testing.assert_allclose(a * w + b * x, differences, atol=1e-6)


@pytest.mark.parametrize("margin", MARGINS)
def test_the_caffe_gradient_equals_the_released_backward(margin):
    loss, (x, labels) = make(margin, "caffe"), batch()
    grad_x, grad_w = gradients(loss, x, labels)

    x, labels, w = x.numpy(), labels.numpy(), loss.prototypes.detach().numpy()
    g = cross_entropy_gradient(slow_logits(x, w, labels, margin, LAMBDA), labels)
    expected = np.zeros_like(x)
    for i, y in enumerate(labels):
        length = np.linalg.norm(x[i])
        a, b = caffe_coefficients(w[y] @ x[i] / length, length, margin)
        through_psi = (a * w[y] + b * x[i]) / math.sqrt(a**2 + b**2)
        for j in range(len(w)):
            if j != y:
                expected[i] += g[i, j] * w[j]
        expected[i] += g[i, y] / (1 + LAMBDA) * through_psi + g[i, y] * LAMBDA / (1 + LAMBDA) * w[y]
    np.testing.assert_allclose(grad_x, expected, atol=1e-12)
    np.testing.assert_allclose(grad_w, g.T @ x, atol=1e-12)  # straight through, the target's row included


def test_caffe_training_is_sgd_from_unit_prototypes():
    loss = make(gradient="caffe")
    velocity, weight = 0.0, loss.prototypes.detach().numpy().copy()
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for step in range(4):
        x, labels = batch()
        optimizer.zero_grad()
        loss(x, labels, step).loss.backward()
        optimizer.step()

        weight /= np.linalg.norm(weight, axis=1, keepdims=True)  # overwritten at the start of every forward
        logits = slow_logits(x.numpy(), weight, labels.numpy(), 4, 1000 / (1 + 0.12 * (step + 1)))
        gradient = cross_entropy_gradient(logits, labels.numpy()).T @ x.numpy() + 5e-4 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.1 * velocity
    np.testing.assert_allclose(loss.prototypes.detach(), weight, atol=1e-12)


def test_caffe_mode_leaves_the_prototypes_alone_outside_of_training():
    loss, (x, labels) = make(gradient="caffe"), batch()
    before = loss.prototypes.detach().clone()
    evaluated = loss.eval()(x, labels, STEP).loss
    assert torch.equal(loss.prototypes, before)
    torch.testing.assert_close(loss.train()(x, labels, STEP).loss, evaluated)
    torch.testing.assert_close(loss.prototypes.norm(dim=1), torch.ones(7).double())


def test_caffe_mode_refuses_an_energy_that_was_computed_before_the_loss():
    loss, (x, labels) = make(gradient="caffe"), batch()
    energy = classifier_energy(loss.prototypes, labels)
    total = loss(x, labels, STEP).loss + energy
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("mode", MODES)
def test_margin_1_is_softmax_over_normalised_prototypes(mode):
    loss, (x, labels) = make(1, mode), batch()
    expected = F.cross_entropy(x @ F.normalize(loss.prototypes.detach()).T, labels)
    torch.testing.assert_close(loss(x, labels, STEP).loss, expected)


def test_the_margin_never_raises_the_target_logit_nor_touches_another(seen):
    loss, (x, labels) = make(), batch()
    output = seen(loss, x, labels, 10**6)
    change = output.logits - output.plain_logits
    target = F.one_hot(labels, 7).bool()
    assert (change[target] < 0).all()
    assert (change[~target] == 0).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("margin", MARGINS)
def test_gradients_are_finite_at_angles_0_and_180_and_at_zero_vectors(margin, mode):
    loss = make(margin, mode, identities=3, size=4, dtype=torch.float32)
    with torch.no_grad():
        loss.prototypes.copy_(torch.eye(4)[:3])
        loss.prototypes[2] = 0
    x = torch.tensor([[9.0, 0, 0, 0], [-9.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 5.0], [0, 7.0, 0, 0]])
    labels = torch.tensor([0, 0, 1, 0, 2])
    output_gradients = gradients(loss, x, labels)
    assert all(grad.isfinite().all() for grad in output_gradients)


@pytest.mark.parametrize("mode", MODES)
def test_bf16_embeddings_under_autocast_give_the_loss_in_fp32(mode, seen):
    loss = make(gradient=mode, dtype=torch.float32)
    x, labels = batch(dtype=torch.bfloat16)
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = seen(loss, x, labels, STEP)
    output.loss.backward()
    assert output.loss.dtype == output.logits.dtype == loss.prototypes.grad.dtype == torch.float32
    assert x.grad.dtype == torch.bfloat16
    torch.testing.assert_close(output.loss, loss(x.float(), labels, STEP).loss)


def test_fresh_prototypes_have_the_caffe_range():
    prototypes = ASoftmaxLoss(1000, 48).prototypes
    bound = math.sqrt(3 / 48)
    assert bound * 0.999 < prototypes.abs().max() <= bound
    assert prototypes.norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)


def test_embeddings_of_another_size_are_refused():
    with pytest.raises(ValueError, match="embeddings have 6 dimensions, the loss's prototypes 5"):
        make()(*batch(size=6), STEP)


def test_an_unknown_margin_or_gradient_is_refused_by_name():
    with pytest.raises(ValueError, match="margin is 1, 2, 3 or 4, got 5"):
        ASoftmaxLoss(7, 5, margin=5)
    with pytest.raises(ValueError, match="gradient is one of exact, caffe, detached, got 'autograd'"):
        ASoftmaxLoss(7, 5, gradient="autograd")
