"""What the configuration and the rooms that compute both have to know."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exitwave.config.constraints import evenly_spaced, size_factor


@given(st.integers(2, 10), st.integers(1, 6))
def test_images_at_even_distances(taken, distance):
    images = (taken - 1) * distance + 1
    frames = evenly_spaced(images, taken)
    assert (len(frames), frames[0], frames[-1]) == (taken, 0, images - 1)
    assert {after - before for before, after in itertools.pairwise(frames)} == {distance}


@pytest.mark.parametrize(("images", "taken"), [(11, 4), (11, 1), (3, 6), (1, 2), (1, 1)])
def test_images_that_cannot_be_taken_at_even_distances(images, taken):
    with pytest.raises(ValueError, match="cannot be taken at even distances"):
        evenly_spaced(images, taken)


def test_the_side_is_halved_from_level_to_level():
    assert [size_factor(range(levels)) for levels in (1, 2, 4)] == [1, 2, 8]
