"""The image is built from what the wheel needs; docker/check.sh builds it and is run by hand."""

import re
import tomllib


def test_the_image_copies_every_folder_that_the_wheel_is_made_of(repository):
    tools = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {name.partition(".")[0] for name in tools["packages"]} | set(tools["package-dir"].values())
    copied = re.findall(r"^COPY (\S+) /src/\1$", (repository / "docker" / "Dockerfile").read_text(), re.M)
    assert folders <= set(copied)
