"""Rows on which atoms act, and their blocks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.multislice.row_blocks import active_rows, blocks


def test_rows_within_reach_are_active_across_the_border():
    active = active_rows(np.array([0.1, 4.0]), np.array([0.5, 0.0]), 0.25, 40)
    np.testing.assert_array_equal(np.flatnonzero(active), [0, 1, 2, 3, 16, 38, 39])


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 8))
def test_blocks_cover_every_row_once(active, most):
    found = list(blocks(np.array(active), most))
    rows = [row for part, _ in found for row in range(part.start, part.stop)]
    assert rows == list(range(len(active)))
    for part, acts in found:
        assert all(value == acts for value in active[part])
        assert part.stop - part.start <= most or not acts
