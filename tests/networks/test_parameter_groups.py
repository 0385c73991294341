import pytest
import torch

from sphereface_plus.losses import ASoftmaxLoss, SoftmaxLoss, SphereFace2Loss, TripletLoss
from sphereface_plus.networks import IResNet, MobileFaceNet, iresnet18, parameter_groups, sphereface10
from sphereface_plus.networks.cnn import cnn9
from sphereface_plus.networks.resnet import resnet18, resnet32


def by_name(module):
    """name -> (lr, weight decay, lr multiplier), and each parameter exactly once."""
    names = {parameter: name for name, parameter in module.named_parameters()}
    groups = parameter_groups(module, learning_rate=0.1, weight_decay=5e-4)
    found = [
        (names[parameter], (group["lr"], group["weight_decay"], group["lr_multiplier"]))
        for group in groups
        for parameter in group["params"]
    ]
    assert sorted(name for name, _ in found) == sorted(names.values())
    return dict(found)


def test_the_networks_parameters_have_the_prototxts_multipliers():
    found = by_name(sphereface10(8, 32, 32))
    biases = {f"stages.{s}.down.bias" for s in range(4)} | {"embed.bias"}
    assert {name for name in found if name.endswith("bias")} == biases
    assert all(found[name] == (pytest.approx(0.2), 0.0, 2.0) for name in biases)
    rest = {name: settings for name, settings in found.items() if name not in biases}
    assert "stages.1.units.0.prelu2.weight" in rest  # slopes are decayed
    assert set(rest.values()) == {(0.1, 5e-4, 1.0)}


def test_the_prototypes_of_a_loss_are_plain_weights():
    assert by_name(ASoftmaxLoss(9, 4)) == {"prototypes": (0.1, 5e-4, 1.0)}


def test_the_bias_of_a_softmax_learns_twice_as_fast_without_decay():
    assert by_name(SoftmaxLoss(9, 4, bias=True)) == {
        "prototypes": (0.1, 5e-4, 1.0),
        "bias": (pytest.approx(0.2), 0.0, 2.0),
    }


def test_a_module_may_say_that_its_biases_are_like_all_else():
    assert by_name(SphereFace2Loss(9, 4)) == {"prototypes": (0.1, 5e-4, 1.0), "bias": (0.1, 5e-4, 1.0)}


@pytest.mark.parametrize("network", [cnn9, resnet32, resnet18])
def test_networks_of_images_learn_and_decay_all_alike_as_batch_normalisation_wants(network):
    groups = parameter_groups(network(), learning_rate=0.1, weight_decay=1e-4)
    assert {(group["lr"], group["weight_decay"]) for group in groups} == {(0.1, 1e-4)}
    assert sum(len(group["params"]) for group in groups) == len(list(network().parameters()))


@pytest.mark.parametrize(
    "network", [iresnet18(8, 32, 32), MobileFaceNet(8, 32, 32)], ids=["iresnet", "mobilefacenet"]
)
def test_the_networks_of_insightface_have_one_learning_rate_and_decay(network):
    (rest, biases) = parameter_groups(network, learning_rate=0.1, weight_decay=5e-4)
    assert all((group["lr"], group["weight_decay"]) == (0.1, 5e-4) for group in (rest, biases))
    trained = [parameter for group in (rest, biases) for parameter in group["params"]]
    frozen = [name for name, p in network.named_parameters() if not any(p is q for q in trained)]
    assert frozen == (["features.weight"] if isinstance(network, IResNet) else [])


def test_a_loss_without_parameters_has_no_group():
    assert parameter_groups(TripletLoss(9, 4), learning_rate=0.1, weight_decay=5e-4) == []


def test_what_is_not_trained_is_in_no_group():
    loss = SoftmaxLoss(9, 4, bias=True)
    loss.prototypes.requires_grad_(False)
    (group,) = parameter_groups(loss, learning_rate=0.1, weight_decay=5e-4)
    assert group["params"] == [loss.bias]


@pytest.mark.parametrize("fused", [False, True])
def test_one_step_of_sgd_with_the_groups_is_caffes_update(fused):
    loss = SoftmaxLoss(3, 2, bias=True)
    with torch.no_grad():
        loss.bias.fill_(1.0)
    before = {name: p.detach().clone() for name, p in loss.named_parameters()}
    optimizer = torch.optim.SGD(
        parameter_groups(loss, learning_rate=0.1, weight_decay=0.5), momentum=0.9, fused=fused
    )
    for parameter in loss.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    torch.testing.assert_close(
        loss.prototypes.detach(), before["prototypes"] - 0.1 * (1 + 0.5 * before["prototypes"])
    )
    torch.testing.assert_close(loss.bias.detach(), before["bias"] - 0.2)
