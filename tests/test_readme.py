"""The READMEs keep to the code: their tree, their paths and every option that they type."""

import re
import subprocess
import sys

import pytest

# Greedy: `docker run ... sphereface-plus python -m eval lfw` is an eval command.
COMMAND = re.compile(
    r".*(?:python -m |(?=sphereface-plus ))(?P<program>data_prep|eval|sphereface.plus) (?P<name>[a-z]+)"
)


def commands(text: str):
    """The commands of the indented blocks, continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [line.strip() for line in lines if line.startswith("    ") and COMMAND.search(line)]


@pytest.fixture(scope="module")
def readmes(repository):
    return {name: (repository / name).read_text() for name in ("README.md", "docker/README.md")}


@pytest.fixture(scope="module")
def help_of(repository):
    """(program, command) -> its --help."""
    known = {}

    def lookup(program: str, name: str) -> str:
        if (program, name) not in known:
            known[program, name] = subprocess.run(
                [sys.executable, "-m", program, name, "--help"],
                capture_output=True,
                text=True,
                cwd=repository,
                check=True,
            ).stdout
        return known[program, name]

    return lookup


def test_every_option_in_the_readmes_exists(readmes, help_of):
    missing, seen = [], 0
    for text in readmes.values():
        for command in commands(text):
            match = COMMAND.search(command)
            options = re.findall(r"(?<=\s)--[a-z-]+", command[match.end() :])
            shown = help_of(match["program"].replace("-", "_"), match["name"])
            missing += [f"{command}: {option}" for option in options if option not in shown]
            seen += 1
    assert missing == []
    assert seen >= 10


def test_every_path_of_the_checkout_that_the_readmes_name_exists(readmes, repository):
    text = "\n".join(readmes.values())
    paths = set(re.findall(r"\b(?:configs|docker|tests|docs)/[\w./-]+\.(?:yaml|sh|md|py|html|json)", text))
    assert [path for path in sorted(paths) if not (repository / path).is_file()] == []
    assert len(paths) >= 5


def test_the_tree_names_every_module_once(readmes, repository):
    tree = readmes["README.md"].partition("## What is here")[2].partition("\n## ")[0]
    folders, named = [], []
    for line in tree.splitlines():
        if match := re.match(r"(?P<indent> {4}(?:  )*)(?P<name>[\w./]+)", line):
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
    assert sorted(named) == sorted(modules)
