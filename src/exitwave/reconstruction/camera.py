"""What a camera adds to its frames, taken off again: dark level, gain, dead and hot pixels.

A frame is corrected as (frame - dark) * gain. Dark level and dark reference are in the numbers that
the files store; a gain reference, as DigitalMicrograph and SerialEM keep it, has values about 1 and
multiplies. Pixels without gain are dead: they get the median of their neighbours.

>>> camera = read_camera(series, None, Path("dark.mrc"), Path("gain.mrc"))
>>> image = camera.corrected(series.intensity(0), frames=1)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from exitwave.errors import ExitwaveError
from exitwave.reconstruction.reading import MeasuredSeries
from exitwave.reconstruction.vendor_files import ImageFile, read_file

Image = NDArray[np.float32]

# A pixel that exceeds the median of its neighbourhood by so many standard deviations of an image's
# pixels about theirs is hot: among 4096² pixels none is by chance, in a lattice no column is.
_HOT = 12.0
# From a median absolute deviation to the standard deviation of a Gaussian.
_SIGMA_PER_DEVIATION = 1.4826
# Cameras have some dead pixels in a thousand; an image with more of them is something else.
_MOST_DEAD = 0.05
# Medians of gain references; those of flat images are counts.
_USUAL_GAIN = (0.5, 2.0)


@dataclass(frozen=True)
class Camera:
    """The corrections of one camera.

    Attributes
    ----------
    dark : float or (y, x) array of float32
        What a frame has without electrons, in the unit of `MeasuredSeries.intensity`.
    gain : (y, x) array of float32, optional
        Factor of each pixel; 0 at dead ones.
    notes : tuple of str
        What was found in the references.
    warning : str
        Why the gain reference may not be one; empty where it looks like one.
    """

    dark: float | Image = 0.0
    gain: Image | None = None
    notes: tuple[str, ...] = ()
    warning: str = ""

    def corrected(self, image: Image, frames: int) -> Image:
        """Return a sum of frames without dark level, with the gain of one pixel everywhere.

        Parameters
        ----------
        image : (y, x) array of float32
            From `MeasuredSeries.intensity`.
        frames : int
            So many are in the sum, each with the dark level.
        """
        found: Image = image - np.float32(frames) * np.asarray(self.dark, dtype=np.float32)
        if self.gain is None:
            return found
        return without_dead_pixels(found * self.gain, self.gain == 0)


def read_camera(
    series: MeasuredSeries,
    dark_level: float | None = None,
    dark_reference: Path | None = None,
    gain_reference: Path | None = None,
) -> Camera:
    """Read the references of the camera that recorded a series.

    They are used pixel by pixel as they lie in the files, so they must have the orientation of the
    frames.

    Parameters
    ----------
    series : MeasuredSeries
        The frames.
    dark_level : float, optional
        Number that a file of the series stores where there are no electrons; it takes the place of
        the zero that DigitalMicrograph gives.
    dark_reference : Path, optional
        The same for each pixel, as an image of one frame's exposure: in the numbers of the series'
        files or, where it says a unit as they do, in that unit.
    gain_reference : Path, optional
        Image that dark-subtracted frames are multiplied by.

    Raises
    ------
    ExitwaveError
        Where a reference cannot be read, is no image of the frames' size, has another unit, or has
        values that cannot be dark level or gain.
    """
    dark: float | Image = 0.0
    gain = None
    notes, warning = [], ""
    if dark_level is not None:
        dark = (dark_level - series.zero_value) * series.unit_per_value
        if series.zero_value:
            notes.append(
                f"The dark level of {dark_level:g} took the place of {series.zero_value:g}, which "
                "the files say is their zero."
            )
    elif dark_reference is not None:
        dark = _dark(dark_reference, series)
        notes.append(
            f"{dark_reference.name}, with a median of {np.median(dark):.4g}, was taken off each "
            "frame."
        )
    if gain_reference is not None:
        gain, warning = _gain(gain_reference, series)
        dead = int(np.count_nonzero(gain == 0))
        notes.append(f"The frames were multiplied by the gain in {gain_reference.name}.")
        if dead:
            notes.append(
                f"{dead} dead pixels, at which {gain_reference.name} is 0 or no number, were "
                "replaced by the median of their neighbours."
            )
    of_other_kind = [
        reference.name
        for reference in (dark_reference, gain_reference)
        if reference is not None and _is_mrc(reference.name) != _is_mrc(series.sources[0])
    ]
    if of_other_kind:
        notes.append(
            f"{' and '.join(of_other_kind)} and {series.sources[0]} are files of two kinds: MRC "
            "files count rows from below, others from above; make sure that all have one "
            "orientation."
        )
    return Camera(dark, gain, tuple(notes), warning)


def _is_mrc(name: str) -> bool:
    return name.lower().endswith((".mrc", ".mrcs"))


def _dark(path: Path, series: MeasuredSeries) -> Image:
    file, values = _reference(path, series, "--dark-reference")
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        raise ExitwaveError(
            f"{path} has {wrong} value(s) that are no finite numbers, where the dark level of each "
            "pixel was expected; fill them in, or give --dark-level."
        )
    if file.counts is None:
        unit_per_value, zero = series.unit_per_value, series.zero_value
    else:
        unit, unit_per_value, zero = file.counts
        if unit != series.intensity_unit:
            raise ExitwaveError(
                f"{path} has values in {unit}, but the frames have "
                + (f"values in {series.intensity_unit}" if series.intensity_unit else "no unit")
                + "; save the dark reference as the frames were saved."
            )
    return np.asarray((values - zero) * unit_per_value, dtype=np.float32)


def _gain(path: Path, series: MeasuredSeries) -> tuple[Image, str]:
    """Return the factors, 0 at dead pixels, and a doubt."""
    file, values = _reference(path, series, "--gain-reference")
    if file.counts is not None:
        _, unit_per_value, zero = file.counts
        values = (values - zero) * unit_per_value
    if np.any(values < 0):
        raise ExitwaveError(
            f"{path} has values below 0, where the gain of each pixel was expected, about 1; give "
            "the camera's gain reference."
        )
    dead = ~(np.isfinite(values) & (values > 0))
    count = int(np.count_nonzero(dead))
    if count > _MOST_DEAD * dead.size:
        raise ExitwaveError(
            f"{path} is 0 or no finite number at {count} of {dead.size} pixels, where the gain of "
            "each was expected, about 1; give the camera's gain reference."
        )
    middle = float(np.median(values[~dead]))
    warning = ""
    if not _USUAL_GAIN[0] <= middle <= _USUAL_GAIN[1]:
        warning = (
            f"{path.name} has values about {middle:.4g}, but a gain reference, which frames are "
            "multiplied by, has values about 1: if it is an image of even illumination, which "
            "frames are divided by, give its mean over it."
        )
    return np.where(dead, 0, values).astype(np.float32), warning


def _reference(
    path: Path, series: MeasuredSeries, option: str
) -> tuple[ImageFile, NDArray[np.float64]]:
    """Read one image of the size of the frames."""
    file = read_file(path)
    if len(file.frames) != 1:
        raise ExitwaveError(
            f"{path} has {len(file.frames)} frames, where {option} takes one image; give their "
            "mean as one."
        )
    sizes = [f"{frames.shape[2]} x {frames.shape[1]} px" for frames in (file.frames, series.frames)]
    if sizes[0] != sizes[1]:
        raise ExitwaveError(
            f"{path} has {sizes[0]}, but the frames have {sizes[1]}; give {option} with the area, "
            "binning and orientation of the frames."
        )
    values: NDArray[Any] = file.frames[0]
    return file, np.asarray(values, dtype=np.float64)


def without_dead_pixels(image: Image, dead: NDArray[np.bool_]) -> Image:
    """Replace dead pixels by the median of their nearest living neighbours.

    Parameters
    ----------
    image : (y, x) array of float32
        Any unit.
    dead : (y, x) array of bool
        Where the image says nothing; its values there are not used.

    Returns
    -------
    (y, x) array of float32
        The median is that of 3 x 3 pixels or, where all of those are dead, of the smallest larger
        square in which some are not.
    """
    filled = image.copy()
    rows, columns = np.nonzero(dead)
    for reach in range(1, max(image.shape)):
        if not len(rows):
            break
        y, x = (offset.ravel() for offset in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        near_rows, near_columns = rows[:, np.newaxis] + y, columns[:, np.newaxis] + x
        at = (near_rows.clip(0, image.shape[0] - 1), near_columns.clip(0, image.shape[1] - 1))
        is_living = (at[0] == near_rows) & (at[1] == near_columns) & ~dead[at]
        # NaN is sorted behind all numbers.
        values = np.sort(np.where(is_living, image[at], np.nan), axis=1)
        count = is_living.sum(axis=1)
        found = count > 0
        each = np.arange(len(rows))
        medians = (values[each, (count - 1) // 2] + values[each, count // 2]) / 2
        filled[rows[found], columns[found]] = medians[found]
        rows, columns = rows[~found], columns[~found]
    return filled


def without_hot_pixels(image: Image) -> tuple[Image, int]:
    """Replace pixels that a cosmic ray or a defect made bright by the median of their neighbours.

    Parameters
    ----------
    image : (y, x) array of float32
        Any unit.

    Returns
    -------
    image : (y, x) array of float32
        The same object where there is none.
    count : int
        Replaced pixels.
    """
    middle = median_filter(image, size=3, mode="reflect")
    excess = image - middle
    spread = _SIGMA_PER_DEVIATION * float(np.median(np.abs(excess)))
    # Of counts so few that most pixels equal their median, that of Poisson's distribution.
    of_poisson = float(np.sqrt(max(float(image.mean()), 0.0)))
    spread = max(spread, of_poisson, float(np.finfo(np.float32).eps))
    hot = excess > _HOT * spread
    count = int(np.count_nonzero(hot))
    return (np.where(hot, middle, image), count) if count else (image, 0)
