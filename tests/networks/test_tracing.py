"""What other people's tools do with a network: write it down, differentiate it their way, count its work."""

import io

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap
from torch.utils.flop_counter import FlopCounterMode

from sphereface_plus.config import InputSpec, NetworkConfig
from sphereface_plus.networks import build_network, cnn6, resnet32, spherenet9

# torch.jit is on its way out in torch, still what edge converters take, and used by torch.func itself.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning"
)

FACES = ["sphereface4", "mobilefacenet", "iresnet18"]
IMAGES = {"cnn6": cnn6, "resnet32": resnet32, "spherenet9": spherenet9}


def network_and_input(name, dtype=torch.float32):
    if name in IMAGES:
        return IMAGES[name]().eval().to(dtype), torch.randn(2, 3, 32, 32, dtype=dtype)
    config = NetworkConfig(name=name, embedding_size=8, input=InputSpec(height=32, width=32))
    return build_network(config).eval().to(dtype), torch.randn(2, 3, 32, 32, dtype=dtype)


@pytest.fixture(params=["sphereface4", "mobilefacenet"])
def face(request):
    return network_and_input(request.param, torch.float64)


@pytest.fixture(params=[*FACES, *IMAGES])
def network(request):
    return network_and_input(request.param)


def test_a_traced_network_is_saved_and_loaded_again(network):
    model, images = network
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, images), file)
    file.seek(0)
    other_batch = torch.cat([images, images.flip(3)])
    assert torch.equal(torch.jit.load(file)(other_batch), model(other_batch))


def test_torch_fx_writes_a_network_down(network):
    model, images = network
    assert torch.equal(torch.fx.symbolic_trace(model)(images), model(images))


def test_a_network_runs_forward_and_backward_without_numbers(network):
    model, images = network
    shape = model(images).shape
    model = model.to("meta").train()
    embeddings = model(images.to("meta"))
    assert embeddings.shape == shape
    embeddings.sum().backward()


def test_the_work_of_a_step_is_counted(network):
    model, images = network
    with FlopCounterMode(display=False) as forward:
        loss = model(images).sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    assert 0 < forward.get_total_flops() < backward.get_total_flops()


def test_gradients_of_each_crop_alone_equal_a_loop(face):
    model, crops = face
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}

    def loss(parameters, crop):
        return functional_call(model, parameters, (crop[None],)).square().sum()

    together = vmap(grad(loss), (None, 0))(parameters, crops)
    for number, crop in enumerate(crops):
        alone = torch.autograd.grad(loss(parameters, crop), list(parameters.values()))
        for name, gradient in zip(parameters, alone, strict=True):
            torch.testing.assert_close(together[name][number], gradient)


def test_the_derivative_along_a_direction_is_that_of_finite_differences(face):
    model, crops = face
    direction, step = torch.randn_like(crops), 1e-6
    value, derivative = jvp(model, (crops,), (direction,))
    torch.testing.assert_close(value, model(crops))
    difference = (model(crops + step * direction) - model(crops - step * direction)) / (2 * step)
    torch.testing.assert_close(derivative, difference, rtol=1e-4, atol=1e-6)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(model(forward_ad.make_dual(crops, direction)))
    assert dual.tangent is not None
    torch.testing.assert_close(dual.tangent, derivative)


def test_a_gradient_can_be_differentiated(face):
    """As penalties on gradients and products with the Hessian need it."""
    model, crops = face

    def loss(crops):
        return model(crops).square().sum()

    direction = torch.randn_like(crops)
    _, forward_over_reverse = jvp(grad(loss), (crops,), (direction,))
    leaf = crops.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf, create_graph=True)
    (reverse_over_reverse,) = torch.autograd.grad((gradient * direction).sum(), leaf)
    torch.testing.assert_close(forward_over_reverse, reverse_over_reverse)
    step = 1e-6
    difference = (grad(loss)(crops + step * direction) - grad(loss)(crops - step * direction)) / (2 * step)
    torch.testing.assert_close(reverse_over_reverse, difference, rtol=1e-4, atol=1e-5)
