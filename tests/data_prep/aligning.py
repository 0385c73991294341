"""What the tests of align share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FAST: dict[str, Any] = {"min_face": 50, "workers": 1}  # the drawn faces are some 90 pixels high


def tree(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, but the report without what is said about the run itself."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files["report.json"] = json.dumps({**report(folder), "this_run": None}).encode()
    return files


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def stop_at(count: int):
    def progress(done: int, total: int, failed: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return progress
