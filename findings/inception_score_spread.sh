#!/bin/sh
# The number after the +- of an inception score is not the same thing in two libraries: torchmetrics takes the sample's
# standard deviation of the splits (divided by n - 1), torch-fidelity the population's (divided by n). For KID's subsets
# both take the population's. Ten splits of the same logits in the same order differ by sqrt(10 / 9), 5 %; two by 41 %.
. "$(dirname "$0")/setup.sh"
packages torch==2.15.0 torchmetrics==1.9.0 torch-fidelity==0.4.0 numpy==2.4.6
cat >spread.py <<'PY'
import math
import warnings

import numpy as np
import torch
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

warnings.simplefilter("ignore")  # torchmetrics: a large set is kept in memory
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

logits = 2 * torch.randn(1000, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
for splits in (10, 2):
    score = InceptionScore(feature=torch.nn.Identity(), splits=splits).set_dtype(torch.float64)
    score.update(logits)
    torch.manual_seed(1)
    mean, spread = (float(number) for number in score.compute())
    torch.manual_seed(1)  # the order that torchmetrics drew
    other = isc_features_to_metric(logits[torch.randperm(len(logits))], splits=splits, shuffle=False)
    factor = spread / other["inception_score_std"]
    print(f"{splits} splits: torchmetrics {mean:.6f} +- {spread:.6f}, torch-fidelity "
          f"{other['inception_score_mean']:.6f} +- {other['inception_score_std']:.6f}: {factor:.6f} times")
    assert math.isclose(mean, other["inception_score_mean"], rel_tol=1e-9)
    assert math.isclose(factor, math.sqrt(splits / (splits - 1)), rel_tol=1e-9)

real, made = (torch.randn(300, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (2, 3))
distance = KernelInceptionDistance(feature=torch.nn.Identity(), subsets=2, subset_size=150).set_dtype(torch.float64)
distance.update(real, real=True)
distance.update(made, real=False)
torch.manual_seed(1)
_, spread = distance.compute()
torch.manual_seed(1)
subsets = [(real[torch.randperm(300)[:150]], made[torch.randperm(300)[:150]]) for _ in range(2)]
settings = {"kid_subsets": 1, "kid_subset_size": 150, "verbose": False}
each = torch.tensor([kid_features_to_metric(a, b, **settings)["kernel_inception_distance_mean"] for a, b in subsets])
print(f"KID, 2 subsets: torchmetrics +- {float(spread):.6f}, of the population {float(each.std(unbiased=False)):.6f}")
assert math.isclose(float(spread), float(each.std(unbiased=False)), rel_tol=1e-4)
both = kid_features_to_metric(real, made, **settings | {"kid_subsets": 2, "rng_seed": 2020})
draw = np.random.RandomState(2020)
subsets = [(real[draw.choice(300, 150, replace=False)], made[draw.choice(300, 150, replace=False)]) for _ in range(2)]
each = torch.tensor([kid_features_to_metric(a, b, **settings)["kernel_inception_distance_mean"] for a, b in subsets])
spread = both["kernel_inception_distance_std"]
print(f"torch-fidelity +- {spread:.6f}, of the population {float(each.std(unbiased=False)):.6f}")
assert math.isclose(spread, float(each.std(unbiased=False)), rel_tol=1e-4)
PY
venv/bin/python spread.py
