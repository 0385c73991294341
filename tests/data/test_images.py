from itertools import islice

import numpy as np
import pytest
import torch

from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.data.images import (
    Augmentation,
    DeviceImages,
    ImagesError,
    augmented,
    batches_in_order,
    normalise,
    training_batches,
)


def noise(count=20, height=8, width=6, channels=3, num_classes=4):
    pixels = torch.randint(1, 256, (count, height, width, channels), dtype=torch.uint8)
    return DeviceImages(pixels, torch.arange(count) % num_classes, num_classes)


def take(images, number, *, augmentation, start_step=0, **cut):
    sampler = BatchSampler(len(images), 12, seed=5, start_step=start_step, **cut)
    return list(islice(training_batches(images, sampler, augmentation), number))


def every_window(image, augmentation):
    """All crops that the augmentation may make of one image, by numpy's own padding."""
    height, width, _ = image.shape
    pad = augmentation.pad
    mode = {"zero": "constant", "mirror": "symmetric"}[augmentation.border]
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode=mode)
    for top in range(2 * pad + 1):
        for left in range(2 * pad + 1):
            window = padded[top : top + height, left : left + width]
            yield (top, left, False), window
            if augmentation.flip:
                yield (top, left, True), window[:, ::-1]


@pytest.mark.parametrize("border", ["zero", "mirror"])
@pytest.mark.parametrize("flip", [True, False])
def test_each_image_of_a_batch_is_a_window_of_its_padded_image(border, flip):
    images, augmentation = noise(), Augmentation(pad=3, border=border, flip=flip)
    items = [(index, 100 + position) for position, index in enumerate([3, 0, 3, 19, 7] * 4)]
    batch, labels = augmented(images, items, augmentation, seed=1)
    assert batch.shape == (20, 8, 6, 3)
    assert labels.tolist() == [images.labels[index] for index, _ in items]
    places = []
    for crop, (index, _) in zip(batch.numpy(), items, strict=True):
        windows = every_window(images.images[index].numpy(), augmentation)
        # More than one place at times: a mirrored border makes windows that are their own mirror image.
        places.append(frozenset(place for place, window in windows if np.array_equal(window, crop)))
    assert all(places)
    assert len(set(places)) > 10  # not all alike


def test_places_and_mirroring_are_uniform():
    # Pixel (r, c) holds the number 10 r + c + 1: a crop without a border shows where it was cut.
    pixels = (10 * torch.arange(4)[:, None] + torch.arange(4) + 1).to(torch.uint8)
    images = DeviceImages(pixels[None, :, :, None], torch.zeros(1, dtype=torch.int64), 1)
    count = 9_000
    items = [(0, position) for position in range(count)]
    batch, _ = augmented(images, items, Augmentation(pad=1), seed=0)
    inner = batch[:, 1:3, 1:3, 0].long()  # never in the border
    top = (inner[:, 0, 0] - 1) // 10
    mirrored = inner[:, 0, 0] > inner[:, 0, 1]
    left = (torch.where(mirrored, inner[:, 0, 1], inner[:, 0, 0]) - 1) % 10
    counts = torch.bincount(6 * top + 2 * left + mirrored, minlength=18)
    assert counts.shape == (18,)
    chi_square = ((counts - count / 18) ** 2 / (count / 18)).sum()
    assert chi_square < 40.8  # 17 degrees of freedom: exceeded once in 1,000 seeds


def test_without_augmentation_a_batch_is_the_images_themselves():
    images = noise()
    batch, labels = augmented(images, [(4, 0), (2, 1)], Augmentation(pad=0, flip=False), seed=0)
    assert torch.equal(batch, images.images[[4, 2]])
    assert torch.equal(labels, images.labels[[4, 2]])


def test_an_epoch_shows_each_image_once_and_the_next_one_otherwise():
    images, plain = noise(24), Augmentation(pad=0, flip=False)
    batches = take(images, 4, augmentation=plain)
    epochs = [torch.cat([batches[k][0], batches[k + 1][0]]).flatten(1).sum(1) for k in (0, 2)]
    everything = images.images.flatten(1).sum(1).sort().values
    assert all(torch.equal(epoch.sort().values, everything) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])


