"""Images are registered by the wave that they belong to, where correlation cannot do it."""

import functools

import numpy as np
import pytest

from exitwave.config import Microscope, Multislice, Structure
from exitwave.imaging.focal_series import render_series
from exitwave.imaging.microscope import draw_microscope
from exitwave.materials.material import read_materials
from exitwave.multislice.exit_wave import exit_wave
from exitwave.reconstruction import registration
from exitwave.reconstruction.registration import fit_optics, register, shifted
from exitwave.specimens.build import build_specimen

PIXEL, SMEAR, ENERGY = 0.2, 0.2, 80.0
STRUCTURE = Structure(box_angstrom=25.6, flake_radius_angstrom=(8.0, 9.0))
LIMITS = Microscope(
    sampling_angstrom=PIXEL,
    dose_log10_per_square_angstrom=4.5,
    spherical_aberration_micrometre=(4.0, 10.0),
)
# Of the content of each image, along y and x [pixel].
DRIFT = np.array([[-1.7, 2.4], [0.0, 0.0], [3.1, 0.6]])


@functools.cache
def series():
    """A drifting series of MoS2: images (y, x, frame), the true wave, and the microscope."""
    (material,), _, _ = read_materials("monolayers", "name=2H-MoS2")
    specimen = build_specimen(material, STRUCTURE, 1, "registration", 0)
    wave = exit_wave(specimen, Multislice(energy_kev=ENERGY, sampling_angstrom=0.08))
    rng = np.random.default_rng(3)
    draw = draw_microscope(LIMITS, ENERGY, 3, rng)
    rendered = render_series(wave, specimen.box / len(wave), draw, 120, SMEAR, 1e-3, rng)
    frames = [shifted(rendered.image[..., frame], -drift) for frame, drift in enumerate(DRIFT)]
    return np.stack(frames, axis=-1), rendered.exit_wave, draw, rendered.sampling


def test_a_shift_moves_what_is_seen_and_back_again():
    y, x = np.mgrid[:60, :70]
    image = np.exp(-((y - 30.0) ** 2 + (x - 20.0) ** 2) / 18)
    moved = shifted(image, (-3.0, 5.0))
    assert np.unravel_index(np.argmax(moved), moved.shape) == (33, 15)
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(shifted(moved, (3.0, -5.0))[inner], image[inner], atol=1e-4)
    half = shifted(image, (0.5, 0.0))
    np.testing.assert_allclose(half, np.exp(-((y - 29.5) ** 2 + (x - 20.0) ** 2) / 18), atol=1e-4)


@functools.cache
def fitted():
    """What is fitted to the series from its true wave; the display's defocus is off by 12 Å."""
    images, wave, draw, sampling = series()
    nominal = np.array(draw.defocus) + 12.0
    return fit_optics(wave, images, sampling, ENERGY, nominal, SMEAR)


def test_shifts_and_aberrations_are_found_from_the_wave():
    _, _, draw, sampling = series()
    found = fitted()
    assert np.abs(found.shifts / sampling - DRIFT).max() < 0.1
    microscope = found.microscope
    assert np.abs(np.array(microscope.defocus) - draw.defocus).max() < 2
    assert microscope.spherical_aberration == pytest.approx(draw.spherical_aberration, abs=1e4)
    for name in ("astigmatism", "coma"):
        order = 2 if name == "astigmatism" else 1
        vectors = [
            getattr(each, name) * np.exp(1j * order * getattr(each, f"{name}_angle"))
            for each in (microscope, draw)
        ]
        assert abs(vectors[0] - vectors[1]) < {"astigmatism": 2, "coma": 60}[name]
    assert found.misfit < 0.3


