"""Eq. (8) of prototypes that processes share is that of one process with all of them."""

from functools import partial

import pytest
import torch

from sphereface_plus.mhe import class_balanced_energy, classifier_energy, sampled_classifier_energy
from sphereface_plus.mhe.share import Share
from sphereface_plus.processes import Processes
from tests.two_processes import in_processes

C, D = 11, 5
LABELS = torch.tensor([7, 0, 10, 3, 3, 4])
ENERGIES = [
    partial(classifier_energy, power=power, distance=distance)
    for power in (0.0, 1.0, 2.0)
    for distance in ("euclidean", "angular")
]
ENERGIES.append(partial(class_balanced_energy, photos_of_class=torch.arange(1, 1 + C)))
# As if the 11 had been drawn from 30; and for a part of a batch whose other part has the classes 5 and 9.
ENERGIES.append(partial(sampled_classifier_energy, num_classes=30))
ENERGIES.append(
    partial(
        sampled_classifier_energy,
        num_classes=30,
        certain=torch.tensor([0, 3, 4, 5, 7, 9, 10]),
        class_weights=torch.arange(1, 1 + C),
    )
)


def prototypes():
    """Two lie close together, in two shares, and one is the opposite of another."""
    w = torch.randn(C, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w[10], w[9] = 2 * w[0] + 1e-4, -w[3]
    return w


def of_share(rank, world_size):
    """Of each: the energy, and the gradient of this process's rows."""
    processes = Processes(rank, world_size, torch.device("cpu"))
    rows = torch.arange(C).tensor_split(world_size)[rank]
    share = Share(int(rows[0]), C, processes.total)
    found = []
    for energy_of in ENERGIES:
        own = prototypes()[rows].requires_grad_()
        energy = energy_of(own, LABELS, chunk_size=2, share=share)
        (3 * (rank + 1) * energy).backward()
        found.append((energy.item(), own.grad.tolist()))
    return rank, found


@pytest.mark.slow  # processes
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_the_energy_and_its_gradients_are_those_of_one_process(world_size, tmp_path):
    ranks = [of_share(0, 1)] if world_size == 1 else sorted(in_processes(world_size, of_share, tmp_path))
    for energy_of, *shares in zip(ENERGIES, *[found for _, found in ranks], strict=True):
        whole = prototypes().requires_grad_()
        energy = energy_of(whole, LABELS)
        (gradient,) = torch.autograd.grad(energy, whole)
        assert [value for value, _ in shares] == [pytest.approx(energy.item(), rel=1e-9)] * world_size
        found = torch.tensor([row for _, by_rows in shares for row in by_rows], dtype=torch.float64)
        factor = 3 * sum(range(1, world_size + 1))  # what the processes together make of the energy
        torch.testing.assert_close(found / factor, gradient, rtol=1e-9, atol=1e-12)
