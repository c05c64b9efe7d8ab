"""From a microscope's focal series to its exit wave, without a network.

>>> known = KnownOptics(spherical_aberration_micrometre=2700, focal_spread_angstrom=40)
>>> found = reconstruct_classically(
...     ["series.mrc"], "wave.nc", known=known, convergence_mrad=0.05, hold_out=4
... )
>>> found.fit.held[0].wave.unexplained, found.fit.held[0].neighbours.unexplained
(0.03, 0.21)
"""

from __future__ import annotations

import json
import logging
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.reconstruction.other_formats import write_formats
from exitwave.reconstruction.reading import MeasuredSeries, read_series
from exitwave.reconstruction.refinement.classical import (
    FittedSeries,
    fit_series,
    held_out,
    summary,
)
from exitwave.reconstruction.refinement.joint import SeriesBeliefs
from exitwave.reconstruction.refinement.known import KnownOptics
from exitwave.reconstruction.refinement.optics import Beliefs
from exitwave.reconstruction.refinement.series import Coherence
from exitwave.reconstruction.request import Doubt, Prepared, Request, defocus_text, prepare
from exitwave.reconstruction.results import require_output, write_wave

logger = logging.getLogger(__name__)

FITTED = ("shift", "intensity", "defocus")
"""What can be fitted for each frame."""

# A microscopist's defocus of a frame is off by so much, beside what all are off by [Å].
_DEFOCUS_ERROR = 20.0
_MOST_FOCI = 9
# An image that is moved by more of its side shows another part of the specimen, or the fit failed.
_FARTHEST = 0.25
# By so much the misfit may be off 1: a wave is not as random as it is taken for.
_MISFIT = 0.3

_ONLY_STEPS = (
    "What the convergence takes from the contrast depends on the defoci themselves, of which the "
    "steps alone are known: give --defocus-angstrom."
)


