"""Our measures against torch-fidelity's and torchmetrics' of the same numbers, and where those two differ."""

import math
import os
import sys

import numpy as np
import pytest
import torch
from torch import nn

from eval.gan import extractors
from eval.gan.extractors import Known, open_extractor
from eval.gan.measures import class_score, frechet_distance, kernel_distance, precision_and_recall
from sphereface_plus.model_files import sha256

ORACLES = os.environ.get("SPHEREFACE_GAN_ORACLES")
pytestmark = pytest.mark.skipif(
    ORACLES is None, reason="SPHEREFACE_GAN_ORACLES names no folder with torch-fidelity and torchmetrics"
)


@pytest.fixture(autouse=True, scope="module")
def _found():
    sys.path.append(str(ORACLES))
    yield
    sys.path.remove(str(ORACLES))


@pytest.fixture(scope="module")
def sets():
    random = np.random.default_rng(0)
    mixed = random.normal(size=(16, 16))
    generated = random.normal(0.3, 1.2, (2000, 16)) @ mixed
    reference = random.normal(size=(2500, 16)) @ mixed
    return generated.astype(np.float32), reference.astype(np.float32)


@pytest.fixture(scope="module")
def logits():
    return np.random.default_rng(1).normal(0, 2, (2000, 10)).astype(np.float32)


def test_a_class_score_is_torch_fidelitys_inception_score_of_the_same_order(logits):
    from torch_fidelity.metric_isc import isc_features_to_metric

    theirs = isc_features_to_metric(torch.from_numpy(logits), splits=10, shuffle=False)
    ours = class_score(logits)
    assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert ours.sd == pytest.approx(theirs["inception_score_std"], rel=1e-5)
    # Its default shuffles first: another split of the same images.
    shuffled = isc_features_to_metric(torch.from_numpy(logits), splits=10)["inception_score_mean"]
    assert 0 < abs(shuffled - ours.value) < 3 * ours.standard_error


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save all")
def test_torchmetrics_divides_the_spread_of_an_inception_score_by_one_less(logits, monkeypatch):
    from torchmetrics.image.inception import InceptionScore

    monkeypatch.setattr(torch, "randperm", torch.arange)  # it shuffles by the global random state
    theirs = InceptionScore(feature=nn.Identity())
    theirs.update(torch.from_numpy(logits))
    mean, sd = theirs.compute()
    ours = class_score(logits)
    assert float(mean) == pytest.approx(ours.value, rel=1e-5)  # float32
    assert float(sd) == pytest.approx(ours.sd * math.sqrt(10 / 9), rel=1e-3)


def test_a_frechet_distance_is_that_of_both(sets):
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torchmetrics.image.fid import FrechetInceptionDistance

    ours = frechet_distance(*sets).value
    statistics = [fid_features_to_statistics(torch.from_numpy(features)) for features in sets]
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert theirs == pytest.approx(ours, rel=1e-5)

    class Features(nn.Module):
        num_features = 16

        def forward(self, features):
            return features

    metric = FrechetInceptionDistance(feature=Features(), input_img_size=(16,))
    for features, real in zip(sets, (False, True), strict=True):
        metric.update(torch.from_numpy(features), real=real)
    assert float(metric.compute()) == pytest.approx(ours, rel=1e-4)  # float32


def test_a_kernel_distance_is_both_ones_of_a_block(sets):
    from torch_fidelity.metric_kid import kernel_mmd
    from torchmetrics.image.kid import poly_mmd

    ours, size = kernel_distance(*sets)
    for number, value in enumerate(ours.parts):
        x, y = (features[number * size :][:size].astype(np.float64) for features in sets)
        assert kernel_mmd(x, y) == pytest.approx(value, rel=1e-9)
        assert float(poly_mmd(torch.from_numpy(y), torch.from_numpy(x))) == pytest.approx(value, rel=1e-9)


def test_a_kernel_distance_is_torch_fidelitys_over_random_subsets_within_its_error(sets):
    from torch_fidelity.metric_kid import kid_features_to_metric

    tensors = [torch.from_numpy(features) for features in sets]
    theirs = kid_features_to_metric(*tensors, kid_subset_size=200, kid_subsets=100, verbose=False)
    ours, _ = kernel_distance(*sets)
    assert abs(theirs["kernel_inception_distance_mean"] - ours.value) < 3 * ours.standard_error


def test_precision_and_recall_are_torch_fidelitys(sets):
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = (torch.from_numpy(features[:600].astype(np.float64)) for features in sets)
    theirs = prc_features_to_metric(x, y, verbose=False)
    assert precision_and_recall(x.numpy(), y.numpy()) == pytest.approx(
        (theirs["precision"], theirs["recall"])
    )


def test_inception_is_torch_fidelitys_network_and_its_scores_alone_have_their_names(tmp_path, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as theirs

    layers = ["2048", "logits_unbiased"]
    with monkeypatch.context() as patched:
        # Random weights, as the file is not at hand; batch normalisation's statistics are left as they begin.
        patched.setattr(theirs, "load_state_dict_from_url", lambda *given, **named: {})
        patched.setattr(theirs.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = theirs.FeatureExtractorInceptionV3("random", layers)
    file = tmp_path / "weights.pth"
    torch.save(network.state_dict(), file)
    monkeypatch.setattr(extractors, "INCEPTION", Known(file.name, sha256(file), "nowhere"))
    extractor = open_extractor(file, torch.device("cpu"))
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    features, logits = extractor(images)
    expected = network(images.permute(0, 3, 1, 2))
    assert features == pytest.approx(expected[0].numpy(), abs=1e-5)
    assert logits == pytest.approx(expected[1].numpy(), abs=1e-5)
    assert [features.shape, logits.shape] == [(2, 2048), (2, 1008)]
    names = list(extractor.names.values())
    assert names == [
        "inception score",
        "FID",
        "KID",
        f"precision ({extractor.name})",
        f"recall ({extractor.name})",
    ]
