"""The import arrows of the house: who may import whom."""

import subprocess
import sys

import pytest

from tests.our_imports import LIBRARY, OURS, circles, graph, imports_of, imports_of_all, within

# Who may import whom, without the library's name before it. The longest name that a module lies in is its
# room. Modules of a room may import one another and what stands here, and together they use all of that;
# everything else of ours is refused, a room inside the room or around it too.
ARROWS = {
    # The ground floor.
    "errors": "",
    "words": "",
    "files": "",
    "plot_style": "",
    "environment": "",
    "path_checks": "errors",
    "outputs": "files path_checks",
    "shares": "errors outputs path_checks",
    "pages": "words",
    "processes": "errors words",
    "side_by_side": "",
    "precision": "processes",
    "kfold": "errors",
    "model_files": "errors",
    # The rooms.
    "mhe": "",
    "config": "errors words",
    "held_rows": "files",
    "stored_rows": "errors held_rows model_files",
    "checkpoint": "errors files held_rows model_files stored_rows",
    "weights": "checkpoint config data.trained_on errors files held_rows model_files words",
    "data.formats": "errors files words",
    "data": "config data.formats errors outputs words",
    "networks": "config errors",
    "losses": "config.losses losses.dense_head losses.head losses.rows losses.sampled_head processes",
    "losses.rows": "held_rows processes stored_rows",
    "losses.head": "losses.output",  # a head knows no margin's rule
    "losses.dense_head": "losses.angle losses.head losses.output losses.prototypes",
    "losses.streaming": "losses.head losses.prototypes mhe",
    "losses.streamed_head": "losses.angle losses.dense_head losses.head losses.output losses.prototypes "
    "losses.streaming",
    "losses.sampled_head": "losses.head losses.output mhe.sampled",
    "losses.which_head": "config.losses losses.dense_head losses.head losses.streamed_head",
    "losses.exchange": "processes",
    "losses.shared_rows": "errors held_rows processes stored_rows",
    "losses.sharded_head": "losses.angle losses.exchange losses.head losses.output losses.shared_rows "
    "losses.streamed_head losses.streaming processes",
    "losses.gan": "",
    "onnx_import": "config data errors model_files",
    "embedding": "config data errors model_files networks onnx_import precision processes weights",
    "hub": "config embedding errors files model_files weights words",
    "pretrained": "checkpoint config data errors files model_files networks weights words",
    "export": "config embedding errors files hub model_files onnx_import path_checks weights words",
    "training": "checkpoint config data embedding errors files kfold losses mhe model_files networks "
    "held_rows precision processes stored_rows training.finetuning training.loop weights words",
    "training.loop": "training.pace",
    "training.finetuning": "config data.crops data.faces data.trained_on errors losses.annealing networks "
    "weights words",
    "sphere": "commands.progress errors files mhe outputs plot_style words",
    "plan": "config data.crops errors losses mhe.matrix_products networks precision processes training words",
    "reproduce": "checkpoint config data environment files networks outputs path_checks plot_style precision "
    "processes side_by_side training words",
    # The commands: each on what it starts.
    "commands.progress": "",
    "commands.cluster": "commands.progress errors path_checks shares",
    "commands.ending": "errors",
    "commands.model_options": "",
    "commands.model_argument": "commands.progress config data embedding precision processes",
    "commands.embed_into": "commands.embed_share commands.progress data embedding outputs path_checks "
    "processes shares words",
    "commands.embed_share": "commands.progress data embedding outputs shares words",
    "commands.convert": "outputs path_checks pretrained",
    "commands.describe": "checkpoint config model_files training weights",
    "commands.embed": "commands.cluster commands.embed_into commands.model_argument commands.model_options "
    "commands.progress data embedding model_files path_checks processes shares",
    "commands.export": "export model_files outputs",
    "commands.settings_help": "config training",
    "commands.training": "config training words",
    "__main__": "commands model_files plan processes reproduce sphere",
    "data_prep": "commands.progress data.crops data.faces data.folder_notes data.formats data_prep.drawn "
    "data_prep.pairs errors files outputs pages path_checks shares words",
    "data_prep.__main__": "commands.cluster commands.ending commands.model_options commands.progress "
    "data_prep.align data_prep.align_report data_prep.doctor.command data_prep.doctor.drop "
    "data_prep.draw_command data_prep.layouts data_prep.options data_prep.packing data_prep.packing_tars "
    "data_prep.pairs_command data_prep.settings data_prep.shares data_prep.unpacking model_files outputs "
    "path_checks shares words",
    "data_prep.doctor": "commands.model_argument commands.progress data.crops data.faces data.formats "
    "data.streams data_prep.doubts data_prep.dropped data_prep.errors data_prep.packing embedding errors "
    "files pages path_checks words",
    "data_prep.drawing": "",
    "data_prep.drawn": "data.streams data_prep.drawing data_prep.errors data_prep.landmarks_file "
    "data_prep.workers files outputs words",
    "data_prep.pairs": "config data.faces data.formats.keys data.trained_on "
    "data_prep.earlier_split data_prep.errors data_prep.pair_choice data_prep.whole_crops files words",
    "data_prep.earlier_split": "data.formats.names words",
    "data_prep.whole_crops": "data.crops data.faces data.formats.packs data_prep.alignment data_prep.errors "
    "data_prep.workers",
    "data_prep.pair_choice": "data.streams data_prep.errors data_prep.pairing words",
    "data_prep.pairing": "",
    # What is measured: eval prepares raw photos with data_prep; the k-fold accuracy is the library's, as
    # training uses it too. First the numbers, then commands that share eval/, then the rooms of others.
    "eval.resolutions": "",
    "eval.statistics": "eval.resolutions",
    "eval.people": "data.formats.pairs data.trained_on",
    "eval.intervals": "eval.people",
    "eval.paired_difference": "data.streams eval.intervals eval.people",
    "eval.threshold_intervals": "eval.intervals eval.statistics",
    "eval.threshold_differences": "eval.intervals eval.threshold_intervals",
    "eval.options": "commands.model_options",
    "eval.ranks": "commands.ending processes",
    "eval.rows": "",
    "eval.scores": "eval.errors eval.rows",
    "eval.search": "eval.errors eval.ranks eval.rows eval.scores processes",
    "eval.tallies": "eval.scores eval.search processes",
    "eval.impostors": "eval.scores eval.search eval.tallies processes",
    "eval.enrolled": "eval.errors eval.rows eval.scores eval.search eval.tallies processes",
    "eval.search_statistics": "eval.impostors eval.intervals eval.statistics eval.threshold_intervals",
    "eval": "commands.cluster commands.embed_into commands.model_argument commands.model_options "
    "commands.progress config data.crops data.formats data.listed_crops data.trained_on data_prep.align "
    "data_prep.cropping data_prep.dropped data_prep.errors data_prep.folders data_prep.images "
    "data_prep.layouts data_prep.settings data_prep.turning embedding environment errors eval.intervals "
    "eval.options eval.paired_difference eval.people eval.ranks eval.resolutions eval.statistics "
    "eval.threshold_differences eval.threshold_intervals files kfold model_files outputs pages path_checks "
    "plot_style precision processes shares words",
    "eval.__main__": "commands.ending eval.compare eval.embed_command eval.gan.command "
    "eval.identify.command eval.identify.compare eval.identify.report_fields eval.identify.who_command "
    "eval.ijb.command eval.ijb.compare eval.ijb.report_fields eval.megaface.command eval.megaface.compare "
    "eval.megaface.report_fields eval.paper.command eval.ranks eval.report_files eval.same_command "
    "eval.seeds eval.study.command eval.verify_command outputs path_checks",
    "eval.identify": "commands.model_argument commands.model_options commands.progress data.crops "
    "data.face_folders data.formats data.listed_crops data.streams data.trained_on data_prep.layouts "
    "data_prep.settings embedding environment eval.compare eval.differences eval.enrolled eval.errors "
    "eval.example_photos eval.group_words eval.groups eval.intervals eval.model eval.one_photo eval.options "
    "eval.photos eval.plots eval.public eval.rendering eval.report_fields eval.report_files eval.report_fit "
    "eval.resolutions eval.rows eval.scores eval.search eval.search_statistics eval.statistics eval.tallies "
    "eval.threshold_differences eval.threshold_words eval.training_photos files model_files outputs "
    "path_checks plot_style words",
    "eval.megaface": "commands.model_argument commands.model_options commands.progress data.formats "
    "data.streams data.trained_on environment eval.compare eval.differences eval.errors eval.example_photos "
    "eval.group_words eval.groups eval.identify.groups eval.identify.numbers eval.identify.page "
    "eval.identify.plots eval.impostors eval.intervals eval.model eval.options eval.photos eval.plots "
    "eval.public eval.rendering eval.report_fields eval.report_files eval.resolutions eval.rows eval.scores "
    "eval.search eval.search_statistics eval.statistics eval.tallies eval.threshold_intervals "
    "eval.threshold_words eval.training_photos files model_files outputs path_checks processes words",
    "eval.ijb": "commands.model_argument commands.model_options commands.progress data.formats "
    "data.trained_on environment eval.compare eval.differences eval.groups eval.identify.plots "
    "eval.group_words eval.identify.words eval.ijb.galleries eval.ijb.pairs eval.ijb.rows eval.ijb.subjects "
    "eval.ijb.templates eval.model eval.options eval.photos eval.plots eval.public eval.rendering "
    "eval.report_fields eval.report_files eval.resolutions eval.search_statistics eval.statistics "
    "eval.threshold_differences eval.threshold_words eval.training_photos files model_files outputs "
    "path_checks words",
    "eval.ijb.subjects": "eval.groups eval.identify.numbers eval.intervals eval.search_statistics "
    "eval.threshold_intervals",
    "eval.ijb.templates": "data.formats.ijb",
    "eval.ijb.rows": "data.formats.ijb",
    "eval.ijb.pairs": "eval.ijb.subjects eval.scores eval.statistics eval.threshold_intervals",
    "eval.ijb.galleries": "data.formats.ijb eval.enrolled eval.groups eval.identify.groups "
    "eval.identify.numbers eval.ijb.subjects eval.resolutions eval.search_statistics",
    "eval.study": "checkpoint commands.model_options config data.faces data.formats environment errors "
    "eval.compare eval.intervals eval.people eval.statistics files mhe outputs path_checks precision "
    "processes side_by_side training.logs words",
    "eval.gan": "checkpoint commands.model_options commands.progress config data.image_sets data.images "
    "data.noise data.squares data.streams environment errors eval.gan.measures eval.plots eval.public "
    "eval.rendering eval.seeds files mhe model_files networks outputs pages path_checks plot_style "
    "processes training.folder training.gan_collapse training.gan_result training.logs training.samples "
    "weights",
    "eval.gan.measures": "errors",
    "eval.paper": "commands.model_argument commands.model_options config eval.lfw eval.megaface.run "
    "eval.megaface.sets eval.megaface.sides eval.model eval.plots eval.report_files eval.resolutions "
    "eval.verify files outputs path_checks plot_style words",
}


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
