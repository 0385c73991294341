"""How the tests of `ijb` call it, and what they read and change."""

import json

from click.testing import CliRunner

from eval.__main__ import main


def called(kit, *more, features: str | None = "features.npy", out="out"):
    arguments = ["ijb", "--meta", kit / "meta", "--out", kit / out, *more]
    arguments += [] if features is None else ["--features", kit / features]
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def report_of(kit, out="out"):
    return json.loads((kit / out / "report.json").read_text())


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
