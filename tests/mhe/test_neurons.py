"""Layers read as neurons: each row is exactly what makes one output channel."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from sphereface_plus.losses import SoftmaxLoss
from sphereface_plus.mhe import hyperspherical_energy, neuron_groups_of, neurons_of
from sphereface_plus.mhe.neurons import neuron_sets_of

LAYERS = {
    "linear": (nn.Linear(6, 4), (6,)),
    "conv1d": (nn.Conv1d(6, 4, 3), (6, 5)),
    "conv2d": (nn.Conv2d(6, 4, (3, 2), stride=2), (6, 5, 5)),
    "conv3d": (nn.Conv3d(6, 4, 2), (6, 3, 3, 3)),
    "grouped": (nn.Conv2d(6, 4, 3, groups=2), (6, 5, 5)),
    "depthwise": (nn.Conv2d(6, 12, 3, groups=6), (6, 5, 5)),
    "transposed 1d": (nn.ConvTranspose1d(6, 4, 3), (6, 5)),
    "transposed 2d": (nn.ConvTranspose2d(6, 4, 3, stride=2), (6, 5, 5)),
    "transposed 3d": (nn.ConvTranspose3d(6, 4, 2), (6, 3, 3, 3)),
    "transposed, grouped": (nn.ConvTranspose2d(6, 4, 3, groups=2), (6, 5, 5)),
}


@pytest.mark.parametrize(("layer", "input_shape"), LAYERS.values(), ids=LAYERS.keys())
def test_a_neuron_is_all_of_the_weight_that_makes_one_output_channel(layer, input_shape):
    output = layer(torch.randn(2, *input_shape))
    num_neurons = output.shape[1]
    for channel in range(num_neurons):
        (gradient,) = torch.autograd.grad(output[:, channel].sum(), layer.weight, retain_graph=True)
        influence = copy.deepcopy(layer)
        influence.weight = nn.Parameter(gradient)
        rows = neuron_groups_of(influence).flatten(0, 1)  # (N, D)
        others = torch.arange(num_neurons) != channel
        assert rows[channel].all()
        assert not rows[others].any()


@pytest.mark.parametrize("kind", ["grouped", "transposed, grouped"])
def test_neurons_of_one_group_read_the_same_inputs_and_those_of_another_do_not(kind):
    layer, input_shape = LAYERS[kind]
    groups = neuron_groups_of(layer)
    assert groups.shape[:2] == (2, 2)
    images = torch.randn(1, *input_shape)
    only_first = images.clone()
    only_first[:, 3:] = 0
    torch.testing.assert_close(layer(only_first)[:, :2], layer(images)[:, :2])


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("as_in_memory", [False, True])
def test_sets_of_neurons_are_the_groups_one_by_one(kind, as_in_memory):
    layer, _ = LAYERS[kind]
    for layout in (torch.contiguous_format, torch.channels_last):
        if layer.weight.ndim == 4:
            layer = copy.deepcopy(layer).to(memory_format=layout)
        groups = neuron_groups_of(layer, as_in_memory=as_in_memory)
        sets = neuron_sets_of(layer, as_in_memory=as_in_memory)
        assert len(sets) == len(groups)
        assert all(torch.equal(one, group) for one, group in zip(sets, groups, strict=True))


def test_neurons_are_a_view_of_the_weight():
    for layer in (nn.Linear(5, 3), nn.Conv2d(5, 3, 2)):
        neurons = neurons_of(layer)
        assert neurons.shape == (3, layer.weight[0].numel())
        assert neurons.data_ptr() == layer.weight.data_ptr()
        neurons.sum().backward()
        assert layer.weight.grad is not None


@pytest.mark.parametrize("groups", [1, 2])
def test_as_in_memory_reads_filters_with_channels_last_without_a_copy_their_coordinates_permuted(groups):
    layer = nn.Conv2d(4, 6, 3, groups=groups).to(memory_format=torch.channels_last)
    in_order, in_memory = neuron_groups_of(layer), neuron_groups_of(layer, as_in_memory=True)
    assert in_memory.data_ptr() == layer.weight.data_ptr() != in_order.data_ptr()
    assert not torch.equal(in_memory, in_order)
    assert torch.equal(in_memory.sort(dim=2).values, in_order.sort(dim=2).values)
    for a, b in zip(in_memory, in_order, strict=True):
        torch.testing.assert_close(a @ a.T, b @ b.T)
        torch.testing.assert_close(*(_gradient_of_energy(x, layer.weight) for x in (a, b)))
    plain = nn.Conv2d(4, 6, 3, groups=groups)
    assert torch.equal(neuron_groups_of(plain, as_in_memory=True), neuron_groups_of(plain))


def _gradient_of_energy(neurons, weight):
    return torch.autograd.grad(hyperspherical_energy(neurons), weight, retain_graph=True)[0]


def test_attention_has_queries_keys_and_values_as_groups():
    attention = nn.MultiheadAttention(8, 2)
    queries, keys, values = attention.in_proj_weight.chunk(3)
    groups = neuron_groups_of(attention)
    for group, expected in zip(groups, (queries, keys, values), strict=True):
        assert torch.equal(group, expected)


def test_the_neurons_of_a_loss_are_its_prototypes():
    loss = SoftmaxLoss(10, 4)
    assert neurons_of(loss).data_ptr() == loss.prototypes.data_ptr()


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_parametrized_weights_are_read_as_they_are_computed_and_differentiated_to_their_sources(norm):
    layer = norm(nn.Conv2d(3, 8, 3)).eval()
    torch.testing.assert_close(neurons_of(layer), layer.weight.flatten(1))
    hyperspherical_energy(neurons_of(layer)).backward()
    gradients = {name: p.grad for name, p in layer.named_parameters() if p.grad is not None}
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())
    # a norm scales neurons and turns none: the energy is that of the weight it was made from
    source = layer.get_parameter(max(gradients, key=lambda name: gradients[name].numel()))
    torch.testing.assert_close(
        hyperspherical_energy(neurons_of(layer)), hyperspherical_energy(source.flatten(1))
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("norm", "source"), [(nn.utils.weight_norm, "weight_v"), (nn.utils.spectral_norm, "weight_orig")]
)
def test_the_deprecated_norms_can_be_read_after_the_forward_pass(norm, source):
    layer = norm(nn.Linear(6, 4))
    for _ in range(2):  # the second backward would fail on the weight of the first forward
        layer.zero_grad()
        loss = layer(torch.randn(3, 6)).sum() + hyperspherical_energy(neurons_of(layer))
        loss.backward()
        assert layer.get_parameter(source).grad is not None


@pytest.mark.parametrize(
    ("read", "module", "message"),
    [
        (
            neurons_of,
            nn.Conv2d(4, 4, 1, groups=2),
            r"Conv2d\(4, 4.*groups=2\) has 2 groups.*neuron_groups_of",
        ),
        (neurons_of, nn.LSTM(3, 4), "^LSTM cannot be read as neurons$"),
        (neurons_of, nn.Bilinear(3, 4, 5), "^Bilinear cannot be read as neurons$"),
        (neurons_of, nn.BatchNorm2d(4), "^BatchNorm2d cannot be read as neurons$"),
        (neurons_of, nn.LazyLinear(4), "LazyLinear has no weight yet; run the model once on an example"),
        (
            neuron_groups_of,
            nn.MultiheadAttention(8, 2, kdim=4, vdim=4),
            "^MultiheadAttention cannot be read as neurons$",
        ),
    ],
)
def test_what_cannot_be_read_is_named(read, module, message):
    with pytest.raises(ValueError, match=message):
        read(module)
