"""What tests on a Dask cluster share. SPHEREFACE_CLUSTER names a folder with `distributed`."""

import os

import pytest
from click.testing import CliRunner

from tests.data_prep.small_crops import files

CLUSTER = os.environ.get("SPHEREFACE_CLUSTER")
needs_dask = pytest.mark.skipif(
    CLUSTER is None, reason="SPHEREFACE_CLUSTER names no folder with Dask's distributed"
)


def call(main, *words, code=0):
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


def without_offsets(folder):
    return {name: data for name, data in files(folder).items() if not name.endswith(".index")}
