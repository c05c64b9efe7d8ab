"""From the frames of a microscope to the images that a network takes.

Frames are summed into images, chosen and put into the order of the network's training, and
resampled onto its pixels; `exitwave.reconstruction.camera` takes off what the camera added.

>>> images = sums_of_frames(series.intensity, frames=range(90), together=10)
>>> chosen = choose_images([-80, -60, -40, -20, 0, 20, 40, 60, 80], 3, network.domain)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.networks.domain import TrainingDomain

Image = NDArray[np.float32]


def require_images(frames: int, together: int, taken: int) -> int:
    """Return how many images frames make.

    Raises
    ------
    ExitwaveError
        Where their number is no multiple of those in an image, or the network takes more images.
    """
    if together < 1 or frames % together:
        raise ExitwaveError(
            f"{frames} frames cannot be summed by {together} into images; give a divisor of their "
            "number as --frames-per-image, or other --frames."
        )
    if frames // together < taken:
        raise ExitwaveError(
            f"The series has {frames // together} images, but the network takes {taken}; record "
            "more, or take a network that was trained for as many."
        )
    return frames // together


def sums_of_frames(
    frame: Callable[[int], Image], frames: Sequence[int], together: int = 1
) -> list[Image]:
    """Sum the frames of a movie, so many for each image.

    Parameters
    ----------
    frame : callable
        Returns a frame (y, x) by its number.
    frames : sequence of int
        Numbers of the frames that are used.
    together : int
        Frames in an image.

    """
    images = []
    for first in range(0, len(frames), together):
        image = np.array(frame(frames[first]), dtype=np.float32)
        for number in frames[first + 1 : first + together]:
            image += frame(number)
        images.append(image)
    return images


def choose_images(
    defocus_angstrom: Sequence[float], images: int, domain: TrainingDomain | None
) -> tuple[int, ...]:
    """Return which images of a series a network gets, in the order of its training.

    At even distances in the series, with the steps that are nearest to those of the training, and
    among equals those in the middle.

    Parameters
    ----------
    defocus_angstrom : sequence of float
        Of each image, at least as many as the network takes; an offset common to all does not
        matter.
    images : int
        How many the network takes.
    domain : TrainingDomain or None
        What it was trained for; where its steps are not recorded, the widest ones are taken.
    """
    count = len(defocus_angstrom)
    if images == 1:
        return ((count - 1) // 2,)
    steps = None if domain is None else domain.defocus_step_angstrom
    wanted = None if steps is None else (steps[0] + steps[1]) / 2
    candidates = []
    for stride in range(1, (count - 1) // (images - 1) + 1):
        for first in range(count - stride * (images - 1)):
            chosen = tuple(first + stride * place for place in range(images))
            for order in (chosen, chosen[::-1]):
                found = np.diff([defocus_angstrom[place] for place in order])
                # All trainings have the defocus rise.
                falls = wanted is None and bool(np.min(found) < 0)
                off = -stride if wanted is None else float(np.max(np.abs(found - wanted)))
                centred = abs(first + stride * (images - 1) / 2 - (count - 1) / 2)
                candidates.append((falls, round(off, 6), centred, order != chosen, order))
    return min(candidates)[-1]


def resampled_size(size: tuple[int, int], pixel: float, limits: tuple[float, float]) -> float:
    """Return the pixel [Å] onto which images are brought for a network; their own where it fits.

    Parameters
    ----------
    size : (int, int)
        Of the images [pixel].
    pixel : float
        Side of their pixels [Å].
    limits : (float, float)
        Pixels of the network's training [Å].
    """
    low, high = limits
    if low <= pixel <= high:
        return pixel
    # So that the field is a whole number of pixels along its longer side.
    longest = max(size) * pixel
    return longest / round(2 * longest / (low + high))


def resample(image: Image, pixel: float, wanted: float) -> Image:
    """Bring an image onto other pixels by cutting or extending its cosine spectrum.

    The cosine transform is the Fourier transform of the image and its mirror images, so no jump
    between opposite borders rings. The field stays as it is, to half a pixel at its far borders.

    Parameters
    ----------
    image : (y, x) array
        Intensities.
    pixel, wanted : float
        Sides of the pixels before and after [Å].

    Returns
    -------
    (y, x) array of float32
        With the same mean.
    """
    if pixel == wanted:
        return image
    height, width = (max(1, round(side * pixel / wanted)) for side in image.shape)
    return resample_to(image, (height, width))


def resample_to(image: Image, size: tuple[int, int]) -> Image:
    """Bring an image onto so many pixels along y and x in the same field; see `resample`."""
    spectrum = scipy.fft.dctn(np.asarray(image, dtype=np.float32), norm="ortho", workers=1)
    kept = np.zeros(size, dtype=np.float32)
    rows, columns = (min(old, new) for old, new in zip(image.shape, size, strict=True))
    kept[:rows, :columns] = spectrum[:rows, :columns]
    kept *= np.float32(np.sqrt(kept.size / image.size))
    return np.asarray(scipy.fft.idctn(kept, norm="ortho", workers=1), dtype=np.float32)