def test_a_wave_that_lies_elsewhere_moves_no_image_against_another():
    """A network puts the wave of images that do not lie on each other somewhere between them."""
    images, wave, draw, sampling = series()
    by = (-1.2, 0.9)
    elsewhere = 1 + shifted(wave.real - 1, by) + 1j * shifted(wave.imag, by)
    nominal = np.array(draw.defocus) + 12.0
    found = fit_optics(elsewhere, images, sampling, ENERGY, nominal, SMEAR, start=fitted())
    assert np.all(found.shifts[1] == 0)
    assert np.abs(found.shifts / sampling - DRIFT).max() < 0.1


@pytest.mark.parametrize(
    ("spot", "expected"),
    [((50, 60), (30, 40)), ((8, 110), (0, 80)), ((70, 20), (60, 0))],
)
def test_the_part_that_is_fitted_is_where_the_specimen_is(spot, expected):
    power = np.full((100, 120), 0.01)
    power[spot[0] - 5 : spot[0] + 5, spot[1] - 5 : spot[1] + 5] = 1.0
    rows, columns = registration.place_with_most(power, 40)
    assert rows.start <= spot[0] - 5
    assert spot[0] + 5 <= rows.stop <= 100
    assert columns.start <= spot[1] - 5
    assert spot[1] + 5 <= columns.stop <= 120
    assert abs(rows.start - expected[0]) <= 30
    assert abs(columns.start - expected[1]) <= 30
    even = registration.place_with_most(np.ones((100, 120)), 40)
    assert even == (slice(30, 70), slice(40, 80))
    assert registration.place_with_most(np.ones((30, 20)), 40) == (slice(0, 30), slice(0, 20))


def test_network_and_fit_in_turn_come_to_rest():
    """A network for which the wave lies in the middle of what it is given."""
    images, wave, draw, sampling = series()
    seen = []

    def predict(part):
        # As far as the images are from each other, a network's wave is blurred.
        blur = np.mean(
            [shifted(wave.real, (0, by)) + 1j * shifted(wave.imag, (0, by)) for by in (-0.5, 0.5)],
            axis=0,
        )
        seen.append(part)
        return blur if len(seen) == 1 else wave

    found = register(images, predict, sampling, ENERGY, draw.defocus, SMEAR)
    assert found.at_rest
    assert np.abs(found.optics.shifts / sampling - DRIFT).max() < 0.1
    assert np.array_equal(seen[0], images)
    expected = np.stack(
        [shifted(images[..., frame], drift) for frame, drift in enumerate(DRIFT)], axis=-1
    )
    assert np.abs(found.images - expected)[8:-8, 8:-8].max() < 0.1


@pytest.mark.parametrize(
    ("misfits", "moves", "best", "turns", "at_rest"),
    [
        ([0.5, 0.37, 0.372, 0.38, 0.4], 1.0, 1, 4, True),
        ([0.5, 0.4, 0.4], 0.0, 0, 1, True),
        ([1.0 - 0.01 * turn for turn in range(20)], 1.0, 11, 12, False),
    ],
    ids=["agrees less and less", "nothing moves", "goes on and on"],
)
def test_the_turn_that_agrees_best_counts(monkeypatch, misfits, moves, best, turns, at_rest):
    """Only what the fits find is given here; the turns are those of a registration."""
    optics = [
        registration.Optics(np.array([[0.0, 0.0], [0.0, moves * (turn + 1)]]), None, misfit, None)
        for turn, misfit in enumerate(misfits)
    ]
    done = iter(optics)
    monkeypatch.setattr(registration, "fit_optics", lambda *_: next(done))
    images = 100 + np.random.default_rng(1).normal(size=(24, 24, 2))
    found = register(images, lambda part: part[..., 0], PIXEL, ENERGY, (0.0, 50.0), SMEAR)
    assert found.optics is optics[best]
    assert found.at_rest is at_rest
    assert next(done, None) is (optics[turns] if turns < len(optics) else None)
    expected = shifted(images[..., 1], optics[best].shifts[1] / PIXEL)
    np.testing.assert_allclose(found.images[..., 1], expected)
