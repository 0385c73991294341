import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sphereface_plus.losses import AMSoftmaxLoss


def make(**settings):
    return AMSoftmaxLoss(7, 5, **settings).double()


def batch(count=12):
    return 8 * torch.randn(count, 5, dtype=torch.float64), torch.randint(7, (count,))


def test_the_loss_equals_its_formula_entry_by_entry(seen):
    loss, (x, labels) = make(scale=20.0, margin_cosine=0.4), batch()
    weight = loss.prototypes.detach().numpy()
    expected = np.zeros((12, 7))
    for i, embedding in enumerate(x.numpy()):
        for j, row in enumerate(weight):
            cosine = row @ embedding / np.linalg.norm(row) / np.linalg.norm(embedding)
            expected[i, j] = 20 * (cosine - 0.4 * (j == labels[i].item()))
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, torch.from_numpy(expected))
    torch.testing.assert_close(output.loss, F.cross_entropy(torch.from_numpy(expected), labels))
    torch.testing.assert_close(
        output.plain_logits, 20 * F.normalize(x) @ F.normalize(loss.prototypes.detach()).T
    )


def test_the_gradient_is_the_derivative():
    loss, (x, labels) = make(), batch(4)

    def value(x, prototypes):
        return torch.func.functional_call(loss, {"prototypes": prototypes}, (x, labels, 0)).loss

    assert torch.autograd.gradcheck(value, (x.requires_grad_(), loss.prototypes))


def test_without_margin_it_is_softmax_over_scaled_cosines():
    loss, (x, labels) = make(scale=16.0, margin_cosine=0.0), batch()
    cosine = F.normalize(x) @ F.normalize(loss.prototypes.detach()).T
    torch.testing.assert_close(loss(x, labels, 0).loss, F.cross_entropy(16 * cosine, labels))


def test_the_length_of_embeddings_changes_nothing():
    loss, (x, labels) = make(), batch()
    torch.testing.assert_close(loss(x, labels, 0).loss, loss(1000 * x, labels, 0).loss)


def test_the_gradient_is_finite_for_zero_vectors():
    loss = AMSoftmaxLoss(3, 4)
    with torch.no_grad():
        loss.prototypes[0] = 0
    x = torch.zeros(3, 4, requires_grad=True)
    loss(x, torch.tensor([0, 1, 2]), 0).loss.backward()
    assert x.grad.isfinite().all()
    assert loss.prototypes.grad.isfinite().all()


def test_bf16_embeddings_under_autocast_give_the_loss_in_fp32(seen):
    loss, (x, labels) = AMSoftmaxLoss(7, 5), batch()
    with torch.autocast("cpu", torch.bfloat16):
        output = seen(loss, x.bfloat16(), labels, 0)
    assert output.loss.dtype == output.logits.dtype == torch.float32
    assert torch.equal(output.loss, loss(x.bfloat16().float(), labels, 0).loss)


def test_embeddings_of_another_size_are_refused():
    with pytest.raises(ValueError, match="embeddings have 6 dimensions, the loss's prototypes 5"):
        make()(torch.randn(2, 6).double(), torch.tensor([0, 1]), 0)
