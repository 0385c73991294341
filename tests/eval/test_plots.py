"""Names in plots."""

from __future__ import annotations

import html
import re

import numpy as np

from eval.plots import LONGEST_LABEL, interval_plot, roc_plot
from eval.statistics import roc


def test_a_model_of_any_script_is_named_as_it_is():
    names = ["模型", "محمد", "_mine", "$x$", "a < b"]
    curve = roc(np.arange(6.0), np.arange(6) % 2 == 1)
    drawn = [
        roc_plot("roc", [(name, curve) for name in names], 3, "curves"),
        interval_plot("intervals", [(name, 0.5, (0.4, 0.6)) for name in names], "accuracy", "accuracies"),
    ]
    for svg in drawn:
        texts = [
            html.unescape(text).lstrip("\u200b") for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)
        ]
        assert set(names) <= set(texts)


def test_long_names_lose_their_middle_and_stand_above_the_curves():
    curve = roc(np.arange(6.0), np.arange(6) % 2 == 1)
    names = [f"runs/2026-11-{day}/sphereface_plus20_casia_mhe_weight_10_seed_{day}" for day in (1, 2, 3)]

    def drawn(labels):
        svg = roc_plot("roc", [(name, curve) for name in labels], 3, "curves")
        height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg)[1])
        texts = re.findall(r'<text[^>]*y="([-\d.]+)"[^>]*>([^<]*)</text>', svg)
        return height, {html.unescape(text): float(y) for y, text in texts}

    (low, _), (high, many) = drawn(["a", "b", "c"]), drawn(names)
    for day in (1, 2, 3):
        (label,) = [text for text in many if text.endswith(f"_10_seed_{day}")]
        assert label.startswith("runs/2026-11…")
        assert len(label) == LONGEST_LABEL
    top = min(y for text, y in many.items() if text.startswith("TAR"))
    assert max(y for text, y in many.items() if text.startswith("runs")) < top
    assert high > low  # a line for each long name, one for all the short ones
