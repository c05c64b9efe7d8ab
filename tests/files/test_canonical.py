"""Equal values are equal texts."""

import math

import pytest

from exitwave.files.canonical import canonical_json


def test_equal_values_are_equal_texts():
    assert canonical_json({"b": [1, 2.5], "a": None}) == '{"a":null,"b":[1,2.5]}'
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(math.nan)
