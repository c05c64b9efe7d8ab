"""Real exit waves in the padded box against a box twice as large."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from imaging_cases import CORNER, wrapping
from real_waves import scattered_wave

from exitwave.config import Microscope
from exitwave.imaging.microscope import draw_microscope


def test_the_median_draw_of_table_1_keeps_its_fringes() -> None:
    rng = np.random.default_rng(18)
    draws = [draw_microscope(Microscope(), 50.0, 3, rng) for _ in range(15)]
    differences = [wrapping(scattered_wave(), draw)[1] for draw in draws]
    assert np.median(differences) < 1e-3
    assert max(differences) < 1e-2


@pytest.mark.parametrize(
    ("sign", "astigmatism", "coma"), itertools.product((-1, 1), (0.0, 25.0), (0.0, 600.0))
)
def test_the_corners_of_table_1_keep_their_fringes(
    sign: int, astigmatism: float, coma: float
) -> None:
    """Least focal spread and blur: those at which fringes reach farthest."""
    draw = replace(
        CORNER,
        defocus=(150.0,),
        spherical_aberration=sign * CORNER.spherical_aberration,
        astigmatism=astigmatism,
        coma=coma,
    )
    assert wrapping(scattered_wave(), draw)[1] < 1e-2
