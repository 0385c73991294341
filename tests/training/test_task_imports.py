"""What serves every task knows of none: the loop, the folder, the log and others stay as they are when one
comes."""

import ast

from tests.our_imports import LIBRARY, imports_of, imports_of_all

FOR_EVERY_TASK = {"loop", "run", "run_parts", "state", "folder", "resume", "room", "beforehand", "failures"}
FOR_EVERY_TASK |= {"opening", "reporting", "pace", "logs", "events", "console", "precision", "compiled_code"}
FOR_EVERY_TASK |= {"saving", "schedules", "signals", "sizes", "freed_memory"}
TABLE_OF_TASKS = "tasks"
"""Serves every task and names each: it imports their parts inside functions."""


def test_what_serves_every_task_knows_of_none(repository):
    """All that is not named as serving every task is of some, a new file too."""
    prefix = f"{LIBRARY}.training."
    imports = imports_of_all(repository)
    found = {
        (part, name.removeprefix(prefix))
        for part in FOR_EVERY_TASK
        for name in imports[prefix + part]
        if name.startswith(prefix) and name.split(".")[2] not in {*FOR_EVERY_TASK, TABLE_OF_TASKS}
    }
    assert found == set()


def test_the_table_of_tasks_imports_their_parts_inside_functions(repository):
    source = (repository / LIBRARY / "training" / f"{TABLE_OF_TASKS}.py").read_text(encoding="utf-8")
    at_once = ast.parse(source)
    at_once.body = [node for node in at_once.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = imports_of(ast.unparse(at_once), f"{LIBRARY}.training.{TABLE_OF_TASKS}", is_package=False)
    found = {name.split(".")[2] for name in names if name.startswith(f"{LIBRARY}.training.")}
    assert found <= FOR_EVERY_TASK
