"""The report of a measurement of generators: report.json, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphereface_plus.files import write_text


def write(report: Mapping[str, Any], out: Path) -> None:
    """Writes report.json into `out`."""
    parts = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in report.items())
    write_text(out / "report.json", "{\n" + parts + "\n}\n")
