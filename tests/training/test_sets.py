"""What a run trains on: photographs in class folders; the other sets are met in test_run and test_image."""

import cv2
import numpy as np
import pytest
import torch

from sphereface_plus import config
from sphereface_plus.data.batches import BatchSampler
from sphereface_plus.processes import Processes
from sphereface_plus.training import image
from sphereface_plus.training.photographs import Photographs

RECIPE = {
    "task": "image",
    "name": "photographs",
    "network": {"name": "resnet18"},
    "optimizer": {"learning_rate": 0.1},
    "train": {"steps": 1, "batch_size": 2},
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Recipe of train/<class>/ with two photographs and val/<class>/ with three, in three classes."""
    root, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 3)):
        for name in ("cat", "dog", "fox"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (30, 40, 3)).astype(np.uint8)
                cv2.imwrite(str(root / split / name / f"{number}.png"), pixels)
    return config.from_dict(RECIPE | {"data": {"name": "imagenet", "path": str(root)}})


@pytest.mark.parametrize("workers", [0, 1])
def test_photographs_are_tested_once_each_in_order_and_draw_nothing(photographs, workers, monkeypatch):
    monkeypatch.setattr(image, "TEST_BATCH", 4)
    data = photographs.data.model_copy(update={"workers": workers})
    alone = Processes(0, 1, torch.device("cpu"))
    _, sets, _ = image.open_sets(photographs.model_copy(update={"data": data}), alone)
    assert list(sets) == ["test"]
    before = torch.get_rng_state()
    first, again = list(sets["test"]()), list(sets["test"]())
    assert torch.equal(torch.get_rng_state(), before)
    assert [len(images) for images, _ in first] == [4, 4, 1]
    assert torch.cat([labels for _, labels in first]).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(first, again, strict=True))


def test_photographs_are_known_by_path_and_label_and_come_with_their_augmentation(photographs):
    data = Photographs(photographs, pin_memory=False)
    assert (len(data), data.classes, data.left_out, data.notes) == (6, ["cat", "dog", "fox"], "", ())
    path, label = data.describe(3)
    assert (path.endswith("dog/1.png"), label) == (True, 1)
    sampler = BatchSampler(len(data), 2, seed=0)
    items = next(iter(sampler))
    batches = data.batches(sampler)
    images, labels = next(batches)
    batches.close()
    assert images.shape == (2, 224, 224, 3)
    assert labels.tolist() == [data.labels[index] for index, _ in items]
    assert torch.equal(images, data.batch(items)[0])
    fingerprint = data.fingerprint()
    data.labels[0] = 1
    assert data.fingerprint() != fingerprint
