"""Refine the wave of a series from a microscope, of which little is known.

What is not known is taken from the network's training, the camera from the noise of the images.
Images that still lie beside each other after a fit are moved, the network is applied again, and the
fit follows it, until nothing moves.

>>> found = refine_measured(series, predict, calibration, KnownOptics())
>>> found.refinement.microscope.defocus, found.verdict.sentence
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.networks.calibration import Calibration
from exitwave.reconstruction.refinement.camera_noise import camera_of_noise
from exitwave.reconstruction.refinement.known import KnownOptics
from exitwave.reconstruction.refinement.optics import Beliefs, assumed_microscope
from exitwave.reconstruction.refinement.refine import Refinement, refine
from exitwave.reconstruction.refinement.verdict import Verdict, verdict
from exitwave.reconstruction.registration import shifted

# The images lie on each other when none moves farther than this [pixel]; at the latest after so
# many turns of network and fit.
_AT_REST, _TURNS = 0.1, 4
# By a network that is off by so many times as much as any that is believed no image is moved.
_HOPELESS = 3.0
# How well a microscopist knows defocus and its steps [Å], brightness (relative), and what
# registration leaves [Å].
_DEFOCUS, _STEP, _INTENSITY, _SHIFT = 50.0, 2.0, 0.05, 0.1
# How well the noise gives the camera's response, and the middle of a training (ln of it at 1 Å⁻¹).
_CAMERA_BY_NOISE, _CAMERA_ASSUMED = 0.2, 0.3
# So much more noise than that of the electrons is not theirs.
_MOST_NOISE = 1.3
_ASSUMED = (
    "The camera's response could not be found from the noise of the images, since their pixels are "
    "too coarse; the middle of the network's training was taken: give --mtf-file."
)


@dataclass(frozen=True, kw_only=True)
class MeasuredImages:
    """Images of a microscope and what is known of them.

    Attributes
    ----------
    images : (y, x, image) array
        In any unit.
    pixel : float
        Side of a pixel [Å].
    energy : float
        Energy of the electrons [keV].
    defocus : tuple of float, optional
        Of each image [Å].
    is_absolute : bool
        Whether the zero of the defoci is known, too.
    dose : float
        Electrons per Å² of each image.
    """

    images: NDArray[np.float32]
    pixel: float
    energy: float
    defocus: tuple[float, ...] | None
    is_absolute: bool
    dose: float


@dataclass(frozen=True, kw_only=True)
class MeasuredRefinement:
    """The refined wave of a series from a microscope.

    Attributes
    ----------
    refinement : Refinement
        Wave, microscope and residuals; shifts are those that are left in `images`.
    images : (y, x, image) array of float32
        Moved back by all shifts.
    network_wave : (y, x) array of complex64
        The network's wave of these.
    verdict : Verdict
        Whether to believe the wave.
    notes, doubts : tuple of str
        What was done, and what speaks against it, a sentence each.
    error_bars : dict of str to float
        See `error_bars`.
    """

    refinement: Refinement
    images: NDArray[np.float32]
    network_wave: NDArray[np.complex64]
    verdict: Verdict
    notes: tuple[str, ...]
    doubts: tuple[str, ...]
    error_bars: dict[str, float]


def refine_measured(
    series: MeasuredImages,
    predict: Callable[[NDArray[np.float32]], NDArray[np.complex64]],
    calibration: Calibration,
    known: KnownOptics,
) -> MeasuredRefinement:
    """Refine the wave of a series from a microscope.

    Parameters
    ----------
    series : MeasuredImages
        The images.
    predict : callable
        The network: wave (y, x) of images (y, x, image).
    calibration : Calibration
        Of the network.
    known : KnownOptics
        What need not be fitted.

    Raises
    ------
    ExitwaveError
        Where the network does not say for which microscopes it was trained, or the defoci are to be
        exact and are not known.
    """
    if calibration.limits is None:
        raise ExitwaveError(
            "The network's calibration does not say for which microscopes it was trained; make it "
            "again by `exitwave calibrate`."
        )
    original = series.images / series.images.mean(axis=(0, 1), dtype=np.float64)
    images = original = np.asarray(original, dtype=np.float32)
    assumed, beliefs, notes, doubts = _assumed(series, images, calibration, known)
    smear = calibration.smear_angstrom or 0.0
    total = np.zeros((images.shape[2], 2))
    for turn in range(_TURNS):
        wave = predict(images)
        found = refine(
            images,
            wave,
            series.pixel,
            assumed,
            beliefs,
            calibration.error_power,
            smear,
            search=turn == 0,
        )
        shifts = np.stack([found.microscope.shift_y, found.microscope.shift_x], axis=1)
        shifts = shifts / series.pixel
        if np.max(np.abs(shifts)) < _AT_REST:
            break
        if found.scale > _HOPELESS * calibration.largest_scale:
            doubts.append(
                "The images were not moved any more, since the network does not know what it sees."
            )
            break
        if turn + 1 == _TURNS:
            # They stay where they are: wave and fit are those of these images.
            doubts.append("The images did not come to rest on each other.")
            break
        total += shifts
        images = np.stack(
            [shifted(original[..., place], list(by)) for place, by in enumerate(total)], axis=-1
        )
        nowhere = (0.0,) * images.shape[2]
        assumed = replace(found.microscope, shift_x=nowhere, shift_y=nowhere)
    if np.any(total):
        moved = ", ".join(f"({y:+.2f}, {x:+.2f})" for y, x in total)
        notes.append(f"For the refinement the images were moved back by (y, x) {moved} px.")
    notes += _found_sentences(found, calibration)
    return MeasuredRefinement(
        refinement=found,
        images=images,
        network_wave=wave,
        verdict=verdict(found, calibration),
        notes=tuple(notes),
        doubts=tuple(doubts),
        error_bars=error_bars(found, calibration),
    )


def _assumed(
    series: MeasuredImages,
    images: NDArray[np.float32],
    calibration: Calibration,
    known: KnownOptics,
) -> tuple[MicroscopeDraw, Beliefs, list[str], list[str]]:
    limits = calibration.limits
    assert limits is not None
    count = images.shape[2]
    assumed, beliefs = assumed_microscope(limits, series.energy, count, series.dose, series.pixel)
    notes: list[str] = []
    doubts: list[str] = []
    if series.defocus is not None:
        given = np.array(series.defocus)
        centre = 0.0 if series.is_absolute else np.mean(assumed.defocus) - given.mean()
        foci = tuple(float(each) for each in given + centre)
        assumed = replace(assumed, defocus=foci)
        beliefs = replace(
            beliefs,
            defocus=_DEFOCUS if series.is_absolute else beliefs.defocus,
            defocus_step=max(beliefs.defocus_step, _STEP),
        )
    beliefs = replace(
        beliefs, intensity=max(beliefs.intensity, _INTENSITY), shift=max(beliefs.shift, _SHIFT)
    )
    if known.defocus and not series.is_absolute:
        raise ExitwaveError(
            "The defoci cannot be taken as exact, since no more than their steps is known; give "
            "them by --defocus-angstrom."
        )
    curve = known.curve() or limits.mtf_curve
    if curve is not None:
        assumed = replace(assumed, mtf_curve=curve)
    else:
        camera = camera_of_noise(images, series.pixel, limits, series.dose)
        if camera is None:
            doubts.append(_ASSUMED)
            beliefs = replace(beliefs, camera=_CAMERA_ASSUMED)
        else:
            beliefs = replace(beliefs, camera=_CAMERA_BY_NOISE)
            assumed = replace(
                assumed, mtf_c1=camera.mtf_c1, mtf_c2=camera.mtf_c2, mtf_c3=camera.mtf_c3
            )
            notes.append(
                "The camera's response was found from the noise of the images: "
                f"c1 {camera.mtf_c1:.2f}, c2 {camera.mtf_c2:.3f}, c3 {camera.mtf_c3:.2f}."
            )
            if camera.excess > _MOST_NOISE:
                doubts.append(
                    f"The images have {camera.excess:.1f} times the noise of "
                    f"{series.dose:.3g} e/Å²: check --dose-per-square-angstrom."
                )
    assumed, beliefs = known.applied(assumed, beliefs)
    return assumed, beliefs, notes, doubts


def error_bars(found: Refinement, calibration: Calibration) -> dict[str, float]:
    """Return standard deviations of the fitted parameters [Å].

    Those by the curvature and what the network's own errors made of them on its validation
    samples, together; 0 for what was known.
    """
    measured = calibration.optics_errors or {}
    return {
        name: float(np.hypot(deviation, measured.get(name, 0.0))) if deviation else 0.0
        for name, deviation in found.errors.items()
    }


def _found_sentences(found: Refinement, calibration: Calibration) -> list[str]:
    """Say what was fitted."""
    microscope, bars = found.microscope, error_bars(found, calibration)
    foci = ", ".join(f"{each:.1f}" for each in microscope.defocus)
    cs = microscope.spherical_aberration / ANGSTROM_PER_MICROMETRE
    sentence = (
        f"Refined: defocus {foci} (± {bars['defocus']:.1f}) Å, Cs {cs:.2f} ± "
        f"{bars['spherical_aberration'] / ANGSTROM_PER_MICROMETRE:.2f} µm, C12 "
        f"{microscope.astigmatism:.1f} ± {bars['astigmatism']:.1f} Å at "
        f"{np.degrees(microscope.astigmatism_angle):.0f}°, C21 {microscope.coma:.0f} ± "
        f"{bars['coma']:.0f} Å at {np.degrees(microscope.coma_angle):.0f}°"
    )
    if bars["trefoil"]:
        sentence += (
            f", C23 {microscope.trefoil:.0f} ± {bars['trefoil']:.0f} Å at "
            f"{np.degrees(microscope.trefoil_angle):.0f}°"
        )
    sentence += (
        f", focal spread {microscope.focal_spread:.1f} Å, blur {microscope.blur:.2f} Å; brightness "
        f"{', '.join(f'{each:.3f}' for each in microscope.intensity)}."
    )
    return [
        sentence,
        f"Computed and measured images differ by {found.misfit:.3f} ± "
        f"{found.misfit_deviation:.3f} times the noise, the wave left free (1 is expected).",
    ]


def summary(found: MeasuredRefinement) -> dict[str, object]:
    """Return what was fitted, as numbers for JSON: lengths in Å, angles in degrees."""
    of, microscope = found.refinement, found.refinement.microscope
    return {
        "defocus": microscope.defocus,
        "spherical_aberration": microscope.spherical_aberration,
        "astigmatism": [microscope.astigmatism, float(np.degrees(microscope.astigmatism_angle))],
        "coma": [microscope.coma, float(np.degrees(microscope.coma_angle))],
        "trefoil": [microscope.trefoil, float(np.degrees(microscope.trefoil_angle))],
        "focal_spread": microscope.focal_spread,
        "blur": microscope.blur,
        "intensity": microscope.intensity,
        "error_bars": found.error_bars,
        "scale": of.scale,
        "misfit": of.misfit,
        "misfit_deviation": of.misfit_deviation,
        "at_rest": of.at_rest,
        "consistent": found.verdict.is_consistent,
        "verdict": found.verdict.sentence,
    }
