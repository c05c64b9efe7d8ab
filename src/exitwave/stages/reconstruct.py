"""From a microscope's focal series to its exit wave, by networks that were trained for it.

>>> found = reconstruct(["series.mrc"], ["results/networks/mos2"], "wave.nc", energy_kev=80)
>>> found.wave.shape, found.sampling_angstrom
((2048, 2048), 0.105)
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE
from exitwave.networks.domain import Conditions, TrainingDomain
from exitwave.networks.tiles import TILE_PX, predict_in_tiles
from exitwave.networks.trained import (
    TrainedNetwork,
    load_network,
    read_domain,
    read_settings,
)
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.reconstruction.preparation import (
    choose_images,
    require_images,
    resample,
    resampled_size,
    sums_of_frames,
    without_hot_pixels,
)
from exitwave.reconstruction.reading import (
    MeasuredSeries,
    read_series,
    require_defocus,
    require_energy,
    require_pixel,
)
from exitwave.reconstruction.registration import register
from exitwave.reconstruction.results import write_wave

logger = logging.getLogger(__name__)

_PRECISION = "float32"
# The paper's, of networks that do not say it [Å].
_SMEAR = 0.15


class OutsideDomainError(ExitwaveError):
    """A series that a network was not trained for; each argument is a sentence."""


@dataclass(frozen=True, kw_only=True)
class Reconstructed:
    """An exit wave and what it was made from.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave; of several networks the mean.
    sampling_angstrom : float
        Side of a pixel [Å].
    images : (y, x, frame) array of float32
        What the networks were given, over the mean of the series.
    disagreement : (y, x) array of float32 or None
        Standard deviation of several networks' waves.
    notes : tuple of str
        What was found, used and done, a sentence each.
    warnings : tuple of str
        In what the series lies outside of what the networks were trained for.
    """

    wave: NDArray[np.complex64]
    sampling_angstrom: float
    images: NDArray[np.float32]
    disagreement: NDArray[np.float32] | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What a user says of a series."""

    pixel_angstrom: float | None
    energy_kev: float | None
    defocus_angstrom: tuple[float, ...] | None
    defocus_step_angstrom: float | None
    frames: tuple[int, ...] | None
    frames_per_image: int
    dark_level: float
    align: bool
    force: bool
    tile_px: int


@dataclass(frozen=True)
class _Prepared:
    images: list[NDArray[np.float32]]
    pixel: float
    energy: float
    defocus: list[float] | None
    conditions: Conditions
    titles: list[str]


