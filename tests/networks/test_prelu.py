import pytest
import torch
from torch import nn

from sphereface_plus.networks.prelu import ChannelPReLU


def torch_prelu_like(module: ChannelPReLU) -> nn.PReLU:
    reference = nn.PReLU(len(module.weight)).to(module.weight.dtype)
    reference.load_state_dict(module.state_dict())
    return reference


def run(module, x, grad, autocast):
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = module(x)
    y.backward(grad)
    return y, x.grad, module.weight.grad


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("dtype", "autocast"),
    [(torch.float32, False), (torch.float64, False), (torch.bfloat16, True)],
)
def test_values_and_gradients_equal_those_of_torch(dtype, autocast, layout):
    module = ChannelPReLU(6).to(torch.float64 if dtype == torch.float64 else torch.float32)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.25, 0.0, -0.5, 1.0, 1.7, 1e-3]))
    x = torch.randn(4, 6, 5, 3).to(dtype).contiguous(memory_format=layout)
    x[0, :, 0, 0] = 0  # the kink: torch counts it to the negative side
    grad = torch.randn(4, 6, 5, 3).to(dtype).contiguous(memory_format=layout)
    y, grad_x, grad_slope = run(module, x, grad, autocast)
    expected_y, expected_grad_x, expected_grad_slope = run(torch_prelu_like(module), x, grad, autocast)
    assert torch.equal(y, expected_y)
    assert torch.equal(grad_x, expected_grad_x)
    assert grad_x.stride() == x.stride()
    torch.testing.assert_close(grad_slope, expected_grad_slope)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_the_gradient_is_the_derivative():
    module = ChannelPReLU(3).double()
    x = torch.randn(2, 3, 4, 2, dtype=torch.float64, requires_grad=True)

    def values(x, slope):
        return torch.func.functional_call(module, {"weight": slope}, (x,))

    inputs = x, module.weight
    assert torch.autograd.gradcheck(values, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(values, inputs)


def test_slopes_start_at_a_quarter_one_per_channel():
    assert ChannelPReLU(4).weight.tolist() == [0.25] * 4


def test_the_state_dict_is_that_of_torch():
    assert ChannelPReLU(4).state_dict().keys() == nn.PReLU(4).state_dict().keys()
