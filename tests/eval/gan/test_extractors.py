import pytest
import torch
import torch.nn.functional as F
from torchvision.models import mobilenet_v2

from eval.gan import extractors, sources
from eval.gan.errors import GeneratorError
from eval.gan.extractors import Known, open_extractor
from sphereface_plus.model_files import sha256

CPU = torch.device("cpu")


@pytest.fixture
def mobilenet(tmp_path, monkeypatch):
    """A file of random weights that is taken for the known one, and its network."""
    network, file = mobilenet_v2().eval(), tmp_path / "mobilenet.pth"
    torch.save(network.state_dict(), file)
    monkeypatch.setattr(extractors, "MOBILENET", Known(file.name, sha256(file), "nowhere"))
    return network, file


def test_mobilenets_classes_are_those_of_its_whole_network(mobilenet):
    network, file = mobilenet
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    extractor = open_extractor(file, CPU)
    features, logits = extractor(images)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    inputs = ((images / 255 - mean) / std).permute(0, 3, 1, 2)
    inputs = F.interpolate(inputs, (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        expected = network(inputs)
    assert logits == pytest.approx(expected.numpy(), abs=1e-4)
    assert features.shape == (2, 1280)
    assert set(extractor.names.values()) == {
        f"{measure} (MobileNetV2 of ImageNet)"
        for measure in ("class score", "Frechet distance", "kernel distance", "precision", "recall")
    }


@pytest.mark.parametrize(("shape", "words"), [((64, 64, 3), "64x64 of 3"), ((32, 32, 1), "32x32 of 1")])
def test_images_that_an_extractor_does_not_take_are_refused(classifier, tmp_path, shape, words):
    extractor = open_extractor(classifier, CPU)
    source = sources.Source(
        "run", "key", 5, lambda number, count: torch.zeros((count, *shape), dtype=torch.uint8)
    )
    message = f"run: its images are {words} channels, and the extractor tiny_classifier takes 32x32 colour"
    with pytest.raises(GeneratorError, match=message):
        sources.features_of(source, extractor, tmp_path, 2, lambda *done: None)


def test_features_that_are_not_finite_are_refused(mobilenet):
    _, file = mobilenet
    extractor = open_extractor(file, CPU)
    broken = extractors.Extractor(**{**vars(extractor), "network": lambda images: (images / 0, images / 0)})
    with pytest.raises(GeneratorError, match="MobileNetV2 of ImageNet: its features are not finite"):
        broken(torch.zeros((1, 32, 32, 3)))
