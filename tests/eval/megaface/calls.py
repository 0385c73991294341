"""How the tests of `python -m eval megaface` call it, and read what it wrote."""

import json

from click.testing import CliRunner

from eval.__main__ import main


def called(kit, *more, out="out"):
    arguments = ["megaface", "--probes", kit / "probes", "--distractors", kit / "distractors"]
    arguments += ["--lists", kit / "lists"] if (kit / "lists").is_dir() else []
    arguments += ["--out", kit / out, *more]
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def report_of(kit, out="out"):
    return json.loads((kit / out / "report.json").read_text())
