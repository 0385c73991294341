import re
from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sphereface_plus.data.batches import BatchesError, BatchSampler, IdentityBalanced, epoch_order, loader
from sphereface_plus.data.crop_dataset import CropDataset
from sphereface_plus.data.faces import FaceCrops

# Python 3.12 warns of any fork in a process with threads, which torch has; a DataLoader's workers are forks.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def take(sampler, number):
    return list(islice(sampler, number))


def test_each_epoch_visits_each_crop_once_and_epochs_differ():
    items = [item for batch in take(BatchSampler(10, 4, seed=0), 10) for item in batch]
    assert [position for _, position in items] == list(range(40))
    epochs = [[index for index, _ in items[start : start + 10]] for start in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_depends_on_seed_and_epoch_alone():
    assert epoch_order(50, 1, 2).tolist() == epoch_order(50, 1, 2).tolist()
    assert epoch_order(50, 1, 2).tolist() != epoch_order(50, 2, 1).tolist()


@given(
    num_samples=st.integers(1, 30),
    parts=st.integers(1, 3),
    processes=st.integers(1, 3),
    size=st.integers(1, 5),
    step=st.integers(0, 20),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_any_cut_into_processes_and_parts_and_any_start_gives_the_same_batches(
    num_samples, parts, processes, size, step, seed
):
    batch_size = parts * processes * size
    plain = take(BatchSampler(num_samples, batch_size, seed), step + 3)[step:]
    shares = [
        take(
            BatchSampler(
                num_samples,
                batch_size,
                seed,
                start_step=step,
                rank=rank,
                world_size=processes,
                accumulate=parts,
            ),
            3 * parts,
        )
        for rank in range(processes)
    ]
    assert all(len(items) == size for share in shares for items in share)
    together = [item for part in zip(*shares, strict=True) for items in part for item in items]
    assert together == [item for batch in plain for item in batch]


def balanced(counts, *, k=3, batch_size=12, parts=1, seed=0):
    """Identity i has counts[i] crops; crops are numbered through them in turn."""
    labels = [label for image in range(max(counts)) for label, count in enumerate(counts) if image < count]
    order = IdentityBalanced(labels, images_per_identity=k, batch_size=batch_size, parts=parts, seed=seed)
    return labels, order


def test_each_balanced_batch_holds_p_identities_with_k_different_crops_each():
    labels, order = balanced([3, 4, 5, 7, 9, 3, 11])
    for batch in range(40):
        crops = [order[position] for position in range(12 * batch, 12 * batch + 12)]
        blocks = [crops[start : start + 3] for start in range(0, 12, 3)]
        assert all(len(set(block)) == 3 and len({labels[crop] for crop in block}) == 1 for block in blocks)
        assert len({labels[block[0]] for block in blocks}) == 4


def test_an_epoch_of_identities_shows_none_twice_and_the_next_one_is_another():
    labels, order = balanced([3] * 8)  # two batches an epoch
    epochs = [
        [labels[order[position]] for position in range(24 * epoch, 24 * epoch + 24, 3)] for epoch in range(3)
    ]
    assert all(sorted(epoch) == list(range(8)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_an_identity_shows_each_of_its_crops_before_any_again():
    labels, order = balanced([9] * 4)  # one batch an epoch, three epochs through nine crops
    for start in (0, 36):
        shown = [order[position] for position in range(start, start + 36)]
        assert sorted(shown) == list(range(len(labels)))


@given(
    seed=st.integers(0, 2**31), step=st.integers(0, 30), parts=st.integers(1, 2), processes=st.integers(1, 2)
)
@settings(max_examples=30, deadline=None)
def test_balanced_batches_are_the_same_for_any_cut_and_any_start(seed, step, parts, processes):
    labels, order = balanced([3, 4, 5, 7, 9, 3, 11], seed=seed)
    plain = take(BatchSampler(len(labels), 12, seed, order=order), step + 2)[step:]
    shares = []
    for rank in range(processes):
        _, mine = balanced([3, 4, 5, 7, 9, 3, 11], seed=seed, parts=parts * processes)
        cut = {"start_step": step, "rank": rank, "world_size": processes, "accumulate": parts}
        shares.append(take(BatchSampler(len(labels), 12, seed, order=mine, **cut), 2 * parts))
    for share in shares:  # whole identities in each process's part
        assert all(len({labels[index] for index, _ in items}) * 3 == len(items) for items in share)
    together = [item for part in zip(*shares, strict=True) for items in part for item in items]
    assert together == [item for batch in plain for item in batch]


def test_balanced_batches_depend_on_the_seed():
    orders = [balanced([9] * 8, seed=seed)[1] for seed in (0, 0, 1)]
    first, again, other = ([order[position] for position in range(24)] for order in orders)
    assert first == again != other


@pytest.mark.parametrize(
    ("counts", "settings", "sentence"),
    [
        (
            [3, 2, 4, 5, 1],
            {},
            "2 of 5 identities have fewer crops (the least 1); leave them out by data.min_images=3",
        ),
        (
            [3, 3, 3],
            {},
            "a batch of 12 with 3 crops each needs 4 identities, the set has 3; lower train.batch_size",
        ),
        (
            [3] * 9,
            {"k": 5},
            "cannot be cut into 1 of whole identities, 5 crops each; make train.batch_size a multiple of 5",
        ),
        (
            [3] * 9,
            {"parts": 3},
            "cannot be cut into 3 of whole identities, 3 crops each; make train.batch_size a multiple of 9",
        ),
    ],
)
def test_what_the_set_cannot_supply_is_refused(counts, settings, sentence):
    with pytest.raises(BatchesError, match=re.escape(sentence)):
        balanced(counts, **settings)


def test_a_sampler_can_be_iterated_anew_from_its_first_step():
    sampler = BatchSampler(10, 4, seed=0, start_step=3)
    assert take(sampler, 4) == take(sampler, 4)


@pytest.mark.parametrize(
    ("accumulate", "world_size", "words"),
    [
        (3, 1, "1 process in 3 parts: it must be a multiple of 3"),
        (1, 3, "3 processes: it must be a multiple of 3"),
        (2, 2, "2 processes in 2 parts: it must be a multiple of 4"),
    ],
)
def test_a_batch_that_cannot_be_cut_evenly_is_refused(accumulate, world_size, words):
    with pytest.raises(BatchesError, match=f"^train.batch_size 10 cannot be shared by {words}$"):
        BatchSampler(100, 10, 0, accumulate=accumulate, world_size=world_size)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="batches need at least one crop, got 0"):
        BatchSampler(0, 4, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_loader_repeats_the_uninterrupted_one_augmentation_included(crops_folder, workers):
    dataset = CropDataset(FaceCrops.open(crops_folder), seed=5, flip=True, shift=2)
    whole = take(loader(dataset, BatchSampler(len(dataset), 4, seed=5)), 8)
    resumed = take(loader(dataset, BatchSampler(len(dataset), 4, seed=5, start_step=5), workers=workers), 3)
    for (crops, labels), (crops_again, labels_again) in zip(whole[5:], resumed, strict=True):
        assert crops.shape == (4, 12, 10, 3)
        assert torch.equal(crops, crops_again)
        assert torch.equal(labels, labels_again)


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_torchs_random_state_alone(crops_folder, workers):
    dataset = CropDataset(FaceCrops.open(crops_folder), flip=True)
    before = torch.get_rng_state()
    take(loader(dataset, BatchSampler(len(dataset), 4, seed=0), workers=workers), 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_more_processes_than_processors_are_no_warning(crops_folder):
    dataset = CropDataset(FaceCrops.open(crops_folder))
    loader(dataset, BatchSampler(len(dataset), 4, seed=0), workers=10_000)  # started where it is iterated