def test_batch_k_depends_on_seed_and_k_alone():
    images, augmentation = noise(), Augmentation(pad=2)
    torch.manual_seed(1)
    whole = take(images, 6, augmentation=augmentation)
    torch.manual_seed(2)
    resumed = take(images, 2, augmentation=augmentation, start_step=4)
    for (batch, labels), (batch_again, labels_again) in zip(whole[4:], resumed, strict=True):
        assert torch.equal(batch, batch_again)
        assert torch.equal(labels, labels_again)
    other = augmented(images, [(0, p) for p in range(30)], augmentation, seed=6)[0]
    assert not torch.equal(augmented(images, [(0, p) for p in range(30)], augmentation, seed=5)[0], other)


@pytest.mark.parametrize(("world_size", "accumulate"), [(2, 1), (1, 3), (2, 3)])
def test_however_a_batch_is_cut_its_images_are_the_same(world_size, accumulate):
    images, augmentation = noise(), Augmentation(pad=2)
    whole, _ = take(images, 2, augmentation=augmentation)[1]
    shares = [
        take(
            images,
            2 * accumulate,
            augmentation=augmentation,
            rank=rank,
            world_size=world_size,
            accumulate=accumulate,
        )[accumulate:]
        for rank in range(world_size)
    ]
    together = [batch for part in zip(*shares, strict=True) for batch, _ in part]
    assert torch.equal(torch.cat(together), whole)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("border", ["zero", "mirror"])
def test_a_gpu_makes_the_batches_that_the_cpu_makes(border):
    images, augmentation = noise(50, 32, 32), Augmentation(border=border)
    here, there = (take(each, 5, augmentation=augmentation) for each in (images, images.to("cuda")))
    for (batch, labels), (on_gpu, labels_on_gpu) in zip(here, there, strict=True):
        assert on_gpu.device.type == "cuda"
        assert torch.equal(batch, on_gpu.cpu())
        assert torch.equal(labels, labels_on_gpu.cpu())


def test_batches_in_order_show_each_image_once_as_it_is():
    images = noise(20)
    batches = list(batches_in_order(images, 8))
    assert [len(labels) for _, labels in batches] == [8, 8, 4]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), images.images)
    assert torch.equal(torch.cat([labels for _, labels in batches]), images.labels)


def test_a_subset_keeps_the_number_of_classes():
    images = noise(20)
    part = images.subset(np.array([2, 6, 10]))
    assert torch.equal(part.images, images.images[[2, 6, 10]])
    assert part.labels.tolist() == [2, 2, 2]
    assert part.num_classes == 4


def test_normalise_maps_bytes_as_the_released_code_does():
    images = noise(3, channels=1).images
    actual = normalise(images)
    assert actual.shape == (3, 1, 8, 6)
    assert actual.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(actual, (images.permute(0, 3, 1, 2).float() - 127.5) / 128)


def test_normalise_takes_a_mean_and_a_deviation_for_each_channel():
    images, mean, std = noise(3).images, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)
    for channel, actual in enumerate(normalise(images, mean, std).unbind(1)):
        torch.testing.assert_close(actual, (images[..., channel].float() - mean[channel]) / std[channel])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            torch.zeros(2, 4, 4, dtype=torch.uint8),
            torch.tensor([0, 1]),
            r"expected images uint8 \(N, H, W, C\), got torch.uint8 \(2, 4, 4\)",
        ),
        (
            torch.zeros(2, 4, 4, 1),
            torch.tensor([0, 1]),
            r"expected images uint8 \(N, H, W, C\), got torch.float32",
        ),
        (
            torch.zeros(2, 4, 4, 1, dtype=torch.uint8),
            torch.tensor([0, 1, 1]),
            r"one label for each image, got 2 images and labels \(3,\)",
        ),
        (
            torch.zeros(0, 4, 4, 1, dtype=torch.uint8),
            torch.tensor([]),
            r"one label for each image, got 0 images",
        ),
        (
            torch.zeros(2, 4, 4, 1, dtype=torch.uint8),
            torch.tensor([0, 3]),
            "3 classes need labels 0 to 2, got 0 to 3",
        ),
    ],
)
def test_images_and_labels_that_contradict_are_refused(images, labels, message):
    with pytest.raises(ImagesError, match=message):
        DeviceImages(images, labels, 3)


def test_a_border_larger_than_the_image_is_refused():
    with pytest.raises(ImagesError, match=r"^data.pad: 7 pixels are more than the image of 8x6 has"):
        take(noise(), 1, augmentation=Augmentation(pad=7))
