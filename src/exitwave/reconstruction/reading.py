"""A focal series as a microscope's program saved it: one stack, or several files in order.

Read are DigitalMicrograph (.dm3, .dm4), MRC, TIFF, Velox and NCEM (.emd), TIA (.ser), TVIPS,
Semper (.unf), HyperSpy (.hspy) and NumPy (.npy) files; `exitwave.reconstruction.vendor_files` says
how. What a file does not say is None here; `require_pixel`, `require_energy` and `require_defocus`
give the value or a sentence that asks for it.

>>> series = read_series([Path("series.dm4")])
>>> pixel = require_pixel(series)
>>> for frame in range(len(series.frames)):
...     image = series.intensity(frame)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.reconstruction.axes import EQUAL_SIDES
from exitwave.reconstruction.vendor_files import ImageFile, read_file

T = TypeVar("T")

# Energies and pixels of the files of one series may differ by rounding.
_SAME_ENERGY, _SAME_PIXEL = 1e-3, 1e-3


@dataclass(frozen=True, kw_only=True)
class MeasuredSeries:
    """The frames of a focal series and what their files say of them.

    Attributes
    ----------
    frames : (frame, y, x) array
        In the numbers of the file, so that 50 frames of 4096 x 4096 px take the memory of the file
        and no more; one of a .npy file is mapped from it and must not be written. `intensity`
        returns a frame to compute with.
    sampling_angstrom : (float, float), optional
        Sides of a pixel along y and x [Å], equal but for files with pixels of unequal sides.
    energy_kev : float, optional
        Kinetic energy of the electrons [keV].
    defocus_angstrom : tuple of float, optional
        One per frame [Å], as the microscope recorded it. Positive is underfocus, C10 = -defocus,
        as everywhere in exitwave; microscopes display underfocus as negative, so the sign of what
        is in the file is turned. All frames share an unknown offset: the display's zero is where
        the operator last set it.
    exposure_seconds : float, optional
        Exposure of one frame [s].
    intensity_unit : str, optional
        Unit in which the camera is calibrated ('e' for electrons), where the file gives one.
    unit_per_value : float
        (frames - zero_value) * unit_per_value are intensities in that unit; 1 without one.
    zero_value : float
        Value that stands for no electrons.
    sources : tuple of str
        Names of the files, in order.
    notes : tuple of str
        Sentences on what was found in the files and used, or not used.
    """

    frames: NDArray[Any]
    sampling_angstrom: tuple[float, float] | None
    energy_kev: float | None
    defocus_angstrom: tuple[float, ...] | None
    exposure_seconds: float | None
    intensity_unit: str | None
    unit_per_value: float
    zero_value: float
    sources: tuple[str, ...]
    notes: tuple[str, ...]

    def intensity(self, frame: int) -> NDArray[np.float32]:
        """Return a frame's intensities in `intensity_unit`, (y, x) float32, contiguous."""
        values = np.ascontiguousarray(self.frames[frame], dtype=np.float32)
        if self.zero_value or self.unit_per_value != 1:
            values = (values - np.float32(self.zero_value)) * np.float32(self.unit_per_value)
        return values


