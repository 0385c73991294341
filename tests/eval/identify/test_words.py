"""What the terminal and the pages say of an identification."""

from eval.identify.words import title_of


def test_what_the_probes_are_called_by_is_left_out_where_it_is_the_models_name():
    report = {"title": "Identification on probes", "model": {"label": "dlib"}}
    assert title_of(report) == "Identification on probes"
    assert title_of(report | {"title": "Identification on dlib"}) == "Identification"
