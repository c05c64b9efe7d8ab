"""Long focal series of few electrons are reconstructed without a network, drift and all."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from drifting_atoms import FRAMES, NOMINAL, PIXEL, SIZE_PX, series

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import aberration_phase, transfer_function
from exitwave.multislice.electrons import electron_wavelength
from exitwave.reconstruction.refinement import classical
from exitwave.reconstruction.refinement.classical import FittedSeries, fit_series, held_out
from exitwave.reconstruction.refinement.joint import SeriesBeliefs
from exitwave.reconstruction.refinement.model import Grid
from exitwave.reconstruction.refinement.series import Coherence, SeriesModel, source_envelope

EXACT = SeriesBeliefs(defocus=0.0, shift=0.0, intensity=0.0)


@functools.cache
def fitted() -> FittedSeries:
    return fit_series(
        series().counts,
        PIXEL,
        NOMINAL,
        Coherence(),
        SeriesBeliefs(defocus=30.0),
        held_out(FRAMES, 2),
    )


def test_drift_brightness_and_errors_of_the_defocus_are_found():
    found, true = fitted(), series().microscope
    kept = list(found.fitted)
    middle = kept[len(kept) // 2]
    for place, exact in (
        (found.microscope.shift_x, true.shift_x),
        (found.microscope.shift_y, true.shift_y),
    ):
        np.testing.assert_allclose(place, np.array(exact) - exact[middle], atol=0.25 * PIXEL)
    brightness, exact = (np.array(each.intensity) for each in (found.microscope, true))
    np.testing.assert_allclose(brightness / brightness.mean(), exact / exact.mean(), atol=0.01)
    before = np.array(NOMINAL.defocus) - true.defocus
    after = np.array(found.microscope.defocus) - true.defocus
    assert np.std(after[kept]) < 0.5 * np.std(before[kept])
    assert found.at_rest
    assert found.misfit == pytest.approx(1, abs=0.15)


def test_frames_held_out_are_predicted_better_than_by_their_neighbours():
    assert [held.frame for held in fitted().held] == [4, 7]
    for held in fitted().held:
        assert held.wave.unexplained < 0.6 * held.neighbours.unexplained
        assert held.wave.correlation > held.neighbours.correlation + 0.1
        assert held.wave.misfit < held.neighbours.misfit - 0.3


def wave_of_roots(relative: np.ndarray, true: MicroscopeDraw) -> np.ndarray:
    """Gerchberg and Saxton's way: in each image's plane the wave takes the root of the counts."""
    k = np.fft.fftfreq(SIZE_PX, PIXEL)
    kx, ky = k[np.newaxis, :], k[:, np.newaxis]
    lenses = [
        transfer_function(true, true.defocus[frame], kx, ky)
        * np.exp(-2j * np.pi * (kx * true.shift_x[frame] + ky * true.shift_y[frame]))
        for frame in range(FRAMES)
    ]
    wave = np.ones((SIZE_PX, SIZE_PX), dtype=complex)
    for _ in range(20):
        waves = []
        for frame, lens in enumerate(lenses):
            carried = np.fft.ifft2(np.fft.fft2(wave) * lens)
            carried *= np.sqrt(relative[..., frame]) / np.abs(carried)
            waves.append(np.fft.ifft2(np.fft.fft2(carried) * np.conj(lens)))
        wave = np.mean(waves, axis=0)
    return wave


def test_the_wave_of_few_electrons_is_not_too_dark():
    """The root of 2 counts is low by some 8 % in the mean, and so is a wave made of such roots."""
    of = series(2.0)
    relative = of.counts / of.counts.mean()
    true = replace(of.microscope, intensity=tuple(relative.mean(axis=(0, 1)).tolist()))
    # The edges, where fringes are cut off, count less in one than in the other.
    inner = np.s_[16:-16, 16:-16]
    found = fit_series(of.counts, PIXEL, true, Coherence(), EXACT).wave[inner].mean()
    roots = wave_of_roots(relative, true)[inner].mean()
    truth = abs(of.wave[inner].mean())
    assert abs(found) == pytest.approx(truth, abs=0.02)
    assert abs(roots) < truth - 0.04


def test_the_envelope_of_the_source_is_a_mean_over_its_tilts():
    """A grating's contrast, over the beams of a source whose current falls as exp(-(β/θ)²)."""
    draw, convergence, defocus = NOMINAL, 0.5, 2500.0
    wavelength = electron_wavelength(draw.energy_kev)
    width = 1e-3 * convergence / wavelength
    places, weights = np.polynomial.hermite.hermgauss(40)
    beams = width * places
    weight = np.outer(weights, weights) / np.pi
    kx, ky = beams[np.newaxis, :], beams[:, np.newaxis]

    def lens(x, y):
        return np.exp(-1j * aberration_phase(draw, defocus, np.asarray(x), np.asarray(y)))

    none = np.zeros(1)
    for k in (0.2, 0.3, 0.4):
        contrast = lens(kx + k, ky) * np.conj(lens(kx, ky)) - lens(kx, ky) * np.conj(
            lens(kx - k, ky)
        )
        direct = complex(lens(k, 0.0) - np.conj(lens(-k, 0.0)))
        envelope = source_envelope(draw, defocus, np.array([k]), none, convergence)[0]
        assert np.sum(weight * contrast) == pytest.approx(direct * envelope, abs=0.03)
        assert envelope < 0.95


