"""A spoiled wave is refined by its images, which tell the microscope, too."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from spoiled_waves import ENERGY, LIMITS, PIXEL, SMEAR, series, spoiled

from exitwave.errors import ExitwaveError
from exitwave.imaging.detector import mtf
from exitwave.networks.calibration import Calibration
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.refinement import measured
from exitwave.reconstruction.refinement.camera_noise import camera_of_noise
from exitwave.reconstruction.refinement.known import KnownOptics
from exitwave.reconstruction.refinement.measured import (
    MeasuredImages,
    refine_measured,
    summary,
)
from exitwave.reconstruction.refinement.optics import Beliefs, Unknowns, assumed_microscope
from exitwave.reconstruction.refinement.refine import Refinement, refine
from exitwave.reconstruction.refinement.verdict import verdict
from exitwave.reconstruction.registration import shifted

SHARE = 0.05
POWER = ErrorPower.uniform(SHARE)
CALIBRATION = Calibration(
    POWER, 40, 0.0, 0.3, {"defocus": 1.0}, limits=LIMITS, smear_angstrom=SMEAR
)


def rmse(wave, truth):
    return float(np.sqrt(np.mean(np.abs(wave - truth) ** 2)))


@functools.cache
def refined(share: float = SHARE, all_known: bool = False) -> Refinement:
    rendered, draw = series()
    assumed, beliefs = assumed_microscope(LIMITS, ENERGY, 3, draw.dose, rendered.sampling)
    assumed = replace(assumed, mtf_c1=draw.mtf_c1, mtf_c2=draw.mtf_c2, mtf_c3=draw.mtf_c3)
    if all_known:
        assumed, beliefs = draw, Beliefs()
    wave = spoiled(rendered.exit_wave, share, 1)
    return refine(rendered.image, wave, rendered.sampling, assumed, beliefs, POWER, SMEAR)


def off(found: Refinement) -> np.ndarray:
    """How far the fitted parameters are off."""
    unknowns = Unknowns(3)
    return unknowns.vector(found.microscope) - unknowns.vector(series()[1])


def test_the_microscope_is_found_from_nothing():
    found = refined()
    away, unknowns = off(found), Unknowns(3)
    assert np.abs(away[unknowns.defocus]).max() < 3
    c12_a, c12_b, cs, c21_a, c21_b, *_ = away[unknowns.common]
    assert np.hypot(c12_a, c12_b) < 2
    assert abs(cs) < 5e3
    assert np.hypot(c21_a, c21_b) < 100
    assert found.at_rest
    assert found.misfit == pytest.approx(1, abs=6 * found.misfit_deviation + 0.03)
    assert 0 < found.errors["defocus"] < 2
    assert found.errors["trefoil"] == 0


@pytest.mark.parametrize("all_known", [False, True])
def test_the_wave_is_nearer_to_the_truth(all_known):
    rendered, _ = series()
    before = rmse(spoiled(rendered.exit_wave, SHARE, 1), rendered.exit_wave)
    after = rmse(refined(all_known=all_known).wave, rendered.exit_wave)
    assert after < (0.75 if all_known else 0.9) * before


def test_the_scale_is_how_much_more_the_network_is_off():
    assert refined().scale == pytest.approx(1, abs=0.3)
    assert refined(share=4 * SHARE).scale == pytest.approx(2, abs=0.6)


def test_residuals_are_noise():
    found = refined()
    assert found.residual.shape == found.measured.shape == found.computed.shape
    inner = found.residual[12:-12, 12:-12]
    # Frequencies that the camera hides are left out of them.
    assert 0.3 < np.std(inner) < 1.2


def test_the_verdict_knows_a_network_that_is_off():
    good, bad = verdict(refined(), CALIBRATION), verdict(refined(share=9 * SHARE), CALIBRATION)
    assert good.is_consistent
    assert good.sentence.startswith("Consistent: ")
    assert not bad.is_consistent
    assert bad.sentence.startswith("Not to be believed: the network is off by ")
    # Of this calibration one in twenty exceeds exp(1.645 * 0.3).
    assert CALIBRATION.largest_scale == pytest.approx(1.64, abs=0.01)


def test_the_camera_is_told_by_the_noise():
    limits = LIMITS.model_copy(update={"sampling_angstrom": (0.105, 0.105)})
    rendered, draw = series(7, limits, 176)
    images = rendered.image / rendered.image.mean(axis=(0, 1))
    found = camera_of_noise(images, rendered.sampling, limits, draw.dose)
    assert found is not None
    frequency = np.linspace(0.3, 2.5, 12)
    told, true = (
        mtf(frequency, rendered.sampling, each.mtf_c1, each.mtf_c2, each.mtf_c3, "nyquist")
        for each in (found, draw)
    )
    assert np.abs(told - true).max() < 0.12
    assert found.excess < 1.1
    # Of so many electrons there would be less noise.
    more = camera_of_noise(images, rendered.sampling, limits, 100 * draw.dose)
    assert more is not None
    assert more.excess > 3


def test_coarse_pixels_hide_the_noise():
    rendered, draw = series()
    coarse = rendered.image[::2, ::2]
    assert camera_of_noise(coarse, 2 * rendered.sampling, LIMITS, draw.dose) is None


def test_a_measured_series_is_moved_until_it_stands_still():
    rendered, draw = series()
    drift = np.array([[-0.8, 1.4], [0.0, 0.0], [1.1, 0.6]])
    images = np.stack(
        [shifted(rendered.image[..., place], -drift[place]) for place in range(3)], axis=-1
    )
    series_ = MeasuredImages(
        images=250.0 * images,
        pixel=rendered.sampling,
        energy=ENERGY,
        defocus=tuple(np.array(draw.defocus) - draw.defocus[0]),
        is_absolute=False,
        dose=draw.dose,
    )
    known = KnownOptics(
        spherical_aberration_micrometre=draw.spherical_aberration / 1e4,
        astigmatism_angstrom=(draw.astigmatism, float(np.degrees(draw.astigmatism_angle) % 180)),
    )
    limits = LIMITS.model_copy(update={"misregistration_angstrom": 0.3})
    found = refine_measured(
        series_,
        # It sees the same specimen, whatever lies where.
        lambda _: spoiled(rendered.exit_wave, SHARE, 1),
        replace(CALIBRATION, limits=limits),
        known,
    )
    microscope = found.refinement.microscope
    assert microscope.spherical_aberration == pytest.approx(draw.spherical_aberration)
    assert found.error_bars["spherical_aberration"] == 0
    assert np.abs(np.array(microscope.defocus) - draw.defocus).max() < 4
    assert "moved back by (y, x) (-0." in found.notes[-3]
    inner = np.s_[8:-8, 8:-8]
    for place in (0, 2):
        back = found.images[..., place] / found.images[..., place].mean()
        whole = rendered.image[..., place] / rendered.image[..., place].mean()
        assert np.corrcoef(back[inner].ravel(), whole[inner].ravel())[0, 1] > 0.97
    assert found.verdict.is_consistent, found.verdict.sentence
    assert summary(found)["consistent"] is True


def drifted(**changes) -> MeasuredImages:
    rendered, draw = series()
    images = np.roll(rendered.image, (0, 3), (0, 1))
    images[..., 1] = rendered.image[..., 1]
    values = {
        "images": images,
        "pixel": rendered.sampling,
        "energy": ENERGY,
        "defocus": draw.defocus,
        "is_absolute": True,
        "dose": draw.dose,
    }
    return MeasuredImages(**values | changes)


def test_images_that_come_to_no_rest_are_those_of_the_fit(monkeypatch):
    monkeypatch.setattr(measured, "_TURNS", 1)
    rendered, draw = series()
    known = KnownOptics(
        defocus=True, spherical_aberration_micrometre=draw.spherical_aberration / 1e4
    )
    given = drifted()
    seen = []

    def predict(images):
        seen.append(images)
        return spoiled(rendered.exit_wave, SHARE, 1)

    calibration = replace(CALIBRATION, scale_limit=1e9)
    found = refine_measured(given, predict, calibration, known)
    np.testing.assert_array_equal(found.images, seen[-1])
    assert "did not come to rest on each other" in found.doubts[-1]


def test_defoci_of_which_the_steps_are_known_cannot_be_exact():
    rendered, _ = series()
    with pytest.raises(ExitwaveError, match="cannot be taken as exact"):
        refine_measured(
            drifted(is_absolute=False),
            lambda _: rendered.exit_wave,
            CALIBRATION,
            KnownOptics(defocus=True),
        )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"spherical_aberration_micrometre": np.nan}, "--cs-micrometre is nan"),
        ({"coma_angstrom": (-1.0, 0.0)}, "--coma-angstrom is -1"),
        ({"trefoil_angstrom": (1.0, 1000.0)}, "the angle of --trefoil-angstrom is 1000"),
        ({"blur_angstrom": 100.0}, "--blur-angstrom is 100"),
    ],
)
def test_numbers_that_no_microscope_has(given, sentence):
    with pytest.raises(ExitwaveError, match=sentence):
        KnownOptics(**given)


def test_a_file_that_holds_no_curve(tmp_path):
    path = tmp_path / "camera.csv"
    path.write_text("nothing\n")
    with pytest.raises(ExitwaveError, match=r"--mtf-file .*camera\.csv"):
        KnownOptics(mtf_file=str(path)).curve()


def test_what_is_known_is_not_fitted():
    assumed, beliefs = assumed_microscope(LIMITS, ENERGY, 3, 1e4, PIXEL)
    known = KnownOptics(
        defocus=True, coma_angstrom=(100.0, 90.0), focal_spread_angstrom=8.0, blur_angstrom=1.0
    )
    taken, left = known.applied(assumed, beliefs)
    assert (taken.coma, taken.coma_angle) == (100.0, pytest.approx(np.pi / 2))
    assert taken.focal_spread == 8
    free, unknowns = left.free(Unknowns(3)), Unknowns(3)
    assert not free[unknowns.defocus].any()
    assert not free[unknowns.envelope].any()
    assert list(free[unknowns.common]) == [True, True, True, False, False, False, False]
