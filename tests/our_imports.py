"""Who imports whom, read from the source: not from what happens to run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

LIBRARY = "sphereface_plus"
OURS = (LIBRARY, "data_prep", "eval")


@cache
def imports_of_all(repository: Path) -> dict[str, list[str]]:
    """Each module of ours -> the full names of what it imports, ours or not, inside functions and for the
    type checker as well."""
    found = {}
    for folder in OURS:
        for path in sorted((repository / folder).rglob("*.py")):
            module, is_package = module_of(path.relative_to(repository)), path.name == "__init__.py"
            found[module] = list(imports_of(path.read_text(encoding="utf-8"), module, is_package))
    return found


def module_of(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, is_package: bool = False) -> Iterator[str]:
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
    """Whether a dotted name is the prefix or lies in it."""
    return name == prefix or name.startswith(prefix + ".")


def graph(imports: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Each module of ours -> the other modules of ours that it imports."""
    found: dict[str, set[str]] = {module: set() for module in imports}
    for module, names in imports.items():
        for name in names:
            while name and name not in imports:  # a.b.f is of module a.b
                name = name.rpartition(".")[0]
            if name and name != module:
                found[module].add(name)
    return found


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of names that all import one another, over others or not; the names of each in order."""
    reached = {name: set(direct) for name, direct in imports.items()}
    for middle in imports:  # Warshall's closure
        for name in imports:
            if middle in reached[name]:
                reached[name] |= reached[middle]
    found = {frozenset(other for other in reached[name] if name in reached[other]) for name in imports}
    return sorted(sorted(group) for group in found if group)
