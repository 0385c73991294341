"""READMEs and scripts keep to the code: their tree, their paths and every option that they type."""

import re
import subprocess
from functools import cache

import pytest
from click.testing import CliRunner

from data_prep.__main__ import main as data_prep
from eval.__main__ import main as evaluation
from sphereface_plus.__main__ import cli as sphereface_plus

# Greedy: `docker run ... sphereface-plus python -m eval lfw` is an eval command.
COMMAND = re.compile(
    r".*(?:python -m |(?=sphereface-plus ))(?P<program>data_prep|eval|sphereface.plus) "
    r"(?P<name>sphere (?:points|figure|limits)|[a-z]+(?:-[a-z]+)*)"
)


def commands(text: str, indent: str = "    "):
    """The commands on lines with this indentation (a README's blocks), continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [line.strip() for line in lines if line.startswith(indent) and COMMAND.search(line)]


def unknown_options(command: str, help_of) -> list[str]:
    match = COMMAND.search(command)
    assert match
    shown = help_of(match["program"].replace("-", "_"), match["name"])
    options = re.findall(r"(?<=\s)--[a-z-]+", command[match.end() :])
    return [f"{command}: {option}" for option in options if option not in shown]


@pytest.fixture(scope="module")
def readmes(repository):
    pages = [repository / "README.md", repository / "docker/README.md", *(repository / "docs").glob("*.md")]
    return {str(page.relative_to(repository)): page.read_text() for page in pages}


@pytest.fixture(scope="module")
def help_of():
    """(program, command) -> its --help."""
    programs = {"data_prep": data_prep, "eval": evaluation, "sphereface_plus": sphereface_plus}

    @cache
    def lookup(program: str, name: str) -> str:
        result = CliRunner().invoke(programs[program], [*name.split(), "--help"])
        assert result.exit_code == 0, result.output
        return result.output

    return lookup


def test_every_option_in_the_readmes_exists(readmes, help_of):
    typed = [command for text in readmes.values() for command in commands(text)]
    assert [missing for command in typed for missing in unknown_options(command, help_of)] == []
    assert len(typed) >= 30


@pytest.mark.parametrize(
    "name", ["configs/face/quickstart.sh", "configs/face/lfw_study.sh", "docker/check.sh"]
)
def test_every_option_in_a_script_exists(repository, help_of, name):
    code = [line for line in (repository / name).read_text().splitlines() if not line.startswith("#")]
    typed = commands("\n".join(code), indent="")
    assert [missing for command in typed for missing in unknown_options(command, help_of)] == []
    assert len(typed) >= 3
    subprocess.run(["sh", "-n", repository / name], check=True)


def test_every_path_of_the_checkout_that_the_readmes_name_exists(readmes, repository):
    text = "\n".join(readmes.values())
    paths = set(re.findall(r"\b(?:configs|docker|tests|docs)/[\w./-]+\.(?:yaml|sh|md|py|html|json)", text))
    paths = {path for path in paths if "NAME" not in path}  # of what the reader adds
    assert [path for path in sorted(paths) if not (repository / path).is_file()] == []
    assert len(paths) >= 5


def test_no_page_holds_a_placeholder(repository):
    pages = [repository / "README.md", *(repository / "docs").rglob("*.md"), repository / "docker/README.md"]
    held = {
        page.name: found
        for page in pages
        if (found := re.findall(r"\b(?:[A-Z]{4,}\d+|[A-Z]+_SECTION|TODO|FIXME|TBD)\b", page.read_text()))
    }
    assert held == {}
    assert len(pages) >= 8


def test_the_trees_list_every_command(repository):
    for page in ("README.md", "docs/tree.md"):
        listed = dict(re.findall(r"python -m (\w+) \{(.+?)\}", (repository / page).read_text()))
        assert set(listed["data_prep"].split(", ")) == set(data_prep.commands)
        assert set(listed["eval"].split(", ")) == set(evaluation.commands)


def test_the_tree_names_every_module_once(repository):
    tree = (repository / "docs/tree.md").read_text()
    folders, named = [], []
    for line in tree.splitlines():
        if match := re.match(r"(?P<indent> {4}(?:  )*)(?P<name>[\w./]+)", line):
            assert line[match.end() :].strip(), f"without a word: {line}"
            depth = (len(match["indent"]) - 4) // 2
            folders = folders[:depth]
            if match["name"].endswith("/"):
                folders.append(match["name"])
            else:
                named.append("".join(folders) + match["name"])
    modules = [
        str(path.relative_to(repository))
        for package in ("data_prep", "sphereface_plus", "eval")
        for path in (repository / package).rglob("*.py")
        if not path.name.startswith("__")
    ]
    assert sorted(name for name in named if name.endswith(".py")) == sorted(modules)
