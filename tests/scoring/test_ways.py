"""What the ways of a comparison take for known of a series; `tests/stages/test_compare.py` has the
waves."""

import math

import numpy as np
import pytest

from exitwave.config import Microscope
from exitwave.imaging.microscope import draw_microscope
from exitwave.reconstruction.refinement.optics import Beliefs, Unknowns, assumed_microscope
from exitwave.scoring.examples import WAYS
from exitwave.scoring.ways import _assumed, _of_all_images

FEW = [0, 5, 10]
LIMITS = Microscope(
    defocus_step_error_angstrom=2.0, misregistration_angstrom=0.1, intensity_error_share=0.02
)


@pytest.fixture
def true():
    return draw_microscope(LIMITS, 50.0, 11, np.random.default_rng(2))


def test_only_energy_dose_and_camera_are_known_and_the_steps_of_the_few_images(true):
    assumed, beliefs = _assumed(true, LIMITS, FEW)
    assert np.diff(assumed.defocus) == pytest.approx([50.0, 50.0])
    assert (assumed.dose, assumed.energy_kev) == (true.dose, true.energy_kev)
    assert (assumed.mtf_c1, assumed.mtf_c2, assumed.mtf_c3) == (
        true.mtf_c1,
        true.mtf_c2,
        true.mtf_c3,
    )
    assert (assumed.astigmatism, assumed.coma) == (0.0, 0.0)
    # Five steps are off by more than one, and by less than five alike.
    each = assumed_microscope(LIMITS, 50.0, 11, true.dose, true.sampling)[1].defocus_step
    assert beliefs.defocus_step == pytest.approx(each * math.sqrt(5))
    assert _assumed(true, LIMITS, range(11))[1].defocus_step == pytest.approx(each)


def test_between_the_fitted_images_the_defocus_changes_evenly(true):
    fitted = true.of_frames(FEW)
    whole = _of_all_images(fitted, FEW, 11)
    assert [whole.defocus[frame] for frame in FEW] == pytest.approx(fitted.defocus)
    steps = np.diff(whole.defocus)
    assert steps[:5] == pytest.approx([steps[0]] * 5)
    assert steps[5:] == pytest.approx([steps[5]] * 5)
    assert (whole.shift_x, whole.shift_y, whole.intensity) == ((), (), ())
    assert whole.spherical_aberration == fitted.spherical_aberration


@pytest.mark.parametrize("images", [2, 3, 11])
def test_a_microscope_that_is_known_can_be_believed(images):
    covariance = Beliefs().covariance(Unknowns(images))
    free = np.diag(covariance) > 0
    assert np.count_nonzero(free) == 2 * images + 1
    assert np.isfinite(np.linalg.inv(covariance[np.ix_(free, free)])).all()


def test_no_two_ways_are_called_the_same():
    assert len({(way.label, way.all_images) for way in WAYS.values()}) == len(WAYS)