@dataclass(frozen=True, kw_only=True)
class ClassicalReconstruction:
    """An exit wave and what it was made from.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave, on the images' pixels.
    sampling_angstrom : float
        Side of a pixel [Å].
    images : (y, x, frame) array of float32
        Over the mean of the series, where the camera recorded them.
    fit : FittedSeries
        Microscope, misfit and frames held out.
    notes, warnings : tuple of str
        What was found and done, and why not to rely on the wave, a sentence each.
    """

    wave: NDArray[np.complex64]
    sampling_angstrom: float
    images: NDArray[np.float32]
    fit: FittedSeries
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def reconstruct_classically(
    series: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    pixel_angstrom: float | None = None,
    energy_kev: float | None = None,
    defocus_angstrom: Sequence[float] | None = None,
    defocus_step_angstrom: float | None = None,
    frames: Sequence[int] | None = None,
    frames_per_image: int = 1,
    dark_level: float | None = None,
    dark_reference: str | Path | None = None,
    gain_reference: str | Path | None = None,
    dose_per_square_angstrom: float | None = None,
    known: KnownOptics | None = None,
    convergence_mrad: float = 0.0,
    foci: int = 1,
    fit: Sequence[str] = FITTED,
    defocus_error_angstrom: float = _DEFOCUS_ERROR,
    align: bool = True,
    hold_out: int = 0,
    formats: Sequence[str] = (),
) -> ClassicalReconstruction:
    """Reconstruct the exit wave of a focal series of 3 or more frames, and write it as NetCDF.

    Parameters
    ----------
    series, output, pixel_angstrom, energy_kev, defocus_angstrom, defocus_step_angstrom, frames, \
frames_per_image, dark_level, dark_reference, gain_reference, dose_per_square_angstrom, formats
        See `exitwave.reconstruct`. The defoci and the dose have to be known.
    known : KnownOptics, optional
        Aberrations, focal spread, blur and camera; what it does not say is taken as 0, and the
        camera as ideal. With ``defocus`` the defoci are exact.
    convergence_mrad : float
        1/e semi-angle of the illumination [mrad].
    foci : int
        Average intensities over so many foci of the focal spread, up to 9; 1 for the
        quasi-coherent envelope, which is faster.
    fit : sequence of str
        What is fitted for each frame: of `FITTED`.
    defocus_error_angstrom : float
        Standard deviation of the error of a frame's defocus [Å].
    align : bool
        Look for the frames by prediction before the fit of their shifts.
    hold_out : int
        Frames that are left out of the fit, to judge its wave by what it predicts of them.

    Raises
    ------
    ExitwaveError
        Where a file cannot be read or written, or something is not known that has to be.
    """
    known = known or KnownOptics()
    fit = [fit] if isinstance(fit, str) else fit
    beliefs = _beliefs(fit, defocus_error_angstrom, known)
    coherence = _coherence(convergence_mrad, foci)
    request = Request(
        pixel_angstrom=pixel_angstrom,
        energy_kev=energy_kev,
        defocus_angstrom=(
            None if defocus_angstrom is None else tuple(float(each) for each in defocus_angstrom)
        ),
        defocus_step_angstrom=defocus_step_angstrom,
        frames=None if frames is None else tuple(operator.index(each) for each in frames),
        frames_per_image=operator.index(frames_per_image),
        dose_per_square_angstrom=dose_per_square_angstrom,
        dark_level=dark_level,
        dark_reference=None if dark_reference is None else str(dark_reference),
        gain_reference=None if gain_reference is None else str(gain_reference),
    )
    curve = known.curve()
    output = Path(output)
    paths = [Path(series)] if isinstance(series, (str, Path)) else [Path(path) for path in series]
    formats = [formats] if isinstance(formats, str) else formats
    require_output(output, formats, [*paths, *request.references.values()])
    measured = read_series(paths)
    prepared = _prepared(measured, request)
    assert prepared.defocus is not None
    held = held_out(len(prepared.defocus), operator.index(hold_out))
    microscope = _microscope(prepared, known)
    microscope = replace(microscope, mtf_curve=curve)
    found = fit_series(
        prepared.images,
        prepared.pixel,
        microscope,
        coherence,
        beliefs,
        held,
        align=align,
        progress=logger.info,
    )
    doubts = [*prepared.doubts, *_doubts(found, prepared)]
    if coherence.convergence > 0 and prepared.conditions.defocus_angstrom is None:
        doubts.append(Doubt("The defoci are not known but for their steps", _ONLY_STEPS))
    mean = np.float32(prepared.images.mean(dtype=np.float64))
    result = ClassicalReconstruction(
        wave=found.wave,
        sampling_angstrom=prepared.pixel,
        images=prepared.images / mean,
        fit=found,
        notes=(*measured.notes, *prepared.notes, *_notes(found, prepared, known, coherence)),
        warnings=tuple(doubt.sentence for doubt in doubts),
    )
    settings = {
        **vars(request),
        "known": vars(known),
        "convergence_mrad": coherence.convergence,
        "foci": coherence.foci,
        "fit": list(fit),
        "defocus_error_angstrom": defocus_error_angstrom,
        "align": align,
        "hold_out": hold_out,
    }
    made_from: inputs.Inputs = {"series": [inputs.of_file(path) for path in paths]}
    made_from |= {name: [inputs.of_file(path)] for name, path in request.references.items()}
    attributes = {
        **provenance.attributes("", made_from),
        "settings": json.dumps(settings),
        "notes": "\n".join(result.notes),
        "warnings": "\n".join(result.warnings),
        "classical": json.dumps(summary(found)),
    }
    heading = ". ".join(dict.fromkeys(doubt.heading for doubt in doubts))
    write_wave(output, result.wave, prepared.pixel, result.images, attributes, by_network=False)
    write_formats(formats, output, result.wave, prepared.pixel, prepared.energy, attributes)
    _draw(result, prepared, output.with_suffix(""), heading)
    return result