def small_model(foci: int, spread: float = 60.0) -> SeriesModel:
    draw = replace(NOMINAL, focal_spread=spread, defocus=NOMINAL.defocus[:3])
    part = series().counts[:64, :64, :3]
    model = SeriesModel(
        part / part.mean(), PIXEL, draw, Coherence(0.05, foci), Grid(PIXEL, 1.0), 10.0
    )
    model.assume_power(model.unknowns.vector(draw))
    return model


def some_wave(model: SeriesModel, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(2, len(model.disc)))
    return (white[0] + 1j * white[1]).astype(np.complex64)


def test_a_few_foci_are_the_mean_over_all():
    few, one = small_model(7), small_model(1, 0.0)
    few.real = few.imag = one.real
    white = some_wave(one, 1)
    vector = few.unknowns.vector(few.microscope)
    offsets = np.linspace(-180, 180, 121)
    weights = np.exp(-((offsets / 60.0) ** 2))
    weights /= weights.sum()
    mean = 0.0
    for offset, weight in zip(offsets, weights, strict=True):
        moved = one.unknowns.vector(one.microscope)
        moved[one.unknowns.defocus] += offset
        # The source's envelope is that at the mean focus in both.
        transfer = super(SeriesModel, one).transfer(moved) * one._source(vector, one.kx, one.ky)
        scattered = one.error(white)
        mean = mean + weight * np.stack([one.image(scattered, each) for each in transfer])
    np.testing.assert_allclose(few.computed(white, vector), mean, atol=0.02 * np.std(mean))


@pytest.mark.parametrize("foci", [1, 3])
def test_the_slope_of_the_misfit_is_its_derivative(foci):
    model = small_model(foci)
    vector = model.unknowns.vector(model.microscope)
    transfer = model.transfer(vector)
    white, way = some_wave(model, 2), some_wave(model, 3)
    slope = model.misfit(white, vector, transfer)[1]
    step = np.float32(1e-2)
    ahead, behind = (
        model.misfit(white + sign * step * way, vector, transfer)[0] for sign in (1, -1)
    )
    expected = 2 * np.sum((np.conj(slope) * way).real)
    assert (ahead - behind) / (2 * step) == pytest.approx(expected, rel=0.01)


def test_changes_are_derivatives_of_the_image():
    model = small_model(3)
    white = some_wave(model, 4)
    vector = model.unknowns.vector(model.microscope)
    scattered = model.error(white)
    image, changes = model.changes(scattered, model.transfer(vector)[1], 1.0)
    np.testing.assert_allclose(image, model.computed(white, vector)[1], rtol=1e-5)
    for place, name in enumerate(("defocus", "shift_x", "shift_y", "intensity")):
        step = {"defocus": 2.0, "intensity": 0.1}.get(name, 0.02)
        computed = []
        for sign in (1, -1):
            moved = vector.copy()
            moved[getattr(model.unknowns, name).start + 1] += sign * step
            computed.append(model.computed(white, moved)[1])
        expected = (computed[0] - computed[1]) / (2 * step)
        # The envelope of the source is taken as fixed.
        np.testing.assert_allclose(changes[place], expected, atol=0.05 * np.std(expected))


def test_what_is_exact_is_not_fitted():
    draw = replace(NOMINAL, defocus=NOMINAL.defocus[3:8])
    found = fit_series(series().counts[..., 3:8], PIXEL, draw, Coherence(), EXACT)
    assert found.microscope.defocus == draw.defocus
    assert set(found.microscope.shift_x) == {0.0}
    assert set(found.microscope.intensity) == {1.0}
    assert found.deviations == {"defocus": 0.0, "shift": 0.0, "intensity": 0.0}


def test_of_large_fields_a_part_tells_the_parameters(monkeypatch):
    frames = slice(2, 9)
    draw = replace(NOMINAL, defocus=NOMINAL.defocus[frames])
    waves, shifts = [], []
    for field in (classical._FIELD, 24.0):
        monkeypatch.setattr(classical, "_FIELD", field)
        beliefs = replace(EXACT, shift=1.0)
        found = fit_series(
            series().counts[:, 4:, frames], PIXEL, draw, Coherence(), beliefs, align=False
        )
        waves.append(found.wave)
        shifts.append(found.microscope.shift_x)
    assert waves[0].shape == (96, 92)
    np.testing.assert_allclose(shifts[1], shifts[0], atol=0.2 * PIXEL)
    assert np.mean(np.abs(waves[1] - waves[0]) ** 2) < 0.05 * np.mean(np.abs(waves[0] - 1) ** 2)


def test_frames_held_out_are_spread_and_have_neighbours():
    assert held_out(30, 4) == (6, 12, 17, 23)
    assert held_out(5, 1) == (2,)
    assert held_out(3, 0) == ()
    for frames, count in ((30, 15), (4, 2), (8, -1)):
        with pytest.raises(ExitwaveError, match="--hold-out"):
            held_out(frames, count)


def test_series_that_do_not_determine_a_wave_are_refused():
    draw, seen = NOMINAL, series().counts

    def refused(match, frames=seen, like=draw, convergence=0.0):
        with pytest.raises(ExitwaveError, match=match):
            fit_series(frames, PIXEL, like, Coherence(convergence), EXACT)

    two = replace(draw, defocus=draw.defocus[:2])
    refused("2 frame", seen[..., :2], two)
    refused("12 frames and 2 defoci", like=two)
    refused("one defocus", like=replace(draw, defocus=(100.0,) * FRAMES))
    refused("too small", seen[:20])
    refused("not finite", np.where(seen == seen.max(), np.nan, seen))
    refused("above 0", like=replace(draw, dose=0.0))
    refused("--convergence-mrad", convergence=-1.0)