def reconstruct(
    series: Sequence[str | Path],
    networks: Sequence[str | Path],
    output: str | Path,
    *,
    pixel_angstrom: float | None = None,
    energy_kev: float | None = None,
    defocus_angstrom: Sequence[float] | None = None,
    defocus_step_angstrom: float | None = None,
    frames: Sequence[int] | None = None,
    frames_per_image: int = 1,
    dark_level: float = 0.0,
    align: bool = True,
    force: bool = False,
    tile_px: int = TILE_PX,
) -> Reconstructed:
    """Reconstruct the exit wave of a focal series, and write it as NetCDF with a picture beside it.

    Parameters
    ----------
    series : sequence of path
        One file with all frames, or several in the order of the frames; see
        `exitwave.reconstruction.reading`.
    networks : sequence of path
        Folders of trained networks; of several, the mean of their waves is the result, and their
        disagreement says where not to trust it.
    output : path
        The NetCDF file.
    pixel_angstrom, energy_kev : float, optional
        In place of what the files say: side of a pixel [Å] and energy of the electrons [keV].
    defocus_angstrom : sequence of float, optional
        Of each image [Å]; positive is underfocus.
    defocus_step_angstrom : float, optional
        From an image to the next [Å], where no more is known.
    frames : sequence of int, optional
        Numbers of the frames that are used, the first being 0; by default all.
    frames_per_image : int
        So many frames that follow each other are one image.
    dark_level : float
        Value of a pixel without electrons, in the numbers of the file.
    align : bool
        Register the images, see `exitwave.reconstruction.registration`; that needs their defoci.
    force : bool
        Go on where a network was not trained for the series.
    tile_px : int
        Longest side of a tile, see `exitwave.networks.tiles`.

    Raises
    ------
    OutsideDomainError
        Where a network was not trained for the series.
    ExitwaveError
        Where a file cannot be read, or something is not known that has to be.
    """
    request = _Request(
        pixel_angstrom=pixel_angstrom,
        energy_kev=energy_kev,
        defocus_angstrom=None if defocus_angstrom is None else tuple(defocus_angstrom),
        defocus_step_angstrom=defocus_step_angstrom,
        frames=None if frames is None else tuple(frames),
        frames_per_image=frames_per_image,
        dark_level=dark_level,
        align=align,
        force=force,
        tile_px=tile_px,
    )
    for option, value in (("--pixel-angstrom", pixel_angstrom), ("--energy-kev", energy_kev)):
        if value is not None and not 0 < value < math.inf:
            raise ExitwaveError(f"{option} is {value:g}; give a number above 0.")
    folders = [Path(folder) for folder in networks]
    taken = {read_settings(folder).images for folder in folders}
    if len(taken) > 1:
        raise ExitwaveError(
            f"The networks take series of {', '.join(map(str, sorted(taken)))} images; give "
            "networks that take the same number."
        )
    measured = read_series([Path(path) for path in series])
    domains = [(str(folder), read_domain(folder)) for folder in folders]
    notes = list(measured.notes)
    prepared = _prepared(measured, request, taken.pop(), domains[0][1], notes)
    warnings = _outside(domains, prepared.conditions)
    if warnings and not force:
        raise OutsideDomainError(*warnings)
    images = np.stack(prepared.images, axis=-1)
    # In 16 bits the wave would depend on the tiles.
    loaded = [load_network(folder, precision=_PRECISION) for folder in folders]
    if align and len(prepared.images) > 1:
        images = _registered(images, loaded[0], prepared, request, notes)
    waves = [
        predict_in_tiles(
            network, images, prepared.pixel, tile_px, f"tiles of {network.name}", force
        )
        for network in loaded
    ]
    images /= np.float32(images.mean(dtype=np.float64))
    wave = np.asarray(np.mean(waves, axis=0), dtype=np.complex64)
    disagreement = None
    if len(waves) > 1:
        square = sum(np.abs(each - wave) ** 2 for each in waves)
        disagreement = np.asarray(np.sqrt(square / (len(waves) - 1)), dtype=np.float32)
    found = Reconstructed(
        wave=wave,
        sampling_angstrom=prepared.pixel,
        images=images,
        disagreement=disagreement,
        notes=tuple(notes),
        warnings=warnings,
    )
    _write(found, Path(output), series, folders, request, prepared)
    return found


def _prepared(
    measured: MeasuredSeries,
    request: _Request,
    taken: int,
    domain: TrainingDomain | None,
    notes: list[str],
) -> _Prepared:
    """Return the images that the network gets, and what is known of them."""
    pixel = request.pixel_angstrom or require_pixel(measured)
    energy = request.energy_kev or require_energy(measured)
    frames = _chosen_frames(measured, request)
    together = request.frames_per_image
    count = require_images(len(frames), together, taken)
    defocus, is_absolute = _defocus(measured, request, frames, count, taken)
    chosen = choose_images(defocus or [0.0] * count, taken, domain if defocus else None)
    if domain is None or domain.energy_kev is None:
        notes.append(
            "The network's folder does not say which energy, defocus and dose it was trained for, "
            "as those of version 0.1: that it fits this series was not checked."
        )
    if count > taken:
        notes.append(
            f"Of {count} images the network is given numbers {', '.join(map(str, chosen))}, the "
            "first being 0."
        )
    elif chosen != tuple(range(count)):
        notes.append("The order of the images is turned round, as in the network's training.")
    used = [frames[image * together + place] for image in chosen for place in range(together)]
    images, hot = [], 0
    for image in sums_of_frames(lambda frame: measured.intensity(frame), used, together):
        image -= np.float32(request.dark_level * together * measured.unit_per_value)
        clean, replaced = without_hot_pixels(image)
        images.append(clean)
        hot += replaced
    if hot:
        notes.append(f"{hot} hot pixels were replaced by the median of their neighbours.")
    electrons = float(np.mean([image.mean(dtype=np.float64) for image in images]))
    dose = electrons / pixel**2 if measured.intensity_unit == "e" else None
    wanted = pixel
    if domain is not None and domain.sampling_angstrom is not None:
        wanted = resampled_size(images[0].shape, pixel, domain.sampling_angstrom)
    if wanted != pixel:
        images = [resample(image, pixel, wanted) for image in images]
        notes.append(f"The images were resampled from {pixel:.4g} to {wanted:.4g} Å per pixel.")
    foci = None if defocus is None else [defocus[image] for image in chosen]
    steps = None if foci is None or len(foci) < 2 else np.diff(foci)
    conditions = Conditions(
        images=len(images),
        energy_kev=(energy, energy),
        sampling_angstrom=(wanted, wanted),
        defocus_angstrom=(min(foci), max(foci)) if foci and is_absolute else None,
        defocus_step_angstrom=None if steps is None else (float(min(steps)), float(max(steps))),
        dose_per_square_angstrom=None if dose is None else (dose, dose),
    )
    notes.append(
        f"Energy {energy:g} keV, pixel {pixel:.4g} Å"
        + (", dose not known" if dose is None else f", {dose:.3g} e/Å² in an image")
        + (", steps of the defocus not known." if steps is None and len(images) > 1 else ".")
    )
    titles = [
        f"Image {place + 1}"
        + ("" if foci is None else f": Δf = {foci[place]:+.0f} Å".replace("-", "−"))
        for place in range(len(images))
    ]
    return _Prepared(images, wanted, energy, foci, conditions, titles)


