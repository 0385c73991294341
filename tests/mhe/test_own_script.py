"""Somebody's own script, outside the project: three lines add MHE to a network of torchvision."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import torch
import torchvision
{import_line}

torch.manual_seed(0)
model = torchvision.models.resnet18(num_classes=10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
images, labels = torch.randn(2, 3, 32, 32), torch.tensor([3, 7])
{construct_line}

before = model.layer4[1].conv2.weight.clone()
loss = torch.nn.functional.cross_entropy(model(images), labels)
{penalty_line}
loss.backward()
optimizer.step()

assert not torch.equal(model.layer4[1].conv2.weight, before)
print(f"{{loss.item():.1f}}", {{name: len(layers) for name, layers in regularizer.layer_names.items()}})
"""

# the README's three lines
LINES = {
    "import_line": "from sphereface_plus.mhe import MHERegularizer",
    "construct_line": "regularizer = MHERegularizer(model)",
    "penalty_line": "loss = loss + regularizer.penalty()",
}


def run(script: str, tmp_path, repository) -> str:
    path = tmp_path / "her_training.py"
    path.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_three_lines_add_mhe_to_resnet18(tmp_path, repository):
    output = run(SCRIPT.format(**LINES), tmp_path, repository)
    loss, layers = output.strip().split(" ", 1)
    # cross-entropy of about log 10, 10 (20 layers of about 0.5) and an output layer of about 0.5
    assert 100 < float(loss) < 110
    assert layers == "{'mhe/hidden': 20, 'mhe/output': 1}"


def test_the_three_lines_are_those_of_the_readme(repository):
    readme = (repository / "README.md").read_text()
    assert [line for line in LINES.values() if f"\n{line}" not in readme] == []
