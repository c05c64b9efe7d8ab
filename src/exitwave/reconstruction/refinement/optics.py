"""The parameters of a focal series that are fitted, what is believed of them, and their phases.

One vector holds them all: the defocus of each image, what is common to all images, and the shift
and the intensity of each. Two-fold astigmatism and the others of an amplitude and an angle stand
in it as two components, squares of focal spread and blur as what the envelope is linear in.

>>> unknowns = Unknowns(images=3)
>>> vector = unknowns.vector(microscope)
>>> unknowns.microscope(vector, microscope).defocus
(-50.0, 0.0, 50.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exitwave.config import Microscope
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.multislice.electrons import electron_wavelength

Floats = NDArray[np.float64]

COMMON = ("c12_a", "c12_b", "cs", "c21_a", "c21_b", "c23_a", "c23_b")
"""Aberrations that all images have: components a along and b across, Cs."""
# Whether a phase is the same at the opposite frequency: defocus, then `COMMON`, shifts x and y.
EVEN = np.array([1, 1, 1, 1, -1, -1, -1, -1, -1, -1], dtype=np.float64)
_CAMERA_SHAPES = 3
# Least focal spread and blur that are fitted [Å]: at 0 their squares could not change any more.
_LEAST = (1.0, 0.1)


class Unknowns:
    """Where each parameter stands in the vector of a series of so many images.

    Attributes
    ----------
    defocus, shift_x, shift_y, intensity : slice
        One value for each image [Å; the intensity relative].
    common : slice
        `COMMON` [Å].
    envelope : slice
        Squares of the focal spread and of the blur [Å²].
    scale : int
        ln of how far the network's wave is off, relative to what its training says.
    camera : slice
        ln of the camera's response over the assumed one, in the units of `camera_shapes`.
    """

    def __init__(self, images: int) -> None:
        self.images = images
        starts = np.cumsum([0, images, len(COMMON), images, images, 2, images])
        names = ("defocus", "common", "shift_x", "shift_y", "envelope", "intensity")
        for name, first, end in zip(names, starts, starts[1:], strict=False):
            setattr(self, name, slice(int(first), int(end)))
        self.scale = int(starts[-1])
        self.camera = slice(self.scale + 1, self.scale + 1 + _CAMERA_SHAPES)
        self.size = self.camera.stop

    defocus: slice
    common: slice
    shift_x: slice
    shift_y: slice
    envelope: slice
    intensity: slice
    camera: slice

    def coefficients(self, vector: Floats) -> Floats:
        """Return (image, phase): by how much the phases of `phases` act on each image."""
        table = np.empty((self.images, len(EVEN)))
        table[:, 0] = vector[self.defocus]
        table[:, 1 : 1 + len(COMMON)] = vector[self.common]
        table[:, -2], table[:, -1] = vector[self.shift_x], vector[self.shift_y]
        return table

    def places(self, image: int) -> list[int]:
        """Return the place in the vector of each of the phases of an image."""
        common = range(self.common.start, self.common.stop)
        return [
            self.defocus.start + image,
            *common,
            self.shift_x.start + image,
            self.shift_y.start + image,
        ]

    def vector(self, microscope: MicroscopeDraw) -> Floats:
        """Return the parameters of a microscope."""
        found = np.zeros(self.size)
        found[self.defocus] = microscope.defocus
        found[self.common] = [
            microscope.astigmatism * math.cos(2 * microscope.astigmatism_angle),
            microscope.astigmatism * math.sin(2 * microscope.astigmatism_angle),
            microscope.spherical_aberration,
            microscope.coma * math.cos(microscope.coma_angle),
            microscope.coma * math.sin(microscope.coma_angle),
            microscope.trefoil * math.cos(3 * microscope.trefoil_angle),
            microscope.trefoil * math.sin(3 * microscope.trefoil_angle),
        ]
        found[self.shift_x] = microscope.shift_x or 0.0
        found[self.shift_y] = microscope.shift_y or 0.0
        found[self.envelope] = microscope.focal_spread**2, microscope.blur**2
        found[self.intensity] = microscope.intensity or 1.0
        return found

    def microscope(self, vector: Floats, like: MicroscopeDraw) -> MicroscopeDraw:
        """Return the microscope of parameters; dose and camera are those of another one."""
        c12_a, c12_b, cs, c21_a, c21_b, c23_a, c23_b = (float(each) for each in vector[self.common])
        spread, blur = (math.sqrt(max(each, 0.0)) for each in vector[self.envelope])

        def per_image(part: slice) -> tuple[float, ...]:
            return tuple(float(each) for each in vector[part])

        return replace(
            like,
            defocus=per_image(self.defocus),
            spherical_aberration=cs,
            astigmatism=math.hypot(c12_a, c12_b),
            astigmatism_angle=math.atan2(c12_b, c12_a) / 2,
            coma=math.hypot(c21_a, c21_b),
            coma_angle=math.atan2(c21_b, c21_a),
            trefoil=math.hypot(c23_a, c23_b),
            trefoil_angle=math.atan2(c23_b, c23_a) / 3,
            focal_spread=spread,
            blur=blur,
            shift_x=per_image(self.shift_x),
            shift_y=per_image(self.shift_y),
            intensity=per_image(self.intensity),
        )

    def limited(self, vector: Floats) -> Floats:
        """Return the parameters with focal spread and blur kept above 0."""
        kept = vector.copy()
        kept[self.envelope] = np.maximum(kept[self.envelope], np.square(_LEAST))
        return kept


def phases(kx: Floats, ky: Floats, energy_kev: float) -> Floats:
    """Return (phase, frequency): -chi of each parameter by its unit, and of a shift by 1 Å.

    As `exitwave.imaging.transfer.aberration_phase` and `shift_phase`, of which the phase of an
    image is a sum with `Unknowns.coefficients`.
    """
    wavelength = electron_wavelength(energy_kev)
    ax, ay = wavelength * kx, wavelength * ky
    square = ax**2 + ay**2
    turn = -2 * np.pi / wavelength
    return np.stack(
        [
            -turn / 2 * square,
            turn / 2 * (ax**2 - ay**2),
            turn * ax * ay,
            turn / 4 * square**2,
            turn / 3 * square * ax,
            turn / 3 * square * ay,
            turn / 3 * ax * (ax**2 - 3 * ay**2),
            turn / 3 * ay * (3 * ax**2 - ay**2),
            -2 * np.pi * kx,
            -2 * np.pi * ky,
        ]
    )


def dampings(square: Floats, energy_kev: float) -> Floats:
    """Return (2, frequency): ln of the envelopes by the squares of focal spread and blur [1/Å²].

    As `exitwave.imaging.transfer.temporal_envelope` and `blur_envelope`.
    """
    factor = math.pi / 2 * electron_wavelength(energy_kev)
    return np.stack([-((factor * square) ** 2), -square / 2])


def camera_shapes(frequency: Floats) -> Floats:
    """Return (3, frequency): how ln of a camera's response may differ from the assumed one.

    By 1 at 1 Å⁻¹, and as the square root of the frequency [1/Å], itself and its square: by some of
    each two curves of the formula of `exitwave.imaging.detector.mtf` differ.
    """
    return np.stack([np.sqrt(frequency), frequency, frequency**2])


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """How far the parameters may be from those of an assumed microscope: standard deviations.

    0 fixes one; by default all of the microscope is known.

    Attributes
    ----------
    defocus : float
        Of an offset that all images have [Å].
    defocus_step : float
        Of the step from an image to the next [Å].
    spherical_aberration, astigmatism, coma, trefoil : float
        Of Cs, and of each component of C12, C21 and C23 [Å].
    focal_spread_square, blur_square : float
        Of the squares [Å²].
    place : float
        Of a shift that all images have against the network's wave [Å].
    shift : float
        Of the shift of an image against the others, along x and y [Å].
    intensity : float
        Of an image's intensity, relative.
    scale : float
        Of ln of how far the network's wave is off, relative to its training.
    camera : float
        Of ln of the camera's response over the assumed one at 1 Å⁻¹.
    """

    defocus: float = 0.0
    defocus_step: float = 0.0
    spherical_aberration: float = 0.0
    astigmatism: float = 0.0
    coma: float = 0.0
    trefoil: float = 0.0
    focal_spread_square: float = 0.0
    blur_square: float = 0.0
    place: float = 0.1
    shift: float = 0.0
    intensity: float = 0.0
    scale: float = 1.0
    camera: float = 0.0

    def free(self, unknowns: Unknowns) -> NDArray[np.bool_]:
        """Return which parameters of the vector are fitted."""
        return np.asarray(np.diag(self.covariance(unknowns)) > 0)

    def covariance(self, unknowns: Unknowns) -> Floats:
        """Return what is believed as a covariance of the vector's parameters."""
        images = unknowns.images
        found = np.zeros((unknowns.size, unknowns.size))
        alike, apart = np.ones((images, images)), np.eye(images)
        # Errors of the steps add up along the series.
        steps = np.tril(alike, -1)[:, : images - 1]
        walk = steps @ steps.T
        walk = walk - walk[images // 2] - walk[:, [images // 2]] + walk[images // 2, images // 2]
        found[unknowns.defocus, unknowns.defocus] = (
            self.defocus** 2 * alike + self.defocus_step** 2 * (walk + 1e-3 * apart)
        )
        common = [self.astigmatism] * 2 + [self.spherical_aberration]
        common += [self.coma] * 2 + [self.trefoil] * 2
        found[unknowns.common, unknowns.common] = np.diag(np.square(common))
        for part in (unknowns.shift_x, unknowns.shift_y):
            # Fixed against each other they would leave nothing to invert.
            found[part, part] = self.place**2 * (alike + 1e-6 * apart) + self.shift**2 * apart
        found[unknowns.envelope, unknowns.envelope] = np.diag(
            [self.focal_spread_square**2, self.blur_square**2]
        )
        found[unknowns.intensity, unknowns.intensity] = self.intensity**2 * apart
        found[unknowns.scale, unknowns.scale] = self.scale**2
        found[unknowns.camera, unknowns.camera] = self.camera**2 * np.eye(_CAMERA_SHAPES)
        return found


# What registration leaves at least [Å].
_LEAST_SHIFT = 0.02
# How well the number of electrons in vacuum is known.
_INTENSITY = 0.01


def assumed_microscope(
    limits: Microscope, energy_kev: float, images: int, dose: float, sampling: float
) -> tuple[MicroscopeDraw, Beliefs]:
    """Return the middle of the limits that microscopes were drawn between, and their width.

    Parameters
    ----------
    limits : Microscope
        Of the network's training, or of the series.
    energy_kev : float
        Kinetic energy of the electrons [keV].
    images : int
        In the series.
    dose : float
        Electrons per Å² of each image.
    sampling : float
        Side of a pixel [Å].
    """

    def middle(limit: tuple[float, float]) -> float:
        return (limit[0] + limit[1]) / 2

    def width(limit: tuple[float, float]) -> float:
        return (limit[1] - limit[0]) / math.sqrt(12)

    def component(limit: tuple[float, float]) -> float:
        # Of an amplitude between limits at any angle.
        low, high = limit
        return math.sqrt((low**2 + low * high + high**2) / 6)

    def squared(limit: tuple[float, float]) -> tuple[float, float]:
        drawn = np.linspace(*limit, 101) ** 2
        return float(drawn.mean()), float(max(drawn.std(), 0.05 * drawn.mean()))

    spread, spread_width = squared(limits.focal_spread_angstrom)
    blur, blur_width = squared(limits.blur_angstrom)
    total = limits.defocus_range_angstrom if images > 1 else 0.0
    spare = (limits.defocus_angstrom[1] - limits.defocus_angstrom[0] - total) / math.sqrt(12)
    centre = middle(limits.defocus_angstrom)
    microscope = MicroscopeDraw(
        energy_kev=energy_kev,
        defocus=tuple(float(each) for each in centre + np.linspace(-total / 2, total / 2, images)),
        spherical_aberration=ANGSTROM_PER_MICROMETRE
        * middle(limits.spherical_aberration_micrometre),
        astigmatism=0.0,
        astigmatism_angle=0.0,
        coma=0.0,
        coma_angle=0.0,
        focal_spread=math.sqrt(spread),
        blur=math.sqrt(blur),
        dose=dose,
        mtf_c1=middle(limits.mtf_c1),
        mtf_c2=middle(limits.mtf_c2),
        mtf_c3=middle(limits.mtf_c3),
        sampling=sampling,
        mtf_frequency_unit=limits.mtf_frequency_unit,
        focal_spread_model=limits.focal_spread_model,
        mtf_curve=limits.mtf_curve,
    )
    beliefs = Beliefs(
        defocus=max(spare, 10.0),
        defocus_step=max(limits.defocus_step_error_angstrom, 0.1),
        spherical_aberration=ANGSTROM_PER_MICROMETRE
        * max(width(limits.spherical_aberration_micrometre), 0.1),
        astigmatism=component(limits.astigmatism_angstrom),
        coma=component(limits.coma_angstrom),
        trefoil=component(limits.trefoil_angstrom),
        focal_spread_square=spread_width,
        blur_square=blur_width,
        shift=max(limits.misregistration_angstrom, _LEAST_SHIFT),
        intensity=max(limits.intensity_error_share / math.sqrt(3), _INTENSITY),
    )
    return microscope, beliefs
