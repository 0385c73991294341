import torch
import torch.nn.functional as F

from sphereface_plus.losses import SoftmaxLoss


def test_the_loss_is_cross_entropy_over_a_linear_layer(seen):
    loss = SoftmaxLoss(7, 5, bias=True)
    with torch.no_grad():
        loss.bias.normal_()
    x, labels = torch.randn(12, 5), torch.randint(7, (12,))
    logits = torch.stack([loss.prototypes @ row + loss.bias for row in x]).detach()
    output = seen(loss, x, labels, 0)
    torch.testing.assert_close(output.logits, logits)
    torch.testing.assert_close(output.plain_logits, logits)
    torch.testing.assert_close(output.loss, F.cross_entropy(logits, labels))


def test_the_bias_starts_at_zero_and_is_there_only_if_asked_for():
    assert torch.equal(SoftmaxLoss(7, 5, bias=True).bias, torch.zeros(7))
    assert [name for name, _ in SoftmaxLoss(7, 5).named_parameters()] == ["prototypes"]


def test_bf16_embeddings_under_autocast_give_the_loss_in_fp32():
    loss, x, labels = SoftmaxLoss(7, 5), torch.randn(12, 5).bfloat16(), torch.randint(7, (12,))
    with torch.autocast("cpu", torch.bfloat16):
        output = loss(x, labels, 0)
    assert output.loss.dtype == torch.float32
    assert torch.equal(output.loss, loss(x.float(), labels, 0).loss)
