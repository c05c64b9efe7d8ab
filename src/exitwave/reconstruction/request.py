"""From what a user says of a series to the images that a network gets, and what is known of them.

>>> request = Request(pixel_angstrom=0.105, energy_kev=80.0, frames_per_image=10)
>>> prepared = prepare(read_series([Path("series.mrc")]), request, 3, network.domain)
>>> prepared.images.shape, prepared.pixel
((2048, 2048, 3), 0.105)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exitwave.config.conditions import Conditions
from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE, MicroscopeDraw
from exitwave.networks.domain import TrainingDomain
from exitwave.reconstruction.camera import read_camera, without_hot_pixels
from exitwave.reconstruction.preparation import (
    choose_images,
    require_images,
    resample,
    resampled_size,
    sums_of_frames,
)
from exitwave.reconstruction.reading import (
    MeasuredSeries,
    require_defocus,
    require_energy,
    require_pixel,
)

# Sides of images that a network gets [pixel].
_LEAST_PX = 16
# So many times the pixel of the training may be that of the images: what a network was trained on
# reaches to higher frequencies than most microscopes, but not to twice as high ones.
_COARSEST = 1.5
# The noise of a few electrons a pixel, behind a camera's response, reaches below 0 less often.
_MOST_BELOW = 0.1

_NO_DOMAIN = (
    "The network does not say for which energy, defocus and dose it was trained, as those of "
    "version 0.1: that it is for this series was not checked."
)
_NO_DEFOCUS = (
    "The steps of the defocus are not known, so that they are those of the network's training was "
    "not checked, and the images were not registered: give --defocus-angstrom or "
    "--defocus-step-angstrom."
)


class Doubt(NamedTuple):
    """Why not to rely on a wave: a few words for its picture, and a sentence."""

    heading: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user says of a series; the names are those of `exitwave.reconstruct`."""

    pixel_angstrom: float | None = None
    energy_kev: float | None = None
    defocus_angstrom: tuple[float, ...] | None = None
    defocus_step_angstrom: float | None = None
    frames: tuple[int, ...] | None = None
    frames_per_image: int = 1
    dark_level: float | None = None
    dark_reference: str | None = None
    gain_reference: str | None = None
    dose_per_square_angstrom: float | None = None

    def __post_init__(self) -> None:
        """Demand values that mean something.

        Raises
        ------
        ExitwaveError
            Where a number is none that a microscope can have, and where two options contradict.
        """
        for option, value, low, high, unit in (
            ("--pixel-angstrom", self.pixel_angstrom, 0.005, 10.0, "Å"),
            ("--energy-kev", self.energy_kev, 1.0, 3000.0, "keV"),
            ("--dose-per-square-angstrom", self.dose_per_square_angstrom, 1e-3, 1e9, "e/Å²"),
        ):
            if value is not None and not low <= value <= high:
                raise ExitwaveError(
                    f"{option} is {value:g}; give {unit}, from {low:g} to {high:g}."
                )
        foci = (*(self.defocus_angstrom or ()), self.defocus_step_angstrom or 0.0)
        if not all(math.isfinite(focus) for focus in foci):
            raise ExitwaveError(
                "A defocus, or its step, is no finite number; give Å, positive for underfocus."
            )
        if self.defocus_angstrom is not None and self.defocus_step_angstrom is not None:
            raise ExitwaveError(
                "Both --defocus-angstrom and --defocus-step-angstrom were given; give the one that "
                "is known better."
            )
        if self.frames is not None and len(set(self.frames)) < len(self.frames):
            raise ExitwaveError(
                f"--frames names a frame twice ({', '.join(map(str, self.frames))}); name each "
                "once."
            )
        if self.dark_level is not None and not math.isfinite(self.dark_level):
            raise ExitwaveError(f"--dark-level is {self.dark_level:g}; give a finite number.")
        if self.dark_level is not None and self.dark_reference is not None:
            raise ExitwaveError(
                "Both --dark-level and --dark-reference were given; give the one that the frames "
                "were recorded with."
            )

    @property
    def references(self) -> dict[str, Path]:
        """Files with the camera's references, by the names of their options."""
        named = {"dark_reference": self.dark_reference, "gain_reference": self.gain_reference}
        return {name: Path(path) for name, path in named.items() if path is not None}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The images that a network gets.

    Attributes
    ----------
    images : (y, x, frame) array of float32
        In the camera's unit, on pixels that the network was trained with.
    pixel : float
        Side of a pixel [Å].
    energy : float
        Energy of the electrons [keV].
    defocus : tuple of float, optional
        Of each image [Å]; positive is underfocus.
    conditions : Conditions
        To be compared with what a network was trained for.
    titles : tuple of str
        One for each image.
    notes : tuple of str
        What was done, a sentence each.
    doubts : tuple of Doubt
        Why not to rely on what comes of them.
    """

    images: NDArray[np.float32]
    pixel: float
    energy: float
    defocus: tuple[float, ...] | None
    conditions: Conditions
    titles: tuple[str, ...]
    notes: tuple[str, ...]
    doubts: tuple[Doubt, ...]


def prepare(
    measured: MeasuredSeries, request: Request, taken: int | None, domain: TrainingDomain | None
) -> Prepared:
    """Return the images that a network gets, or all of them, and what is known of them.

    Parameters
    ----------
    measured : MeasuredSeries
        The frames.
    request : Request
        What the user says of them.
    taken : int or None
        Images that the network takes; None for all in their own order, without a network.
    domain : TrainingDomain or None
        What it was trained for, where it says that.

    Raises
    ------
    ExitwaveError
        Where something is not known that has to be, or request and files do not fit.
    """
    pixel = request.pixel_angstrom or require_pixel(measured)
    energy = request.energy_kev or require_energy(measured)
    frames = _chosen_frames(measured, request)
    count = require_images(len(frames), request.frames_per_image, taken or 1)
    defocus, is_absolute = _defocus(measured, request, frames, count, taken or count)
    chosen, notes = tuple(range(count)), list[str]()
    if taken is not None:
        chosen = choose_images(defocus or [0.0] * count, taken, domain if defocus else None)
        notes = _notes_on_choice(count, taken, chosen)
    images, doubts = _corrected_images(measured, request, frames, chosen, notes)
    if taken is not None and (domain is None or domain.energy_kev is None):
        doubts.append(Doubt("The network does not say what it is for", _NO_DOMAIN))
    if defocus is None and taken is not None and taken > 1:
        doubts.append(Doubt("The defoci are not known", _NO_DEFOCUS))
    electrons = float(np.mean([image.mean(dtype=np.float64) for image in images]))
    dose = electrons / pixel**2 if measured.intensity_unit == "e" else None
    dose = request.dose_per_square_angstrom or dose
    wanted = pixel
    if domain is not None and domain.sampling_angstrom is not None:
        wanted = resampled_size(images[0].shape, pixel, domain.sampling_angstrom)
    _require_some_size(images[0].shape, pixel, wanted)
    is_coarse = domain is not None and wanted < pixel / _COARSEST
    if wanted != pixel:
        images = [resample(image, pixel, wanted) for image in images]
        notes.append(f"The images were resampled from {pixel:.4g} to {wanted:.4g} Å per pixel.")
    foci = None if defocus is None else tuple(defocus[image] for image in chosen)
    steps = None if foci is None or len(foci) < 2 else np.diff(foci)
    notes.append(
        f"Energy {energy:g} keV, pixel {pixel:.4g} Å"
        + (", dose not known" if dose is None else f", {dose:.3g} e/Å² in an image")
        + (", steps of the defocus not known." if steps is None and len(images) > 1 else ".")
    )
    return Prepared(
        images=np.stack(images, axis=-1),
        pixel=wanted,
        energy=energy,
        defocus=foci,
        conditions=Conditions(
            images=len(images),
            energy_kev=(energy, energy),
            # Resampling does not bring back what coarse pixels have lost.
            sampling_angstrom=(pixel, pixel) if is_coarse else (wanted, wanted),
            defocus_angstrom=(min(foci), max(foci)) if foci and is_absolute else None,
            defocus_step_angstrom=None if steps is None else (float(min(steps)), float(max(steps))),
            dose_per_square_angstrom=None if dose is None else (dose, dose),
        ),
        titles=tuple(
            f"Image {place + 1}" + ("" if foci is None else f": Δf = {defocus_text(foci[place])}")
            for place in range(len(images))
        ),
        notes=tuple(notes),
        doubts=tuple(doubts),
    )


def defocus_text(defocus: float) -> str:
    """Return a defocus [Å] with its sign, for a picture."""
    return f"{round(defocus) or 0:+d} Å".replace("-", "−")


def _require_some_size(size: tuple[int, ...], pixel: float, wanted: float) -> None:
    """Refuse images in which a network has nothing to see."""
    if min(size) * pixel < _LEAST_PX * wanted:
        raise ExitwaveError(
            f"The images are {size[0]} x {size[1]} px of {pixel:g} Å, that is "
            f"{size[0] * pixel / wanted:.0f} x {size[1] * pixel / wanted:.0f} px of the network's "
            f"{wanted:.4g} Å, but {_LEAST_PX} px each way are the least; check the pixel, or give "
            "larger images."
        )


def _notes_on_choice(count: int, taken: int, chosen: tuple[int, ...]) -> list[str]:
    notes = []
    if count > taken:
        notes.append(
            f"Of {count} images the network is given numbers {', '.join(map(str, chosen))}, the "
            "first being 0."
        )
    elif chosen != tuple(range(count)):
        notes.append("The order of the images is turned round, as in the network's training.")
    return notes


def _corrected_images(
    measured: MeasuredSeries,
    request: Request,
    frames: Sequence[int],
    chosen: Sequence[int],
    notes: list[str],
) -> tuple[list[NDArray[np.float32]], list[Doubt]]:
    """Return sums of frames without what the camera adds, and doubts about its references."""
    together = request.frames_per_image
    camera = read_camera(measured, request.dark_level, **request.references)
    notes += camera.notes
    used = [frames[image * together + place] for image in chosen for place in range(together)]
    images, hot = [], 0
    for image in sums_of_frames(measured.intensity, used, together):
        clean, replaced = without_hot_pixels(camera.corrected(image, together))
        images.append(clean)
        hot += replaced
    if hot:
        notes.append(f"{hot} hot pixels were replaced by the median of their neighbours.")
    if request.dark_level is not None:
        notes.append(f"A dark level of {request.dark_level:g} was taken off each frame.")
    doubts = [Doubt("Not a gain reference?", camera.warning)] if camera.warning else []
    for number, image in enumerate(images):
        if not np.ptp(image) > 0:
            raise ExitwaveError(
                f"Image {number} of the series, the first being 0, has one value everywhere "
                f"({image.flat[0]:g}); give frames of a specimen."
            )
    below = max(float(np.mean(image < 0)) for image in images)
    if below > _MOST_BELOW:
        doubts.append(
            Doubt(
                "Many pixels below 0",
                f"{100 * below:.0f} % of the pixels of an image are below 0 without the dark "
                "level: check --dark-level or --dark-reference, and that no background was taken "
                "off.",
            )
        )
    return images, doubts


def _chosen_frames(measured: MeasuredSeries, request: Request) -> Sequence[int]:
    count = len(measured.frames)
    if request.frames is None:
        return range(count)
    if bad := [frame for frame in request.frames if not 0 <= frame < count]:
        raise ExitwaveError(
            f"There is no frame {bad[0]} in {', '.join(measured.sources)}; --frames takes numbers "
            f"from 0 to {count - 1}."
        )
    return request.frames


def _defocus(
    measured: MeasuredSeries, request: Request, frames: Sequence[int], count: int, taken: int
) -> tuple[list[float] | None, bool]:
    """Return the defoci of the images [Å], and whether their zero is known."""
    if request.defocus_angstrom is not None:
        if len(request.defocus_angstrom) != count:
            raise ExitwaveError(
                f"--defocus-angstrom names {len(request.defocus_angstrom)} defoci, but there are "
                f"{count} images; give one for each."
            )
        return list(request.defocus_angstrom), True
    if request.defocus_step_angstrom is not None:
        return [request.defocus_step_angstrom * image for image in range(count)], False
    if measured.defocus_angstrom is None and count == taken:
        return None, False
    found = np.array(require_defocus(measured))[list(frames)]
    return [float(each) for each in found.reshape(count, -1).mean(axis=1)], False


def doubts_about(
    microscope: MicroscopeDraw, network: str, domain: TrainingDomain | None
) -> list[Doubt]:
    """Say which fitted aberrations lie far outside of what the network was trained for."""
    if domain is None:
        return []
    warnings = []
    for words, unit, value, limits, tolerance in (
        (
            "Cs",
            "µm",
            microscope.spherical_aberration / ANGSTROM_PER_MICROMETRE,
            domain.spherical_aberration_micrometre,
            2.0,
        ),
        ("astigmatism", "Å", microscope.astigmatism, domain.astigmatism_angstrom, 10.0),
        ("coma", "Å", microscope.coma, domain.coma_angstrom, 400.0),
    ):
        if limits is None or limits[0] - tolerance <= value <= limits[1] + tolerance:
            continue
        warnings.append(
            Doubt(
                "Fitted aberrations are outside of the training",
                f"The network {network} was trained for a {words} of {limits[0]:g} to "
                f"{limits[1]:g} {unit}, but {value:.3g} {unit} were fitted to the series: check "
                "energy, pixel and the sign of the defocus.",
            )
        )
    return warnings


def outside_of(
    domains: Sequence[tuple[str, TrainingDomain | None]], conditions: Conditions
) -> tuple[str, ...]:
    """Say in what a series lies outside of what networks were trained for."""
    return tuple(
        f"The network {name} is not for this series: {violation}."
        for name, domain in domains
        if domain is not None
        for violation in domain.violations(conditions)
    )
