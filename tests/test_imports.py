"""The import arrows of the house: who may import whom, read from the source, not from what happens to run."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = "sphereface_plus"
# Who may import whom, without the library's name before it. The longest name that a module lies in counts. A
# part may import itself and what stands here, and uses all of that; everything else of ours is refused.
ARROWS = {
    # The ground floor.
    "errors": "",
    "words": "",
    "files": "",
    "plot_style": "",
    "environment": "",
    "path_checks": "errors",
    "outputs": "files path_checks",
    "pages": "words",
    "processes": "errors words",
    "precision": "processes",
    "kfold": "errors",
    "model_files": "errors",
    # The rooms.
    "mhe": "",
    "config": "errors",
    "checkpoint": "errors files model_files",
    "weights": "checkpoint config data.trained_on errors files model_files words",
    "data.formats": "errors files words",
    "data": "config errors outputs words",
    "networks": "config errors",
    "losses": "config processes",
    "losses.head": "losses.output",  # a head knows no margin's rule
    "losses.dense_head": "losses.angle losses.head losses.output",
    "losses.gan": "",
    "onnx_import": "config data errors model_files",
    "embedding": "config data errors model_files networks onnx_import precision weights",
    "hub": "config embedding errors files model_files weights words",
    "pretrained": "checkpoint config data errors files model_files networks weights words",
    "export": "config embedding errors files hub model_files onnx_import path_checks weights words",
    "training": "checkpoint config data embedding errors files kfold losses mhe model_files networks "
    "precision processes weights words",
    "sphere": "commands.progress errors files mhe outputs plot_style words",
    "reproduce": "checkpoint config data environment files networks outputs path_checks plot_style precision "
    "processes training words",
    # The commands: each on what it starts.
    "commands.progress": "",
    "commands.ending": "errors",
    "commands.model_argument": "commands.progress config data embedding precision processes",
    "commands.embed_into": "commands.progress data embedding outputs path_checks processes words",
    "commands.convert": "outputs path_checks pretrained",
    "commands.describe": "checkpoint config errors model_files training weights",
    "commands.embed": "commands.embed_into commands.model_argument data embedding model_files path_checks "
    "processes",
    "commands.export": "export model_files outputs",
    "commands.settings_help": "config training",
    "commands.training": "config training words",
    "__main__": "commands model_files processes reproduce sphere",
    "data_prep": "commands.ending commands.model_argument commands.progress data embedding errors files "
    "model_files outputs pages path_checks words",
    "data_prep.pairs": "config data data_prep.alignment data_prep.errors data_prep.pair_choice files words",
    "data_prep.pair_choice": "data.streams data_prep.errors data_prep.pairing words",
    "data_prep.pairing": "",
    # eval prepares raw photos with data_prep; the k-fold accuracy is the library's: training uses it too.
    "eval": "data_prep commands.embed_into commands.ending commands.model_argument commands.progress config "
    "data embedding environment errors files kfold model_files outputs pages path_checks plot_style words",
    "eval.search": "eval.errors processes",
    "eval.tallies": "eval.search processes",
    "eval.enrolled": "eval.errors eval.search eval.tallies processes",
    "eval.identification": "eval.intervals eval.statistics eval.tallies",
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


def room_of(module: str) -> str | None:
    """The entry of ARROWS that a module of ours stands under."""
    rooms = [room for room in ARROWS if within(module.removeprefix(f"{LIBRARY}."), room)]
    return max(rooms, key=len, default=None)


def arrows_of(source: str, module: str, is_package: bool = False):
    """(what it imports of ours from other rooms, the arrow that allows it or None), each."""
    room = room_of(module)
    allowed = ARROWS[room].split() if room is not None else []
    for name in imports_of(source, module, is_package):
        short = name.removeprefix(f"{LIBRARY}.")
        is_ours = name.split(".")[0] in OURS and short != "__version__"
        if is_ours and not (room is not None and within(short, room)):
            yield name, max((arrow for arrow in allowed if within(short, arrow)), key=len, default=None)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    found = arrows_of(source, module, is_package)
    return [f"{module} may not import {name}" for name, arrow in found if arrow is None]


@pytest.fixture(scope="module")
def modules(repository):
    """(source, module, whether it is a package) of each module of ours."""
    return [
        (
            path.read_text(encoding="utf-8"),
            module_of(path.relative_to(repository)),
            path.name == "__init__.py",
        )
        for folder in OURS
        for path in sorted((repository / folder).rglob("*.py"))
    ]


def test_every_import_follows_the_arrows(modules):
    assert [line for module in modules for line in violations(*module)] == []


def test_every_module_stands_in_a_room_or_on_the_ground_floor(modules):
    without = [module for _, module, _ in modules if room_of(module) is None]
    assert without == [LIBRARY, f"{LIBRARY}.commands"]
    for source, module, is_package in modules:
        assert module not in without or list(arrows_of(source, module, is_package)) == []


def test_every_arrow_is_used(modules):
    used = {
        (room_of(module), arrow)
        for source, module, is_package in modules
        for _, arrow in arrows_of(source, module, is_package)
    }
    written = [(room, arrow) for room, arrows in ARROWS.items() for arrow in arrows.split()]
    assert [arrow for arrow in written if arrow not in used] == []


def test_no_circle_of_rooms():
    def reached(room: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        for arrow in ARROWS[room].split():
            if arrow in ARROWS and arrow not in seen:
                seen = reached(arrow, seen | {arrow})
        return seen

    assert [room for room in ARROWS if room in reached(room)] == []


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


FOR_EVERY_TASK = ["loop", "run", "run_parts", "state", "folder", "resume", "beforehand", "failures", "sets"]
FOR_EVERY_TASK += ["opening", "reporting", "pace", "logs", "console", "precision", "signals"]
OF_SOME_TASKS = ["face", "image", "classifier", "network", "energies", "sgd", "validation", "finetuning"]
OF_SOME_TASKS += ["model_lines"]


@pytest.mark.parametrize("module", FOR_EVERY_TASK)
def test_what_serves_every_task_knows_of_none(repository, module):
    source = (repository / LIBRARY / "training" / f"{module}.py").read_text(encoding="utf-8")
    found = imports_of(source, f"{LIBRARY}.training.{module}", is_package=False)
    tasks = [f"{LIBRARY}.training.{part}" for part in OF_SOME_TASKS]
    assert [name for name in found if any(within(name, task) for task in tasks)] == []


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
