"""The import arrows of the house: who may import whom, read from the source, not from what happens to run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = "sphereface_plus"
# The ground floor: everybody may stand on it.
GROUND = [
    "sphereface_plus.errors",
    "sphereface_plus.files",
    "sphereface_plus.path_checks",
    "sphereface_plus.words",
]
# Longest prefix wins. A part may import itself and what stands here; everything else of ours is refused.
ARROWS = {
    "sphereface_plus.errors": [],
    "sphereface_plus.words": [],
    "sphereface_plus.files": ["sphereface_plus.errors"],
    "sphereface_plus.path_checks": ["sphereface_plus.errors"],
    "sphereface_plus.outputs": GROUND,
    "sphereface_plus.pages": ["sphereface_plus.words"],
    "sphereface_plus.plot_style": [],
    "sphereface_plus.processes": ["sphereface_plus.errors", "sphereface_plus.words"],
    "sphereface_plus.environment": [],
    "sphereface_plus.kfold": ["sphereface_plus.errors"],
    "sphereface_plus.mhe": [],
    "sphereface_plus.config": ["sphereface_plus.errors"],
    "sphereface_plus.model_files": ["sphereface_plus.errors"],
    "sphereface_plus.checkpoint": [*GROUND, "sphereface_plus.model_files"],
    "sphereface_plus.weights": [
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.config",
        "sphereface_plus.data.trained_on",
        "sphereface_plus.model_files",
    ],
    "sphereface_plus.data.formats": GROUND,
    "sphereface_plus.data": [*GROUND, "sphereface_plus.config", "sphereface_plus.outputs"],
    "sphereface_plus.networks": ["sphereface_plus.config", "sphereface_plus.errors"],
    "sphereface_plus.losses": ["sphereface_plus.config", "sphereface_plus.processes"],
    "sphereface_plus.onnx_import": [
        *GROUND,
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.model_files",
    ],
    "sphereface_plus.embedding": [
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.model_files",
        "sphereface_plus.networks",
        "sphereface_plus.onnx_import",
        "sphereface_plus.weights",
    ],
    "sphereface_plus.commands.model_argument": [
        "sphereface_plus.commands.progress",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.embedding",
    ],
    "sphereface_plus.hub": [
        *GROUND,
        "sphereface_plus.config",
        "sphereface_plus.embedding",
        "sphereface_plus.model_files",
        "sphereface_plus.weights",
    ],
    "sphereface_plus.pretrained": [
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.model_files",
        "sphereface_plus.networks",
        "sphereface_plus.weights",
    ],
    "sphereface_plus.export": [
        *GROUND,
        "sphereface_plus.config",
        "sphereface_plus.embedding",
        "sphereface_plus.hub",
        "sphereface_plus.model_files",
        "sphereface_plus.onnx_import",
        "sphereface_plus.weights",
    ],
    "sphereface_plus.training": [
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.embedding",
        "sphereface_plus.kfold",
        "sphereface_plus.losses",
        "sphereface_plus.mhe",
        "sphereface_plus.model_files",
        "sphereface_plus.networks",
        "sphereface_plus.processes",
        "sphereface_plus.weights",
    ],
    "sphereface_plus.commands.progress": [],
    "sphereface_plus.commands.ending": ["sphereface_plus.errors"],
    "sphereface_plus.commands": ["sphereface_plus"],
    "sphereface_plus.sphere": [
        *GROUND,
        "sphereface_plus.commands.progress",
        "sphereface_plus.mhe",
        "sphereface_plus.outputs",
        "sphereface_plus.plot_style",
    ],
    "sphereface_plus.reproduce": [
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.environment",
        "sphereface_plus.networks",
        "sphereface_plus.outputs",
        "sphereface_plus.plot_style",
        "sphereface_plus.processes",
        "sphereface_plus.training",
    ],
    "sphereface_plus": ["sphereface_plus"],
    "data_prep": [
        *GROUND,
        "sphereface_plus.commands.ending",
        "sphereface_plus.commands.progress",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.embedding",
        "sphereface_plus.model_files",
        "sphereface_plus.commands.model_argument",
        "sphereface_plus.outputs",
        "sphereface_plus.pages",
    ],
    # eval prepares raw photos with data_prep; the k-fold accuracy is the library's: training uses it too.
    "eval": [
        "data_prep",
        *GROUND,
        "sphereface_plus.checkpoint",
        "sphereface_plus.commands.ending",
        "sphereface_plus.commands.progress",
        "sphereface_plus.config",
        "sphereface_plus.data",
        "sphereface_plus.embedding",
        "sphereface_plus.environment",
        "sphereface_plus.kfold",
        "sphereface_plus.model_files",
        "sphereface_plus.commands.model_argument",
        "sphereface_plus.networks",
        "sphereface_plus.outputs",
        "sphereface_plus.pages",
        "sphereface_plus.plot_style",
    ],
}
OURS = ("sphereface_plus", "data_prep", "eval")


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool):
    """Full names of what a module imports, `from a import b` as a.b, relative imports resolved."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield from (f"{base}.{name.name}" for name in node.names)


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    owner = max((key for key in ARROWS if within(module, key)), key=len)
    allowed = [owner, *ARROWS[owner]]
    return [
        f"{module} may not import {name}"
        for name in imports_of(source, module, is_package)
        if name.split(".")[0] in OURS
        and name != f"{LIBRARY}.__version__"
        and not any(within(name, prefix) for prefix in allowed)
    ]


def test_every_import_follows_the_arrows(repository):
    found = []
    for folder in OURS:
        for path in sorted((repository / folder).rglob("*.py")):
            module = module_of(path.relative_to(repository))
            found += violations(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    assert found == []


@pytest.mark.parametrize(
    ("source", "module", "message"),
    [
        (
            "import sphereface_plus.training",
            "sphereface_plus.mhe.energy",
            "sphereface_plus.mhe.energy may not import sphereface_plus.training",
        ),
        (
            "from ..losses import psi",
            "sphereface_plus.networks.cnn",
            "sphereface_plus.networks.cnn may not import sphereface_plus.losses.psi",
        ),
        (
            "from eval import lfw",
            "sphereface_plus.training.run",
            "sphereface_plus.training.run may not import eval.lfw",
        ),
        (
            "def f():\n    from sphereface_plus import training",
            "data_prep.align",
            "data_prep.align may not import sphereface_plus.training",
        ),
    ],
)
def test_a_wrong_import_is_named(source, module, message):
    assert violations(source, module) == [message]


def test_a_right_import_is_no_violation():
    assert (
        violations("from ..config import NetworkConfig\nimport torch", "sphereface_plus.networks.cnn") == []
    )


def test_importing_the_library_costs_no_heavy_package():
    heavy = ["torch", "pandas", "cv2", "onnxruntime", "sklearn", "matplotlib", "tensorboard"]
    code = f"import sys, sphereface_plus; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_energies_import_torch_only():
    heavy = ["pandas", "cv2", "pydantic", "onnxruntime", "sklearn", "matplotlib", "tensorboard"]
    heavy.append("torch._dynamo")  # takes longer than all the rest
    code = f"import sys, sphereface_plus.mhe; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
