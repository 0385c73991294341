"""What a wheel holds."""

import tomllib


def test_the_list_of_packages_is_the_folders_there_are(repository):
    described = tomllib.loads((repository / "pyproject.toml").read_text())
    folders = {file.parent for file in (repository / "sphereface_plus").rglob("*.py")}
    names = {".".join(folder.relative_to(repository).parts) for folder in folders}
    listed = described["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(names | {"sphereface_plus.recipes"})
