import dataclasses

import numpy as np
import pytest
import torch

from sphereface_plus.data.crop_dataset import CropDataset
from sphereface_plus.data.crops import SpecError, read_crop
from sphereface_plus.data.faces import FaceCrops


def test_a_data_set_refuses_labels_beyond_its_identities(crops_folder):
    crops = dataclasses.replace(FaceCrops.open(crops_folder), identities=["Ann", "bob"])
    with pytest.raises(ValueError, match="2 identities need the labels 0 to 1"):
        CropDataset(crops)


def test_without_augmentation_an_item_is_the_crop_at_every_position(crops_folder):
    crops = FaceCrops.open(crops_folder)
    dataset = CropDataset(crops)
    assert len(dataset) == 9
    for position in (0, 5, 10**9):
        crop, label = dataset[7, position]
        assert np.array_equal(crop, read_crop(crops.paths[7]))
        assert label == crops.labels[7]


def test_a_batch_holds_uint8_crops_and_int64_labels(crops_folder):
    dataset = CropDataset(FaceCrops.open(crops_folder))
    crops, labels = dataset.__getitems__([(8, 0), (0, 1), (5, 2)])
    assert (crops.shape, crops.dtype) == ((3, 12, 10, 3), torch.uint8)
    assert (labels.tolist(), labels.dtype) == ([2, 0, 1], torch.int64)
    assert np.array_equal(crops[1].numpy(), dataset[0, 1][0])


def test_augmentation_is_a_function_of_seed_and_position_alone(crops_folder):
    crops = FaceCrops.open(crops_folder)
    dataset, again = (CropDataset(crops, seed=3, flip=True, shift=2) for _ in range(2))
    positions = list(range(40))
    first = [dataset[0, position][0] for position in positions]
    second = [again[0, position][0] for position in reversed(positions)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other_seed = CropDataset(crops, seed=4, flip=True, shift=2)
    assert any(not np.array_equal(a, other_seed[0, p][0]) for a, p in zip(first, positions, strict=True))
    assert len({a.tobytes() for a in first}) > 20


def test_about_half_of_the_crops_are_mirrored_and_the_others_are_as_they_were(crops_folder):
    dataset = CropDataset(FaceCrops.open(crops_folder), flip=True)
    crop = read_crop(dataset.crops.paths[0])
    augmented = [dataset[0, position][0] for position in range(400)]
    mirrored = sum(np.array_equal(a, crop[:, ::-1]) for a in augmented)
    assert 160 < mirrored < 240  # 4 standard deviations
    assert mirrored + sum(np.array_equal(a, crop) for a in augmented) == 400


def test_a_shift_moves_the_crop_by_up_to_that_many_pixels_and_repeats_its_border(crops_folder):
    dataset = CropDataset(FaceCrops.open(crops_folder), shift=1)
    crop = read_crop(dataset.crops.paths[0])
    padded = np.pad(crop, ((1, 1), (1, 1), (0, 0)), mode="edge")
    expected = {padded[top : top + 12, left : left + 10].tobytes() for top in range(3) for left in range(3)}
    assert {dataset[0, position][0].tobytes() for position in range(200)} == expected


def test_a_crop_of_another_size_than_the_others_is_named(crops_folder, write_crop):
    write_crop(crops_folder / "bob" / "bob_0001.png", np.random.default_rng(0), height=14)
    dataset = CropDataset(FaceCrops.open(crops_folder))
    with pytest.raises(SpecError, match=r"bob_0001\.png: is 14x10, the set's crops are 12x10"):
        dataset[7, 0]
