"""A page escapes what it is given, and holds its pictures in itself."""

import base64

import cv2
import numpy as np
import pytest
from jinja2 import UndefinedError

from sphereface_plus.pages import data_uri, render


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "small.html.j2"
    path.write_text(
        '{% extends "page.html.j2" %}\n{% block title %}{{ name }}{% endblock %}\n'
        '{% block body %}\n<p>{{ 1200 | count }} {{ 2 | counted("photo") }} {{ 0.5 | percent }}</p>\n'
        "{% endblock %}\n"
    )
    return path


def test_a_page_is_escaped_and_allows_nothing_from_outside(template):
    page = render(template, name="<b>Ann & Bob</b>")
    assert "<title>&lt;b&gt;Ann &amp; Bob&lt;/b&gt;</title>" in page
    assert "<body>\n<p>1,200 2 photos 50.00 %</p>\n</body>" in page
    assert "default-src 'none'; img-src data:" in page
    assert "{%" not in page


def test_a_value_that_a_template_lacks_is_an_error_and_not_an_empty_place(template):
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        render(template)


@pytest.mark.parametrize(("height", "shape"), [(None, (20, 10, 3)), (40, (40, 20, 3)), (10, (10, 5, 3))])
def test_a_picture_keeps_its_colours_and_proportions(height, shape):
    red = np.zeros((20, 10, 3), np.uint8)
    red[..., 0] = 200
    kind, _, data = data_uri(red, quality=95, height=height).partition(",")
    assert kind == "data:image/jpeg;base64"
    read = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert read.shape == shape
    assert np.abs(read[..., ::-1].astype(int) - (200, 0, 0)).max() <= 4
