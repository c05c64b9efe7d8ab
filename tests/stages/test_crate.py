"""Mistakes around the RO-Crate; the crate itself is looked at in tests/pipeline/test_demo.py."""

import pytest

from exitwave.errors import ExitwaveError
from exitwave.stages.crate import METADATA, write_crate


@pytest.mark.parametrize(
    ("configuration", "name", "expected"),
    [
        ("{}", "crate.json", "is found by the name of its file"),
        ("{", METADATA, "is no JSON"),
        ("{}", METADATA, "holds no results to describe; run snakemake first"),
    ],
)
def test_mistakes_are_told(tmp_path, configuration, name, expected):
    with pytest.raises(ExitwaveError, match=expected):
        write_crate(configuration, tmp_path / name, tmp_path)
    assert list(tmp_path.iterdir()) == []
