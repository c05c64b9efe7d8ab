"""Images of an edge and of a point: signs and angles, against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_cases import BOX, PERFECT, WAVE_SAMPLING, WHOLE_BAND, gaussian_packet
from numpy.typing import NDArray
from scipy import special

from exitwave.imaging.focal_series import form_intensities
from exitwave.imaging.grids import Grid, choose_grid
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.imaging.transfer import electron_wavelength

POINTS = round(BOX / WAVE_SAMPLING)
WAVELENGTH = electron_wavelength(50.0)
# The strip that stands for two edges, and the Gaussian by which they are rounded [Å].
LEFT, RIGHT, ROUNDING = BOX / 3, 2 * BOX / 3, 0.15


def rounded_step(
    x: NDArray[np.float64], distance: float, rounding: float
) -> NDArray[np.complex128]:
    """A step from 0 to 1, folded with a Gaussian and then propagated: both are one Gaussian."""
    variance = rounding**2 + 1j * WAVELENGTH * distance / (2 * np.pi)
    step: NDArray[np.complex128] = special.erfc(-x / np.sqrt(2 * variance)) / 2
    return step


def strip(distance: float, rounding: float = ROUNDING) -> NDArray[np.complex128]:
    """Its profile along x after propagation, with all its periodic copies."""
    x = WAVE_SAMPLING * np.arange(POINTS)
    return np.sum(
        [
            rounded_step(x - LEFT - copy, distance, rounding)
            - rounded_step(x - RIGHT - copy, distance, rounding)
            for copy in BOX * np.arange(-5, 6)
        ],
        axis=0,
    )


def profile(amplitude: complex, defocus: float) -> NDArray[np.floating]:
    """Image along x of a strip that multiplies the wave with 1 + amplitude; periodic, unpadded."""
    scattered = np.tile(amplitude * strip(0.0), (POINTS, 1)).astype(np.complex64)
    (image,) = form_intensities(
        scattered,
        replace(PERFECT, defocus=(defocus,)),
        Grid(POINTS, POINTS, BOX),
        WHOLE_BAND,
        0.0,
        POINTS,
    )
    np.testing.assert_allclose(image, np.broadcast_to(image[0], image.shape), atol=1e-5)
    return image[0]


@pytest.mark.parametrize("amplitude", [-1.0, np.exp(0.6j) - 1], ids=["opaque", "phase"])
@pytest.mark.parametrize("defocus", [-100.0, 100.0])
def test_edges_have_their_fresnel_fringes(amplitude: complex, defocus: float) -> None:
    expected = np.abs(1 + amplitude * strip(-defocus)) ** 2
    np.testing.assert_allclose(profile(amplitude, defocus), expected, atol=2e-4)


def test_the_closed_form_is_the_fresnel_integral() -> None:
    """A half-plane in the textbook: ((C + 1/2)² + (S + 1/2)²) / 2, u = x (2 / (λ z))^½."""
    x, distance = np.linspace(-8.0, 8.0, 161), 100.0
    sine, cosine = special.fresnel(x * np.sqrt(2 / (WAVELENGTH * distance)))
    textbook = ((cosine + 0.5) ** 2 + (sine + 0.5) ** 2) / 2
    for side in (-1, 1):
        intensity = np.abs(rounded_step(x, side * distance, 0.0)) ** 2
        np.testing.assert_allclose(intensity, textbook, atol=1e-12)


def test_the_first_fringe_of_a_phase_edge_is_bright_in_underfocus() -> None:
    """And dark in overfocus, as a microscopist sees it at the rim of a hole, in the vacuum."""
    for defocus, sign in ((100.0, 1), (-100.0, -1)):
        image = profile(np.exp(0.3j) - 1, defocus)
        # λ z sets the width of the fringes; the first one begins at the edge.
        fringe = np.sqrt(WAVELENGTH * abs(defocus))
        outside = slice(round((LEFT - fringe) / WAVE_SAMPLING), round((LEFT - 0.3) / WAVE_SAMPLING))
        assert sign * (image[outside].mean() - 1) > 0.05


def test_the_first_fringe_of_an_opaque_edge_is_bright_on_both_sides_of_focus() -> None:
    for defocus in (100.0, -100.0):
        image = profile(-1.0, defocus)
        place = np.argmax(image[: round(LEFT / WAVE_SAMPLING)])
        # The textbook's maximum is 1.370 at u = 1.217; the strip's other edge adds some per cent.
        distance = LEFT - WAVE_SAMPLING * place
        assert distance * np.sqrt(2 / (WAVELENGTH * 100.0)) == pytest.approx(1.217, abs=0.12)
        assert image[place] == pytest.approx(1.370, abs=0.06)


def point_image(
    draw: MicroscopeDraw, amplitude: complex
) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    """Contrast of a point of 0.4 Å in the middle of 25.7 Å, and its pixels' distances [Å]."""
    scattered = gaussian_packet(0.4, BOX / 2, BOX / 2, amplitude)
    grid = choose_grid(WAVE_SAMPLING, WAVE_SAMPLING, 80.0)
    half = 12.8
    (image,) = form_intensities(scattered, draw, grid, WHOLE_BAND, BOX / 2 - half, 257)
    return image - 1.0, WAVE_SAMPLING * np.arange(257) - half


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.2, 5.5])
def test_astigmatism_lies_along_its_angle(angle: float) -> None:
    """The second moments of a weak phase point are those of sin chi, ∝ C12 (cos 2φ, sin 2φ)."""
    draw = replace(PERFECT, astigmatism=25.0, astigmatism_angle=angle)
    phase = 0.01
    contrast, r = point_image(draw, 1j * phase)
    xx, yy = (contrast * r**2).sum(), (contrast.T * r**2).sum()
    xy = (contrast * np.outer(r, r)).sum()
    # 2 ∫ phase · second derivative of chi / (2π)², with the sign of its transform.
    volume = phase * 2 * np.pi * 0.4**2 / WAVE_SAMPLING**2
    expected = -volume * WAVELENGTH * draw.astigmatism / np.pi
    assert xx == pytest.approx(expected * np.cos(2 * angle), abs=0.03 * abs(expected))
    assert yy == pytest.approx(-expected * np.cos(2 * angle), abs=0.03 * abs(expected))
    assert xy == pytest.approx(expected * np.sin(2 * angle), abs=0.03 * abs(expected))


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 2.2, 5.5])
def test_coma_points_along_its_angle(angle: float) -> None:
    """The third moments of a weak dark point are those of chi, ∝ C21 (cos φ, sin φ)."""
    draw = replace(PERFECT, coma=600.0, coma_angle=angle)
    amplitude = 0.01
    contrast, r = point_image(draw, -amplitude)
    square = r[np.newaxis, :] ** 2 + r[:, np.newaxis] ** 2
    moments = [(contrast * square * r).sum(), (contrast.T * square * r).sum()]
    volume = amplitude * 2 * np.pi * 0.4**2 / WAVE_SAMPLING**2
    expected = volume * 4 * WAVELENGTH**2 * draw.coma / (3 * np.pi**2)
    np.testing.assert_allclose(
        moments, [expected * np.cos(angle), expected * np.sin(angle)], atol=0.03 * expected
    )


def test_the_image_of_coma_is_symmetric_about_its_axis() -> None:
    """And only about it; its tail lies on the side to which it points."""
    draw = replace(PERFECT, coma=600.0)
    along_x, r = point_image(draw, -0.1)
    along_y, _ = point_image(replace(draw, coma_angle=np.pi / 2), -0.1)
    backwards, _ = point_image(replace(draw, coma_angle=np.pi), -0.1)
    np.testing.assert_allclose(along_x, along_x[::-1], atol=1e-5)
    assert np.abs(along_x - along_x[:, ::-1]).max() > 1e-2
    np.testing.assert_allclose(along_y, along_x.T, atol=1e-5)
    np.testing.assert_allclose(backwards, along_x[:, ::-1], atol=1e-5)
    assert (along_x**2 * r).sum() > 0
