"""The shares of atoms in planes: their moments, and the planes that are left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exitwave.multislice.atom_planes import mean_variance, shared_among_planes

HEIGHTS = st.lists(st.floats(0.01, 20.0), min_size=1, max_size=8)


def shares(heights, distance, mean_distance):
    """Heights of the planes and the weights [atom, plane]."""
    planes = shared_among_planes(np.asarray(heights), distance, mean_distance)
    weights = np.zeros((len(heights), len(planes)))
    for number, plane in enumerate(planes):
        weights[plane.atoms, number] = plane.weights
    return np.array([plane.height for plane in planes]), weights


@settings(deadline=None)
@given(HEIGHTS, st.floats(0.25, 1.0))
def test_the_moments_are_those_of_an_atom(heights, distance):
    heights = [0.0, *heights]
    places, weights = shares(heights, distance, 0.12)
    offsets = places - np.array(heights)[:, None]
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((weights * offsets).sum(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose((weights * offsets**3).sum(axis=1), 0, atol=1e-5)
    apart = np.abs(places[:, None] - places)
    found = np.einsum("ni,ij,nj->n", weights, apart, weights)
    np.testing.assert_allclose(found, 0.12, atol=1e-6)


@settings(deadline=None)
@given(HEIGHTS, st.floats(0.25, 1.0))
def test_planes_descend_at_multiples_of_their_distance(heights, distance):
    places, weights = shares([0.0, *heights], distance, 0.12)
    assert np.all(np.diff(places) < 0)
    np.testing.assert_allclose(places / distance, np.round(places / distance), atol=1e-9)
    assert np.all(np.any(weights != 0, axis=0))


def test_planes_without_atoms_are_left_out():
    places, _ = shares([0.0, 8.0], 0.4, 0.12)
    np.testing.assert_allclose(places, [8.4, 8.0, 7.6, 0.4, 0.0, -0.4])


def test_the_mean_variance_is_that_of_the_shares():
    distance = 0.4
    heights = 4.0 + distance * (np.arange(100) + 0.5) / 100
    places, weights = shares([0.0, *heights], distance, 0.12)
    variances = np.sum(weights[1:] * (places - heights[:, None]) ** 2, axis=1)
    assert mean_variance(distance, 0.12) == pytest.approx(variances.mean(), rel=1e-3)
