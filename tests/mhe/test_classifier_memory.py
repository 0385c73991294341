"""What `classifier_energy` promises about memory: no tensor of all pairs is made, and little is kept."""

import pytest
import torch

from sphereface_plus.mhe import classifier_energy


@pytest.mark.parametrize("distance", ["euclidean", "angular"])
def test_nothing_of_the_size_of_batch_times_classes_is_made_or_kept(distance, largest_tensor):
    num_classes, dimensions, chunk_size = 3000, 16, 100
    prototypes = torch.randn(num_classes, dimensions).requires_grad_()
    labels = torch.randperm(num_classes)[:500]
    kept: list[int] = []

    def note(tensor):
        kept.append(tensor.numel())
        return tensor

    with largest_tensor, torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        energy = classifier_energy(prototypes, labels, distance=distance, chunk_size=chunk_size)
        assert sorted(kept) == [len(labels), prototypes.numel()]  # references to the inputs
        energy.backward()
    chunk_of_pairs = chunk_size * len(labels)
    assert largest_tensor.elements == max(prototypes.numel(), chunk_of_pairs) < num_classes * len(labels) / 10


def test_collapsed_prototypes_need_no_more_memory(largest_tensor):
    num_classes, chunk_size = 400, 20
    prototypes, labels = torch.ones(num_classes, 64).requires_grad_(), torch.arange(0, num_classes, 4)
    with largest_tensor:
        classifier_energy(prototypes, labels, chunk_size=chunk_size).backward()
    assert largest_tensor.elements <= max(prototypes.numel(), 2 * chunk_size * len(labels))
    assert prototypes.grad is not None
    assert not prototypes.grad.any()


def test_each_class_of_the_batch_is_computed_once(largest_tensor):
    prototypes = torch.randn(300, 4).requires_grad_()
    labels = torch.tensor([7, 8]).repeat(1000)
    with largest_tensor:
        classifier_energy(prototypes, labels, chunk_size=100).backward()
    assert largest_tensor.elements <= len(labels)  # one row a sample would make 100 * 2,000


def test_without_gradients_only_the_energy_is_computed(largest_tensor):
    prototypes, labels = torch.randn(200, 50), torch.arange(3)
    with largest_tensor:
        energy = classifier_energy(prototypes, labels, chunk_size=10)
    assert energy.grad_fn is None
    assert largest_tensor.elements == 10 * 50 < prototypes.numel()
    with torch.no_grad():
        assert torch.equal(classifier_energy(prototypes.requires_grad_(), labels, chunk_size=10), energy)