def _beliefs(fit: Sequence[str], defocus_error: float, known: KnownOptics) -> SeriesBeliefs:
    if unknown := [name for name in fit if name not in FITTED]:
        raise ExitwaveError(
            f"{unknown[0]!r} cannot be fitted for each frame; --fit takes {', '.join(FITTED)}."
        )
    if not 0 < defocus_error <= 1000:
        raise ExitwaveError(
            f"--defocus-error-angstrom is {defocus_error:g}; give Å, above 0 and up to 1000, or "
            "take defocus out of --fit."
        )
    usual = SeriesBeliefs()
    return SeriesBeliefs(
        defocus=defocus_error if "defocus" in fit and not known.defocus else 0.0,
        shift=usual.shift if "shift" in fit else 0.0,
        intensity=usual.intensity if "intensity" in fit else 0.0,
    )


def _coherence(convergence: float, foci: int) -> Coherence:
    if not 0 <= convergence <= 10:
        raise ExitwaveError(
            f"--convergence-mrad is {convergence:g}; give the 1/e semi-angle of the illumination, "
            "from 0 to 10 mrad."
        )
    if not 1 <= foci <= _MOST_FOCI:
        raise ExitwaveError(f"--foci is {foci}; give 1 to {_MOST_FOCI}.")
    return Coherence(convergence, operator.index(foci))


def _prepared(measured: MeasuredSeries, request: Request) -> Prepared:
    """Return all images in their order."""
    found = prepare(measured, request, taken=None, domain=None)
    if found.defocus is None:
        raise ExitwaveError(
            "The defoci are not known, and without them only a network can reconstruct a wave; "
            "give --defocus-angstrom or --defocus-step-angstrom."
        )
    if found.conditions.dose_per_square_angstrom is None:
        raise ExitwaveError(
            "The images are weighed by their noise, but the files do not say how many electrons "
            "they hold; give --dose-per-square-angstrom."
        )
    return found


def _microscope(prepared: Prepared, known: KnownOptics) -> MicroscopeDraw:
    dose = prepared.conditions.dose_per_square_angstrom
    assert prepared.defocus is not None
    assert dose is not None
    nothing = MicroscopeDraw(
        energy_kev=prepared.energy,
        defocus=prepared.defocus,
        spherical_aberration=0.0,
        astigmatism=0.0,
        astigmatism_angle=0.0,
        coma=0.0,
        coma_angle=0.0,
        focal_spread=0.0,
        blur=0.0,
        dose=math.sqrt(dose[0] * dose[1]),
        mtf_c1=1.0,
        mtf_c2=1.0,
        mtf_c3=1.0,
        sampling=prepared.pixel,
        mtf_frequency_unit="nyquist",
    )
    return known.applied(nothing, Beliefs())[0]


def _doubts(found: FittedSeries, prepared: Prepared) -> list[Doubt]:
    doubts = []
    if not found.at_rest:
        doubts.append(
            Doubt(
                "The fit did not come to rest",
                "The fit did not come to rest: do not rely on the wave; check the defoci, their "
                "sign, and Cs.",
            )
        )
    shifts = np.array([found.microscope.shift_x, found.microscope.shift_y])
    farthest = float(np.max(np.abs(shifts))) / (prepared.pixel * min(prepared.images.shape[:2]))
    if farthest > _FARTHEST:
        doubts.append(
            Doubt(
                "Frames lie too far from each other",
                "A frame was found more than a quarter of its side away from the middle one: leave "
                "it out by --frames, or cut the series in two.",
            )
        )
    if not abs(found.misfit - 1) < _MISFIT:
        doubts.append(
            Doubt(
                "The noise is not explained",
                f"The misfit is {found.misfit:.3f}, and 1 is expected: check "
                "--dose-per-square-angstrom and --mtf-file, then aberrations and convergence.",
            )
        )
    worse = [
        held for held in found.held if held.wave.unexplained > max(held.neighbours.unexplained, 0)
    ]
    if found.held and 2 * len(worse) > len(found.held):
        doubts.append(
            Doubt(
                "The wave predicts frames badly",
                "The wave predicts most frames that were held out worse than the mean of their "
                "neighbours: check the defoci, their sign, and Cs.",
            )
        )
    return doubts


