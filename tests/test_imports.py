"""The import arrows of the house: who may import whom."""

import subprocess
import sys

import pytest

from tests.import_arrows import ARROWS
from tests.our_imports import LIBRARY, OURS, circles, graph, imports_of, imports_of_all, within


def room_of(name: str) -> str | None:
    """The entry of ARROWS that a module of ours, or what it holds, stands under."""
    rooms = [room for room in ARROWS if within(name.removeprefix(f"{LIBRARY}."), room)]
    return max(rooms, key=len, default=None)


def arrows_of(module: str, names: list[str]):
    """(what it imports of ours from other rooms, the arrow that allows it or None), each."""
    room = room_of(module)
    allowed = ARROWS[room].split() if room is not None else []
    for name in names:
        short = name.removeprefix(f"{LIBRARY}.")
        is_ours = name.split(".")[0] in OURS and short != "__version__"
        if is_ours and (room is None or room_of(name) != room):
            yield name, max((arrow for arrow in allowed if within(short, arrow)), key=len, default=None)


def violations(module: str, names: list[str]) -> list[str]:
    return [f"{module} may not import {name}" for name, arrow in arrows_of(module, names) if arrow is None]


@pytest.fixture(scope="module")
def imports(repository):
    return imports_of_all(repository)


def test_every_import_follows_the_arrows(imports):
    assert [line for module, names in imports.items() for line in violations(module, names)] == []


def test_every_module_stands_in_a_room_or_on_the_ground_floor(imports):
    without = [module for module in imports if room_of(module) is None]
    assert without == [LIBRARY, f"{LIBRARY}.commands"]
    assert [list(arrows_of(module, imports[module])) for module in without] == [[], []]


def test_every_arrow_is_used(imports):
    used = {
        (room_of(module), arrow) for module, names in imports.items() for _, arrow in arrows_of(module, names)
    }
    written = [(room, arrow) for room, arrows in ARROWS.items() for arrow in arrows.split()]
    assert [arrow for arrow in written if arrow not in used] == []


def test_no_circle_of_modules(imports):
    """Imports inside functions and for the type checker count. training/tasks.py, a table of parts, imports
    them inside functions, and needs no circle either: the parts do not import the table."""
    assert circles(graph(imports)) == []


def test_no_circle_of_folders(imports):
    """Of what stands first in a module's name without the library's: eval, training, files."""
    folders: dict[str, set[str]] = {}
    for module, others in graph(imports).items():
        folder, *found = (name.removeprefix(f"{LIBRARY}.").split(".")[0] for name in (module, *others))
        folders.setdefault(folder, set()).update(other for other in found if other != folder)
    assert circles(folders) == []


def test_circles_are_found():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert circles(imports) == [["b", "c"], ["e", "f"]]


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
    assert violations(module, list(imports_of(source, module))) == [message]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("eval.report", "eval.identify.run"),
        ("eval.statistics", "eval.__main__"),
        ("eval.megaface.run", "eval.identify.run"),
        ("data_prep.align", "data_prep.doctor.page"),
        ("sphereface_plus.training.loop", "sphereface_plus.training.finetuning.start"),
        ("sphereface_plus.losses.loss", "sphereface_plus.losses.gan.hinge"),
        ("sphereface_plus.losses.gan.hinge", "sphereface_plus.losses.loss"),
    ],
)
def test_a_room_inside_a_room_is_a_room_of_its_own(module, name):
    assert violations(module, [name]) == [f"{module} may not import {name}"]


def test_a_right_import_is_not_a_violation():
    module = "sphereface_plus.networks.cnn"
    names = list(imports_of("from ..config import NetworkConfig\nimport torch", module))
    assert names == ["sphereface_plus.config.NetworkConfig", "torch"]
    assert violations(module, names) == []


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


def test_a_face_training_and_an_evaluation_import_no_compiler():
    """torch's takes as long as torch itself; torchvision imports it, and so does `torch.compiler.disable`."""
    heavy = ["torch._dynamo", "torchvision", "onnxruntime", "sklearn", "matplotlib", "tensorboard"]
    modules = "sphereface_plus.training.face, sphereface_plus.training.run, eval.lfw, eval.identify"
    code = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
