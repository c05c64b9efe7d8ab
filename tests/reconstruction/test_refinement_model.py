"""Images, slopes and likelihoods of a refinement, against other ways to compute them."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
from spoiled_waves import ENERGY, LIMITS, PIXEL, SMEAR, series, spoiled

from exitwave.imaging.focal_series import form_intensities
from exitwave.imaging.grids import Band, Grid
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import transfer_function
from exitwave.networks.error_power import ErrorPower
from exitwave.reconstruction.preparation import resample_to
from exitwave.reconstruction.refinement.marginal import Marginal
from exitwave.reconstruction.refinement.model import COARSE, FINE, Model
from exitwave.reconstruction.refinement.optics import Unknowns, assumed_microscope
from exitwave.reconstruction.refinement.wave import fit_wave

SHARE = 0.05


@functools.cache
def model(share: float = SHARE) -> tuple[Model, np.ndarray, MicroscopeDraw]:
    rendered, draw = series()
    wave = spoiled(rendered.exit_wave, share, 1)
    found = Model(
        rendered.image, wave, rendered.sampling, draw, ErrorPower.uniform(share), SMEAR, FINE
    )
    return found, found.unknowns.vector(draw), draw


def test_the_vector_holds_the_microscope():
    _, draw = series()
    turned = replace(
        draw,
        trefoil=30.0,
        trefoil_angle=0.7,
        shift_x=(0.1, 0.0, -0.2),
        shift_y=(0.0, 0.3, 0.1),
        intensity=(1.0, 1.1, 0.9),
    )
    unknowns = Unknowns(3)
    back = unknowns.microscope(unknowns.vector(turned), draw)
    k = np.fft.fftfreq(32, 0.2)
    for defocus in draw.defocus:
        np.testing.assert_allclose(
            transfer_function(back, defocus, k[np.newaxis, :], k[:, np.newaxis]),
            transfer_function(turned, defocus, k[np.newaxis, :], k[:, np.newaxis]),
            atol=1e-5,
        )
    for name in ("defocus", "shift_x", "shift_y", "intensity"):
        np.testing.assert_allclose(getattr(back, name), getattr(turned, name))


def test_transfer_functions_are_those_of_the_images():
    found, vector, draw = model()
    moved = replace(draw, shift_x=(0.3, 0.0, 0.1), shift_y=(-0.2, 0.1, 0.0), trefoil=40.0)
    transfer = found.transfer(found.unknowns.vector(moved))
    for place, defocus in enumerate(moved.defocus):
        expected = transfer_function(moved, defocus, found.kx, found.ky) * np.exp(
            -2j * np.pi * (found.kx * moved.shift_x[place] + found.ky * moved.shift_y[place])
        )
        np.testing.assert_allclose(transfer[place], expected, atol=2e-4)
    assert vector.shape == (found.unknowns.size,)


def test_computed_images_are_those_that_imaging_forms():
    """The factory's own path: other padding, sums along one axis at a time, no disc."""
    rendered, draw = series()
    found = Model(
        rendered.image,
        rendered.exit_wave,
        rendered.sampling,
        draw,
        ErrorPower.uniform(SHARE),
        SMEAR,
        FINE,
    )
    computed = found.computed(np.zeros_like(found.wave), found.unknowns.vector(draw))
    # The smeared wave, sharpened where the model is sharp, in a box of its own.
    side = rendered.image.shape[0]
    size = computed.shape[1:]
    points = scipy.fft.next_fast_len(2 * side)
    field = np.zeros((points, points), dtype=np.complex64)
    field[:side, :side] = rendered.exit_wave - 1
    k = scipy.fft.fftfreq(points, rendered.sampling)
    square = k[np.newaxis, :] ** 2 + k[:, np.newaxis] ** 2
    inside = square <= found.highest**2
    sharp = np.where(inside, np.exp(2 * np.pi**2 * SMEAR**2 * np.minimum(square, 9)), 0)
    field = scipy.fft.ifft2(scipy.fft.fft2(field) * sharp).astype(np.complex64)
    period = points * rendered.sampling
    grid = Grid(period=period, wave_points=points, image_points=points)
    formed = form_intensities(field, draw, grid, Band(np.inf, 1), 0.0, side)
    for ours, shown in zip(computed, formed, strict=True):
        other = resample_to(shown, size)
        inner = np.s_[8:-8, 8:-8]
        contrast = np.std(other[inner])
        assert np.std((ours - other)[inner]) < 0.02 * contrast


