"""Streamed sums against literal ones in float64: values, gradients, digits and memory."""

import pytest
import torch

from sphereface_plus.losses import streaming
from sphereface_plus.losses.streaming import Classes, LogSum, SoftplusSum, streamed
from sphereface_plus.mhe import classifier_energy

B, C, D = 6, 20, 4


@pytest.fixture(autouse=True, params=[1, 3, 7, 20, 50])
def _prototypes_at_a_time(request, monkeypatch):
    monkeypatch.setitem(streaming.CHUNK_NUMBERS, "cpu", B * request.param)


def literal(kind, x, w, labels, *, over, prototype_biases=None, rule=None, scale=1.0, bias=0.0):
    values = []
    for i, label in enumerate(labels.tolist()):
        total = torch.zeros((), dtype=torch.float64)
        for j in range(len(w)):
            if j == label:
                continue
            length = {"differentiated": w[j].norm(), "constant": w[j].norm().detach(), None: 1.0}[over]
            z = (x[i] * w[j]).sum() / length
            z = z if prototype_biases is None else z + prototype_biases[j]
            z = z if rule is None else rule(z)
            logit = (scale[i, 0] if isinstance(scale, torch.Tensor) else scale) * z + bias
            total = total + (logit.exp() if kind is LogSum else (1 + logit.exp()).log())
        values.append(total.log() if kind is LogSum else total)
    return torch.stack(values)


def of(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [LogSum, SoftplusSum])
@pytest.mark.parametrize("over", ["differentiated", "constant", None])
@pytest.mark.parametrize("case", ["plain", "a rule", "biases", "a scale for each, a rule and a bias"])
def test_values_and_all_gradients_are_those_of_the_double_loop(kind, over, case):
    labels = torch.tensor([3, 0, 19, 3, 11, 3])  # one thrice
    x, w = of(0, B, D).requires_grad_(), of(1, C, D).requires_grad_()
    given: dict = {"scale": 1.7}
    if case == "biases":
        given["prototype_biases"] = of(2, C).requires_grad_()
    if "rule" in case:
        given["rule"] = lambda z: z * z.abs()
    if "each" in case:
        given |= {"scale": of(3, B, 1).requires_grad_(), "bias": of(4, 1)[0].requires_grad_()}
    tensors = [x, w, *(value for value in given.values() if isinstance(value, torch.Tensor))]
    weights = of(5, B)
    expected = literal(kind, x, w, labels, over=over, **given)
    found, _ = streamed(kind(), x, w, Classes(labels, over), **given)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    by_loop = torch.autograd.grad((expected * weights).sum(), tensors)
    by_stream = torch.autograd.grad((found * weights).sum(), tensors)
    for one, other in zip(by_stream, by_loop, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("length", [1e-3, 30.0, 1e4])
def test_large_and_small_logits_neither_overflow_nor_vanish(length):
    labels = torch.arange(B)
    x = (length * of(0, B, D)).float()
    w = of(1, C, D).float()
    logits = (x.double() @ w.double().T).scatter(1, labels[:, None], -torch.inf)
    found, _ = streamed(LogSum(), x, w, Classes(labels, None))
    torch.testing.assert_close(found, logits.logsumexp(dim=1), rtol=1e-5, atol=1e-5)


def test_with_one_prototype_there_are_no_others():
    x, w = of(0, B, D).requires_grad_(), of(1, 1, D).requires_grad_()
    value, _ = streamed(LogSum(), x, w, Classes(torch.zeros(B, dtype=torch.long), None))
    assert value.tolist() == [-torch.inf] * B


def test_a_second_derivative_is_refused():
    x = of(0, B, D).requires_grad_()
    value, _ = streamed(LogSum(), x, of(1, C, D).requires_grad_(), Classes(torch.arange(B), None))
    with pytest.raises(RuntimeError, match="differentiated once; take the dense head"):
        torch.autograd.grad(value.sum(), x, create_graph=True)


@pytest.mark.parametrize("over", ["differentiated", "constant", None])
@pytest.mark.parametrize("also", ["an energy", "a sum", "nothing but a sum"])
def test_what_takes_the_prototypes_passed_on_adds_to_their_gradient(over, also):
    """A sum's gradient is one number expanded, which cannot be written to."""
    labels, x, w = torch.tensor([3, 0, 19, 3, 11, 3]), of(0, B, D), of(1, C, D).requires_grad_()
    value, passed_on = streamed(LogSum(), x, w, Classes(labels, over))
    torch.testing.assert_close(passed_on, w)

    def other(w):
        return 3 * classifier_energy(w, labels) if also == "an energy" else w.sum()

    streams = 0 if also.startswith("nothing") else 1
    total = other(passed_on) + (value.sum() if streams else 0)
    (joined,) = torch.autograd.grad(total, w)
    literally = other(w) + streams * literal(LogSum, x, w, labels, over=over).sum()
    (expected,) = torch.autograd.grad(literally, w)
    torch.testing.assert_close(joined, expected, rtol=1e-10, atol=1e-12)