def _registered(
    images: NDArray[np.float32],
    network: TrainedNetwork,
    prepared: _Prepared,
    request: _Request,
    notes: list[str],
) -> NDArray[np.float32]:
    if prepared.defocus is None:
        notes.append("The images were not registered, since their defoci are not known.")
        return images
    smear = network.domain.target_smear_angstrom if network.domain is not None else None

    def predict(part: NDArray[np.float32]) -> NDArray[np.complex64]:
        return predict_in_tiles(
            network, part, prepared.pixel, request.tile_px, "registering", request.force
        )

    found = register(
        images,
        predict,
        prepared.pixel,
        prepared.energy,
        prepared.defocus,
        _SMEAR if smear is None else smear[0],
    )
    optics = found.optics
    shifts = ", ".join(f"({y:+.2f}, {x:+.2f})" for y, x in optics.shifts / prepared.pixel)
    microscope = optics.microscope
    notes.append(f"The images were registered: they were moved back by (y, x) {shifts} px.")
    notes.append(
        "Fitted with that: defocus "
        f"{', '.join(f'{each:.1f}' for each in microscope.defocus)} Å, Cs "
        f"{microscope.spherical_aberration / ANGSTROM_PER_MICROMETRE:.2f} µm, C12 "
        f"{microscope.astigmatism:.1f} Å at {np.degrees(microscope.astigmatism_angle):.0f}°, C21 "
        f"{microscope.coma:.0f} Å at {np.degrees(microscope.coma_angle):.0f}°; computed and "
        f"measured images differ by {100 * np.sqrt(optics.misfit):.0f} % of their contrast."
    )
    if not found.at_rest:
        notes.append("The registration did not come to rest: do not rely on it.")
    return found.images


def _chosen_frames(measured: MeasuredSeries, request: _Request) -> Sequence[int]:
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
    measured: MeasuredSeries, request: _Request, frames: Sequence[int], count: int, taken: int
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


def _outside(
    domains: Sequence[tuple[str, TrainingDomain | None]], conditions: Conditions
) -> tuple[str, ...]:
    return tuple(
        f"The network {name} is not for this series: {violation}."
        for name, domain in domains
        if domain is not None
        for violation in domain.violations(conditions)
    )


def _write(
    found: Reconstructed,
    output: Path,
    series: Sequence[str | Path],
    folders: Sequence[Path],
    request: _Request,
    prepared: _Prepared,
) -> None:
    from exitwave.figures.reconstruction import plot_reconstruction
    from exitwave.figures.style import drawing

    made_from = inputs.of_networks(folders)
    made_from["series"] = [inputs.of_file(Path(path)) for path in series]
    origin = provenance.attributes("", made_from)
    write_wave(
        output,
        found.wave,
        found.sampling_angstrom,
        found.images,
        {
            **origin,
            "settings": json.dumps(vars(request)),
            "notes": "\n".join(found.notes),
            "warnings": "\n".join(found.warnings),
        },
        found.disagreement,
    )
    heading = "Outside of what the network was trained for" if found.warnings else ""
    with drawing():
        plot_reconstruction(
            found.wave,
            found.images,
            prepared.titles,
            found.sampling_angstrom,
            output.with_suffix(""),
            heading,
            found.disagreement,
        )