def test_noise_has_the_variance_that_chi_square_counts_with():
    rendered, draw = series()
    found = Model(
        rendered.image,
        rendered.exit_wave,
        rendered.sampling,
        draw,
        ErrorPower.uniform(1e-8),
        SMEAR,
        FINE,
    )
    vector = found.unknowns.vector(draw)
    chi_square, _ = found.misfit(np.zeros_like(found.wave), vector, found.transfer(vector))
    assert chi_square / found.degrees == pytest.approx(1, abs=0.05)


def test_the_slope_of_the_wave_is_that_of_its_differences():
    found, vector, _ = model()
    rng = np.random.default_rng(0)
    white, step = (
        (rng.normal(size=(2, len(found.wave))).T @ [1, 1j]).astype(np.complex64) for _ in range(2)
    )
    transfer = found.transfer(vector)
    _, slope = found.misfit(white, vector, transfer)
    expected = 2 * np.sum(slope.real * step.real + slope.imag * step.imag, dtype=np.float64)
    length = np.float32(1e-2)
    up, down = (found.misfit(white + sign * length * step, vector, transfer)[0] for sign in (1, -1))
    assert (up - down) / (2 * length) == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize("share", [1e-8, SHARE])
def test_the_slope_of_the_parameters_is_that_of_the_likelihood(share):
    """All of it where the wave is known; else where the covariance changes with the gain only."""
    rendered, draw = series()
    found = Model(
        rendered.image,
        spoiled(rendered.exit_wave, SHARE, 1),
        rendered.sampling,
        draw,
        ErrorPower.uniform(share),
        SMEAR,
        COARSE,
    )
    unknowns = found.unknowns
    assumed, beliefs = assumed_microscope(LIMITS, ENERGY, 3, draw.dose, PIXEL)
    marginal = Marginal(found, replace(beliefs, trefoil=50.0, camera=0.2), unknowns.vector(assumed))
    place = unknowns.vector(draw)
    _, _, slope, curvature = marginal.expand(place)
    gains = [*range(unknowns.envelope.start, unknowns.envelope.stop), unknowns.scale]
    checked = range(unknowns.size) if share < SHARE else gains
    for name in checked:
        if name == unknowns.scale and share < SHARE:
            continue
        step = np.zeros(unknowns.size)
        step[name] = 0.3 / np.sqrt(curvature[name, name])
        up, down = marginal.objective(place + step), marginal.objective(place - step)
        expected = (up - down) / (2 * step[name]) / 2
        scale = np.sqrt(curvature[name, name])
        assert slope[name] / scale == pytest.approx(expected / scale, rel=0.05, abs=0.3)


def test_the_most_probable_wave_is_nearer_to_the_truth():
    found, vector, _ = model()
    rendered, _ = series()
    fitted = fit_wave(found, vector)
    assert fitted.at_rest
    network = found.field(found.wave)
    refined = network + found.field(found.error(fitted.white))
    size = network.shape
    truth = resample_to(rendered.exit_wave.real - 1, size) + 1j * resample_to(
        rendered.exit_wave.imag, size
    )
    before, after = (np.sqrt(np.mean(np.abs(each - truth) ** 2)) for each in (network, refined))
    assert after < 0.8 * before
    assert fitted.misfit == pytest.approx(1, abs=0.1)
