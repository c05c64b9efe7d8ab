"""The images in one file of a microscope, in the order frame, y, x, and what the file says of them.

RosettaSciIO reads the formats. What it returns differs from format to format: which axis is which,
in which unit, and where the voltage is. Here it becomes one form, and what is no series of images
is refused.

>>> read_file(Path("series.dm4")).frames.shape
(20, 2048, 2048)
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.reconstruction import vendor_metadata
from exitwave.reconstruction.axes import (
    ENERGIES,
    image_axes,
    is_reciprocal,
    pixel_sides,
    step_angstrom,
    unit_of,
)
from exitwave.reconstruction.completeness import (
    MRC_HEADER_BYTES,
    ByteOrder,
    mrc_byte_order,
    require_complete,
)
from exitwave.reconstruction.velox import frame_documents

Frames = NDArray[Any]

# RosettaSciIO's module for each ending.
READERS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".hspy": "hspy",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".ser": "tia",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".tvips": "tvips",
    ".unf": "semper",
}
ENDINGS = (*READERS, ".npy")
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst")
_EXPORT = "export the images from the program that made them as TIFF or MRC"


@dataclass(frozen=True)
class ImageFile:
    """What one file holds; see `exitwave.reconstruction.reading.MeasuredSeries`.

    Attributes
    ----------
    frames : (frame, y, x) array
        Numbers of the file's own type.
    sampling_angstrom : (float, float), optional
        Sides of a pixel along y and x [Å].
    energy_kev : float, optional
    defocus_angstrom : tuple of float, optional
        One per frame; positive is underfocus.
    exposure_seconds : float, optional
    counts : (str, float, float), optional
        Unit of the intensities, its size, and the value that is zero; see `vendor_metadata.counts`.
    notes : tuple of str
        Sentences on what was found.
    """

    frames: Frames
    sampling_angstrom: tuple[float, float] | None = None
    energy_kev: float | None = None
    defocus_angstrom: tuple[float, ...] | None = None
    exposure_seconds: float | None = None
    counts: tuple[str, float, float] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Images:
    """One data set of a file: its array, its axes in the array's order, and its metadata."""

    data: Frames
    axes: list[Mapping[str, Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    original: Mapping[str, Any] = field(default_factory=dict)


def read_file(path: Path) -> ImageFile:
    """Read the images of one file.

    Parameters
    ----------
    path : Path
        Its ending says the format: one of `ENDINGS`.

    Raises
    ------
    ExitwaveError
        Where there is no such file, where it cannot be read, or holds something else than images.
    """
    _require_readable(path)
    if path.suffix.lower() == ".npy":
        return ImageFile(_numpy_frames(path), notes=(f"{path.name} has frames and nothing else.",))
    images, notes = _choose(path, _data_sets(path))
    return _described(path, images, notes)


def _require_readable(path: Path) -> None:
    ending = path.suffix.lower()
    if path.is_dir() and ending != ".zspy":
        raise ExitwaveError(
            f"{path} is a folder, where a file was expected; name its files, in the order of the "
            "frames."
        )
    if not path.exists():
        raise ExitwaveError(
            f"There is no file {path} (looked for {path.absolute()}); check its name."
        )
    if ending in _PACKED:
        raise ExitwaveError(
            f"{path} is an archive, where a file with images was expected; unpack it and name the "
            "files in it, in the order of the frames."
        )
    if ending == ".emi":
        sers = sorted(
            entry.name
            for entry in path.parent.iterdir()
            if entry.suffix.lower() == ".ser"
            and entry.stem in (path.stem, path.stem + "_" + entry.stem.rpartition("_")[2])
        )
        raise ExitwaveError(
            f"{path} describes images that are in another file; give "
            + (" or ".join(sers) if sers else f"the .ser file of the same name ({path.stem}_1.ser)")
            + " instead, and keep the .emi beside it: the voltage is read from it."
        )
    if ending == ".zspy":
        raise ExitwaveError(
            f"{path} is a zspy store, which is not read here; save it from HyperSpy as .hspy."
        )
    if ending not in ENDINGS:
        raise ExitwaveError(
            f"{path} ends in '{path.suffix}', which is none of the formats that are read "
            f"({', '.join(ENDINGS)}); {_EXPORT}."
        )
    part = re.fullmatch(r"(.*_)(\d+)", path.stem)
    if ending == ".tvips" and part and int(part[2]):
        first = f"{part[1]}{'0' * len(part[2])}{path.suffix}"
        raise ExitwaveError(f"{path} continues {first}, with which it is read; give {first} alone.")
    try:
        require_complete(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _numpy_frames(path: Path) -> Frames:
    try:
        frames: Frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path, error) from error
    no_images = _no_images(_Images(frames, []))
    if no_images:
        raise _refused(path, no_images)
    return frames if frames.ndim == 3 else frames[np.newaxis]


def _data_sets(path: Path) -> list[_Images]:
    """Return all that RosettaSciIO finds in a file."""
    kind = READERS[path.suffix.lower()]
    options: dict[str, Any] = {}
    order: ByteOrder = "<"
    if kind == "emd":
        # Spectra of a Velox file can be many times larger than its images.
        options["select_type"] = "images"
    elif kind == "mrc":
        with path.open("rb") as file:
            order = options["endianness"] = mrc_byte_order(file.read(MRC_HEADER_BYTES))
    failure = None
    with warnings.catch_warnings():
        # They speak of what a reader guessed, and of files that it leaves open where it fails.
        warnings.simplefilter("ignore")
        try:
            found = _reader(kind)(str(path), lazy=False, **options)
        except MemoryError:
            raise
        except Exception as error:
            # The readers of damaged or unknown files fail in every way there is.
            failure = _unreadable(path, error)
    if failure is not None:
        raise failure
    extra: dict[str, Any] = {}
    if kind == "mrc":
        extra = {"fei_extended": vendor_metadata.fei_extended(path)}
    elif kind == "tia":
        extra = vendor_metadata.tia_description(path)
    return [
        _Images(
            _ordered(np.asarray(entry["data"]), order),
            _axes(kind, entry["axes"]),
            entry["metadata"],
            {**entry["original_metadata"], **extra},
        )
        for entry in found
    ]


def _reader(kind: str) -> Callable[..., list[dict[str, Any]]]:
    """Return RosettaSciIO's function for a format; importing all of them takes seconds."""
    if kind == "digitalmicrograph":
        from rsciio.digitalmicrograph import file_reader
    elif kind == "emd":
        from rsciio.emd import file_reader
    elif kind == "hspy":
        from rsciio.hspy import file_reader
    elif kind == "mrc":
        from rsciio.mrc import file_reader
    elif kind == "semper":
        from rsciio.semper import file_reader
    elif kind == "tia":
        from rsciio.tia import file_reader
    elif kind == "tiff":
        from rsciio.tiff import file_reader
    else:
        from rsciio.tvips import file_reader
    reader: Callable[..., list[dict[str, Any]]] = file_reader
    return reader


def _ordered(data: Frames, order: ByteOrder) -> Frames:
    """Return numbers that were read as little-endian in the byte order that they have.

    RosettaSciIO applies the byte order of an MRC file to its header only.
    """
    return data if order == "<" else data.view(data.dtype.newbyteorder(order))


def _axes(kind: str, axes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the axes in the order of the array."""
    if kind == "semper":
        # x, y, z, but the array is indexed [z, y, x].
        return list(reversed(axes))
    if any(axis.get("index_in_array") is None for axis in axes):
        return list(axes)
    return sorted(axes, key=lambda axis: int(axis["index_in_array"]))


def _choose(path: Path, found: Sequence[_Images]) -> tuple[_Images, list[str]]:
    """Return the images that are meant, where a file holds several data sets."""
    if not found:
        raise _refused(path, "nothing that can be read as an image")
    reasons = [_no_images(entry) for entry in found]
    images = [entry for entry, reason in zip(found, reasons, strict=True) if reason is None]
    if not images:
        raise _refused(path, next(reason for reason in reasons if reason is not None))
    stacks = [entry for entry in images if entry.data.ndim > 2] or images
    if len(stacks) > 1:
        raise ExitwaveError(
            f"{path} has {len(stacks)} data sets of images, where one was expected; export the "
            "one that is meant as a file of its own."
        )
    others = len(found) - 1
    notes = [f"{path.name} has {others} more data set(s), which were left out."] if others else []
    return stacks[0], notes


def _no_images(images: _Images) -> str | None:
    """Return what a data set is if it is no image nor stack of images, for a message."""
    units = [unit_of(axis) for axis in images.axes]
    signal = str(vendor_metadata.look_up(images.metadata, ("Signal", "signal_type")) or "")
    dimensions = sum(size > 1 for size in images.data.shape)
    fixed = [axis for axis in images.axes if not axis.get("navigate")]
    if images.data.size == 0:
        return "no values at all"
    if images.data.dtype.names or images.data.dtype.kind == "V":
        return "colour pixels (a picture for the screen)"
    if images.data.dtype.kind == "c":
        return "complex numbers (a wave or a Fourier transform)"
    if images.data.dtype.kind not in "uif":
        return f"values of type {images.data.dtype}, not intensities"
    if any(unit in ENERGIES for unit in units) or signal.startswith(("EELS", "EDS")):
        return "a spectrum image"
    if "diffraction" in signal or any(is_reciprocal(unit) for unit in units):
        return "a diffraction pattern"
    if _diffraction_mode(images.original):
        return "a diffraction pattern"
    if dimensions < 2 or images.data.ndim < 2 or (images.axes and len(fixed) == 1):
        return "a line of values (a spectrum or a profile)"
    if dimensions > 3:
        return f"an array of {dimensions} dimensions (a scan, or a stack of stacks)"
    # NumPy has no axes: pixels of three or four colours are known by their number alone.
    shape = images.data.shape
    if not images.axes and len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
        return "colour pixels (a picture for the screen)"
    return None


def _diffraction_mode(original: Mapping[str, Any]) -> bool:
    """Whether TIA saw the microscope in diffraction mode: a .ser itself always says metres.

    The scanning mode is a diffraction mode, too, but its images are images.
    """
    mode = str(vendor_metadata.look_up(original, ("ObjectInfo", "ExperimentalDescription", "Mode")))
    return "Diffraction" in mode and "STEM" not in mode


def _described(path: Path, images: _Images, notes: list[str]) -> ImageFile:
    """Bring the axes into order, and look up the rest."""
    data, axes = images.data, images.axes
    if len(axes) == data.ndim:
        keep = [index for index, size in enumerate(data.shape) if size > 1 or data.ndim == 2]
        data, axes = data.reshape([data.shape[i] for i in keep]), [axes[i] for i in keep]
    else:
        # No reader should; without axes the order is all there is.
        data, axes = data.squeeze(), [{} for _ in range(data.squeeze().ndim)]
    y, x = image_axes(axes)
    frames = np.moveaxis(data, (y, x), (-2, -1)) if data.ndim > 2 else data.transpose(y, x)[None]
    name = path.name
    original = images.original
    if path.suffix.lower() == ".emd" and len(frames) > 1:
        # RosettaSciIO returns what is said of the first frame.
        original = {**original, "frames": frame_documents(path, len(frames))}
    stack = axes[({0, 1, 2} - {y, x}).pop()] if data.ndim > 2 else None
    if stack is not None and step_angstrom(stack) is not None:
        notes.append(
            f"{name} gives its frames a step of {stack['scale']:g} {stack['units']}, which is not "
            "used."
        )
    sampling = pixel_sides(path.name, axes[y], axes[x], original, notes)
    energy = vendor_metadata.energy_kev(images.metadata, original)
    if energy is not None:
        notes.append(f"{name} says {energy.value:g} keV ({energy.place}).")
    exposure = vendor_metadata.exposure_seconds(images.metadata, original)
    if exposure is not None:
        notes.append(f"{name} says an exposure of {exposure:g} s.")
    counts = vendor_metadata.counts(original)
    if counts is not None:
        notes.append(f"{name} says that a step of its values is {counts[1]:g} {counts[0]}.")
    return ImageFile(
        frames,
        sampling,
        None if energy is None else energy.value,
        _defocus(name, original, len(frames), notes),
        exposure,
        counts,
        tuple(notes),
    )


def _defocus(
    name: str, original: Mapping[str, Any], frames: int, notes: list[str]
) -> tuple[float, ...] | None:
    found = vendor_metadata.defocus_angstrom(original, frames)
    if found is None:
        return None
    if frames > 1 and len(set(found.value)) == 1:
        notes.append(
            f"{name} says one defocus for all frames ({found.value[0]:g} Å, {found.place}), "
            "which is not used."
        )
        return None
    values = ", ".join(f"{value:g}" for value in found.value)
    notes.append(
        f"{name} says a defocus of {values} Å ({found.place}, the sign turned so that underfocus "
        "is positive), counted from where the microscope's display was last set to zero."
    )
    return found.value


def _refused(path: Path, what: str) -> ExitwaveError:
    return ExitwaveError(
        f"{path} holds {what}, where images of one focal series were expected; give the file with "
        "the images as the camera took them."
    )


def _unreadable(path: Path, error: Exception) -> ExitwaveError:
    reason = " ".join(str(error).split()) or "no reason given"
    return ExitwaveError(
        f"{path} could not be read as {path.suffix.lower()} ({type(error).__name__}: {reason}): "
        "its copy may be incomplete, or it is of a kind that is not known here; copy it again, or "
        f"{_EXPORT}."
    )
