"""The streamed head beside the dense one: digits, memory, and when it is taken. (Losses: test_head.py.)"""

import pytest
import torch

from sphereface_plus.losses import build_loss, streaming
from sphereface_plus.losses.dense_head import DenseHead
from sphereface_plus.losses.streamed_head import StreamedHead
from sphereface_plus.mhe import classifier_energy
from tests.losses.settings import SETTINGS, config_of, name_of

B, C, D = 8, 2000, 512


def at_cosine(cosine, dtype):
    """Embeddings at this cosine from their prototypes, the prototypes, and labels."""
    generator = torch.Generator().manual_seed(0)
    w = torch.nn.functional.normalize(torch.randn(C, D, dtype=torch.float64, generator=generator))
    labels = torch.arange(B)
    other = torch.randn(B, D, dtype=torch.float64, generator=generator)
    other -= (other * w[labels]).sum(dim=1, keepdim=True) * w[labels]
    x = cosine * w[labels] + (1 - cosine**2) ** 0.5 * torch.nn.functional.normalize(other)
    return (x.float().to(dtype).requires_grad_(), w.float().to(dtype).requires_grad_(), labels)


def exact_gradients(cosine):
    """log(1 + sum_j exp(z_j - z_y)) in float64: a softmax loses digits there, too, where p_y is nearly 1."""
    x, w, labels = at_cosine(cosine, torch.float64)
    cosines = (x / x.norm(dim=1, keepdim=True)) @ (w / w.norm(dim=1, keepdim=True)).T
    target = cosines[torch.arange(B), labels] - 0.1
    others = cosines.scatter(1, labels[:, None], -torch.inf)
    loss = (64 * (others - target[:, None])).exp().sum(dim=1).log1p().mean()
    return torch.autograd.grad(loss, (x, w))


def gradients(head_of, cosine, dtype):
    x, w, labels = at_cosine(cosine, dtype)
    head = head_of(x / x.norm(dim=1, keepdim=True), labels, w, over_lengths="differentiated")
    loss = head.cross_entropy(head.target_product() - 0.1, scale=64.0)
    return torch.autograd.grad(loss, (x, w))


@pytest.mark.parametrize("cosine", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
def test_float32_gradients_keep_five_digits_where_the_target_is_nearly_sure(cosine):
    exact = exact_gradients(cosine)
    for found, right in zip(gradients(StreamedHead, cosine, torch.float32), exact, strict=True):
        assert ((found - right).norm() / right.norm()).item() < 1e-5


def test_the_dense_head_loses_them_there():
    by_x, right = gradients(DenseHead, 0.5, torch.float32)[0], exact_gradients(0.5)[0]
    assert ((by_x - right).norm() / right.norm()).item() > 1e-2


@pytest.mark.parametrize("energy", [False, True])
def test_all_gradients_of_the_prototypes_are_one_tensor(energy, monkeypatch):
    """The largest tensor of forward and backward is made once: it is the one that becomes .grad."""
    monkeypatch.setitem(streaming.CHUNK_NUMBERS, "cpu", B * 100)
    x, w, labels = at_cosine(0.5, torch.float32)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as seen:
        head = StreamedHead(x, labels, w, over_lengths="differentiated")
        target = head.target_angle().cos()
        total = head.cross_entropy(target, scale=64.0)
        if energy:
            total = total + classifier_energy(head.seen().prototypes, labels, chunk_size=100)
        total.backward()
    made = [e.name for e in (seen.events() or []) if e.self_cpu_memory_usage >= w.nbytes]
    assert len(made) == 1, made


@pytest.mark.parametrize("settings", [s for s in SETTINGS if s["kind"] == "a_softmax"], ids=name_of)
def test_float32_of_the_two_heads_agrees(settings):
    x, _, labels = at_cosine(0.5, torch.float32)
    found = []
    for head in (DenseHead, StreamedHead):
        torch.manual_seed(0)
        loss = build_loss(config_of(settings), num_identities=C, embedding_size=D, head=head)
        output = loss(20 * x, labels, 100)
        found.append(
            [output.loss.detach(), *torch.autograd.grad(output.loss, (x, loss.get_parameter("prototypes")))]
        )
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