def _notes(
    found: FittedSeries, prepared: Prepared, known: KnownOptics, coherence: Coherence
) -> list[str]:
    microscope, pixel = found.microscope, prepared.pixel
    assert prepared.defocus is not None
    moved = np.array([microscope.shift_y, microscope.shift_x]).T / pixel
    off = np.array(microscope.defocus) - np.array(prepared.defocus)
    notes = [
        f"The wave was fitted to {len(found.fitted)} frames, up to {found.highest:.2f} 1/Å, with "
        f"Cs {microscope.spherical_aberration / ANGSTROM_PER_MICROMETRE:g} µm, C12 "
        f"{microscope.astigmatism:g} Å, C21 {microscope.coma:g} Å, focal spread "
        f"{microscope.focal_spread:g} Å, convergence {coherence.convergence:g} mrad; what all "
        "frames have in common of an error in these, or in the defocus, is in the wave."
    ]
    if known.mtf_file is None:
        notes.append("The camera was taken as ideal, since --mtf-file was not given.")
    if found.deviations["shift"]:
        shifts = ", ".join(f"({y:+.2f}, {x:+.2f})" for y, x in moved)
        notes.append(
            f"The frames lie off the middle one by (y, x) {shifts} px, each known to "
            f"± {found.deviations['shift'] / pixel:.2f} px."
        )
    if found.deviations["intensity"]:
        brightness = ", ".join(f"{each:.3f}" for each in microscope.intensity)
        notes.append(f"Brightness of the frames: {brightness}.")
    if found.deviations["defocus"]:
        notes.append(
            f"Defoci, fitted against their mean: {', '.join(f'{each:+.0f}' for each in off)} Å "
            f"beside those given, each known to ± {found.deviations['defocus']:.1f} Å."
        )
    notes.append(
        f"Computed and measured images differ by {found.misfit:.3f} ± "
        f"{found.misfit_deviation:.3f} times the noise (1 is expected)."
    )
    for held in found.held:
        by, beside = held.wave, held.neighbours
        notes.append(
            f"Frame {held.frame}, held out, is predicted with a correlation of "
            f"{by.correlation:.3f} and {by.misfit:.3f} times the noise, by the mean of its "
            f"neighbours with {beside.correlation:.3f} and {beside.misfit:.3f}; of the power of "
            f"its contrast {100 * by.unexplained:.0f} and {100 * beside.unexplained:.0f} % are "
            "missed, noise taken off."
        )
    return notes


def _draw(result: ClassicalReconstruction, prepared: Prepared, output: Path, heading: str) -> None:
    from exitwave.figures.classical_series import plot_classical_series
    from exitwave.figures.style import drawing

    found = result.fit
    pixel = result.sampling_angstrom
    shown: list[tuple[str, NDArray[np.float32]]]
    if found.held:
        one = found.held[len(found.held) // 2]
        pixel *= result.wave.shape[1] / one.measured.shape[1]
        shown = [
            (f"Frame {one.frame}, held out", one.measured),
            ("predicted by the wave", one.computed),
            ("mean of its neighbours", one.mean),
        ]
    else:
        last = result.images.shape[2] - 1
        assert prepared.defocus is not None
        shown = [
            (f"Frame {frame}: Δf = {defocus_text(prepared.defocus[frame])}", image)
            for frame, image in ((each, result.images[..., each]) for each in (0, last // 2, last))
        ]
    shifts = np.array([found.microscope.shift_x, found.microscope.shift_y]).T
    with drawing():
        plot_classical_series(
            result.wave, result.sampling_angstrom, shown, pixel, shifts, output, heading
        )