def read_series(paths: Sequence[Path]) -> MeasuredSeries:
    """Read a focal series.

    Parameters
    ----------
    paths : sequence of Path
        One file with all frames, or several in the order of the frames, of one frame or more each.

    Raises
    ------
    ExitwaveError
        Where a file is missing, cannot be read, or has no images; where a frame has values that
        are not finite; and where files differ in size, pixel or energy.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise ExitwaveError("No file was named; name the files of one focal series, in order.")
    seen = [path.resolve() for path in paths]
    for index, path in enumerate(seen):
        if path in seen[:index]:
            raise ExitwaveError(
                f"{paths[index]} was named twice; name each file of the series once, in order."
            )
    first = read_file(paths[0])
    notes = [*first.notes, *_checked(paths[0], first.frames)]
    joined = first
    if len(paths) > 1:
        joined, more = _join(paths, first)
        notes = _without_repetition(paths, notes + more)
    counts = joined.counts
    return MeasuredSeries(
        frames=_native(joined.frames),
        sampling_angstrom=joined.sampling_angstrom,
        energy_kev=joined.energy_kev,
        defocus_angstrom=joined.defocus_angstrom,
        exposure_seconds=joined.exposure_seconds,
        intensity_unit=None if counts is None else counts[0],
        unit_per_value=1.0 if counts is None else counts[1],
        zero_value=0.0 if counts is None else counts[2],
        sources=tuple(path.name for path in paths),
        notes=tuple(notes),
    )


def require_pixel(series: MeasuredSeries) -> float:
    """Return the side of a pixel [Å].

    Raises
    ------
    ExitwaveError
        Where the files do not say it, or say two: --pixel-angstrom is asked for.
    """
    if series.sampling_angstrom is None:
        raise ExitwaveError(
            f"{_files(series)} not say how large a pixel is; give --pixel-angstrom, the side of a "
            "pixel in Å."
        )
    across, along = series.sampling_angstrom
    if abs(across - along) > EQUAL_SIDES * max(across, along):
        raise ExitwaveError(
            f"{_named(series)} has pixels of unequal sides, {across:.6g} Å along y and "
            f"{along:.6g} Å along x, where a network takes square ones; resample the images, or "
            "give --pixel-angstrom if the file is wrong."
        )
    return along


def require_energy(series: MeasuredSeries) -> float:
    """Return the kinetic energy of the electrons [keV].

    Raises
    ------
    ExitwaveError
        Where the files do not say it: --energy-kev is asked for.
    """
    if series.energy_kev is None:
        raise ExitwaveError(
            f"{_files(series)} not say the energy of the electrons; give --energy-kev, the "
            "microscope's voltage in kV."
        )
    return series.energy_kev


def require_defocus(series: MeasuredSeries) -> tuple[float, ...]:
    """Return the defocus of each frame [Å], positive for underfocus.

    Raises
    ------
    ExitwaveError
        Where the files do not say it: --defocus-angstrom is asked for.
    """
    if series.defocus_angstrom is None:
        raise ExitwaveError(
            f"{_files(series)} not say the defocus of each frame; give --defocus-angstrom, one "
            f"value in Å for each of the {len(series.frames)} frame(s), positive for underfocus."
        )
    return series.defocus_angstrom


def require_frames(series: MeasuredSeries, least: int) -> None:
    """Demand a number of frames.

    Raises
    ------
    ExitwaveError
        Where there are fewer.
    """
    frames = len(series.frames)
    if frames < least:
        raise ExitwaveError(
            f"{_named(series)} has {frames} frame(s), where {least} or more were expected; give "
            "one stack, or all files of the series in order."
        )


def _join(paths: Sequence[Path], first: ImageFile) -> tuple[ImageFile, list[str]]:
    """Return the frames of all files in one array, and what all files say."""
    notes: list[str] = []
    files = [replace(first, frames=first.frames[:0].copy())]
    # Filled as the files are read, so that the series is not in memory twice.
    frames = np.empty((len(paths) * len(first.frames), *first.frames.shape[1:]), first.frames.dtype)
    frames[: len(first.frames)] = first.frames
    end = len(first.frames)
    for path in paths[1:]:
        read = read_file(path)
        notes += [*read.notes, *_checked(path, read.frames)]
        _require_alike(paths[0], first, path, read)
        begin, end = end, end + len(read.frames)
        kind = np.result_type(frames, read.frames)
        if kind != frames.dtype or end > len(frames):
            larger = np.empty((max(end, len(frames)), *frames.shape[1:]), kind)
            larger[:begin] = frames[:begin]
            frames = larger
        frames[begin:end] = read.frames
        files.append(replace(read, frames=read.frames[:0].copy()))
    defoci = [read.defocus_angstrom for read in files]
    defocus = None
    if all(values is not None for values in defoci):
        defocus = tuple(value for values in defoci for value in values or ())
        if len(set(defocus)) == 1:
            notes.append("The files all say the same defocus, which is not used.")
            defocus = None
    elif any(values is not None for values in defoci):
        notes.append("Some of the files say no defocus; that of the others is not used.")
    counts = first.counts if all(read.counts == first.counts for read in files) else None
    if counts is None and any(read.counts for read in files):
        notes.append("The files differ in the unit of their values, which is not used.")
    exposures = {read.exposure_seconds for read in files}
    if len(exposures) > 1:
        notes.append("The files differ in their exposure, which is not used.")
    joined = ImageFile(
        frames[:end],
        _known("pixel", [read.sampling_angstrom for read in files], notes),
        _known("energy", [read.energy_kev for read in files], notes),
        defocus,
        exposures.pop() if len(exposures) == 1 else None,
        counts,
    )
    return joined, notes


def _require_alike(one: Path, first: ImageFile, path: Path, read: ImageFile) -> None:
    """Demand that a file can belong to the series that the first one begins."""
    sizes = [f"{file.frames.shape[2]} x {file.frames.shape[1]} px" for file in (first, read)]
    if sizes[0] != sizes[1]:
        raise ExitwaveError(
            f"{path} has frames of {sizes[1]}, but {one} has frames of {sizes[0]}; give the files "
            "of one series, all of the same size."
        )
    ours, its = first.sampling_angstrom, read.sampling_angstrom
    if ours and its and not np.allclose(ours, its, rtol=_SAME_PIXEL, atol=0):
        raise ExitwaveError(
            f"{path} has pixels of {its[1]:.6g} Å, but {one} has pixels of {ours[1]:.6g} Å; give "
            "the files of one series, all of the same magnification."
        )
    energy, other = first.energy_kev, read.energy_kev
    if energy and other and not math.isclose(energy, other, rel_tol=_SAME_ENERGY):
        raise ExitwaveError(
            f"{path} was taken at {other:g} keV, but {one} at {energy:g} keV; give the files of "
            "one series."
        )


def _known(what: str, values: Sequence[T | None], notes: list[str]) -> T | None:
    """Return the first value that is known; a note says where it is used for other files."""
    known = [value for value in values if value is not None]
    if known and len(known) < len(values):
        notes.append(f"Some of the files do not say the {what}; that of the others is used.")
    return known[0] if known else None


def _checked(path: Path, frames: NDArray[Any]) -> list[str]:
    """Demand finite values; return sentences on frames that can hardly be images."""
    empty = []
    for index, frame in enumerate(frames):
        least, most = frame.min(), frame.max()
        # Both are NaN where any value is.
        if not (np.isfinite(least) and np.isfinite(most)):
            wrong = int(np.count_nonzero(~np.isfinite(frame)))
            raise ExitwaveError(
                f"Frame {index + 1} of {path} has {wrong} value(s) that are no finite numbers, "
                "where intensities were expected; leave that frame out, or fill them in."
            )
        if least == most:
            empty.append(str(index + 1))
    if not empty:
        return []
    return [f"{path.name} has frames of one value everywhere, no images: {', '.join(empty)}."]


def _without_repetition(paths: Sequence[Path], notes: Sequence[str]) -> list[str]:
    """Return the notes without those that a later file repeats but for its name."""
    kept: dict[str, str] = {}
    # The longest first: 1.tif is a part of 11.tif.
    names = sorted((path.name for path in paths), key=len, reverse=True)
    for note in notes:
        text = note
        for name in names:
            text = text.removeprefix(name)
        kept.setdefault(text, note)
    return list(kept.values())


def _native(frames: NDArray[Any]) -> NDArray[Any]:
    """Return the frames in the machine's byte order, which compiled code asks for."""
    return frames.astype(frames.dtype.newbyteorder("="), copy=False)


def _named(series: MeasuredSeries) -> str:
    if len(series.sources) == 1:
        return series.sources[0]
    return f"The series {series.sources[0]} to {series.sources[-1]}"


def _files(series: MeasuredSeries) -> str:
    if len(series.sources) == 1:
        return f"{series.sources[0]} does"
    return f"The files {series.sources[0]} to {series.sources[-1]} do"
