import pytest

from tests.eval.study.known import rows_in


@pytest.fixture
def kept(tmp_path):
    return rows_in(tmp_path)
