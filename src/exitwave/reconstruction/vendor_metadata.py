"""What the metadata of a microscope's file say about energy, defocus, exposure and counts.

Every program has names of its own for them. The metadata are nested dictionaries as RosettaSciIO
returns them; what is looked up stands in the tables below.

Defocus: `exitwave` counts underfocus as positive (C10 = -defocus, docs/physics.md), in Å. The files
that record a defocus (Velox, TIA, FEI's and Thermo Fisher's MRC, NCEM's EMD) repeat what the
microscope displays, in metres (TIA: micrometres), and these microscopes display underfocus as
negative. So the sign is turned. The zero of a display is where the operator last reset it: the
recorded foci have an unknown offset that all frames share.

>>> energy_kev({}, {"microscope": {"high tension": 80000.0}}).value
80.0
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from exitwave.reconstruction.completeness import MRC_HEADER_BYTES, mrc_byte_order

T = TypeVar("T")
ANGSTROM_PER_METRE = 1e10

_DM = ("ImageList", "TagGroup0")
_TIA = ("ObjectInfo", "ExperimentalDescription")
# Where the voltage stands, in V or kV; see `_kilovolts`.
_VOLTAGES = (
    (*_DM, "ImageTags", "Microscope Info", "Voltage"),
    ("Optics", "AccelerationVoltage"),
    ("microscope", "high tension"),
    ("microscope", "voltage"),
    (*_TIA, "High_tension_kV"),
    ("ObjectInfo", "ExperimentalConditions", "MicroscopeConditions", "AcceleratingVoltage"),
    ("ImageDescription", "ElectronGun", "AccelerationVoltage"),
    ("fei_extended", "voltage"),
    ("tvips_header", "ht"),
    ("TVIPS", "TemHighTension"),
)
# Where a defocus stands, and what makes Å of it.
_DEFOCI = (
    (("Optics", "Defocus"), ANGSTROM_PER_METRE),
    (("microscope", "defocus"), ANGSTROM_PER_METRE),
    ((*_TIA, "Defocus_um"), 1e4),
    (("fei_extended", "defocus"), ANGSTROM_PER_METRE),
    (("fei_header", "defocus"), ANGSTROM_PER_METRE),
)
# Where an exposure stands, and what makes seconds of it.
_EXPOSURES = (
    ((*_DM, "ImageTags", "Acquisition", "Parameters", "High Level", "Exposure (s)"), 1.0),
    ((*_DM, "ImageTags", "DataBar", "Exposure Time (s)"), 1.0),
    (("ObjectInfo", "AcquireInfo", "Integration_time_s"), 1.0),
    (("TVIPS", "ExposureTime"), 1e-3),
    (("fei_extended", "exposure"), 1.0),
    (("fei_header", "exp_time"), 1.0),
)
_MAPPED = ("Acquisition_instrument", "TEM")
_BRIGHTNESS = (*_DM, "ImageData", "Calibrations", "Brightness")
# No lens system reaches a millimetre of defocus; FEI's old header may have another unit then.
_MOST_DEFOCUS = 1e7
# Below, a number is a voltage in kV, and above one in V: microscopes have 10 to 3000 kV.
_LEAST_VOLTS = 5000.0
# Places in one record of the extended header of Thermo Fisher's MRC files, and what stands there.
_FEI_RECORD = {"voltage": 84, "pixel_x": 156, "pixel_y": 164, "defocus": 220, "exposure": 419}


@dataclass(frozen=True)
class Found(Generic[T]):
    """A value and where it stood in the file's metadata.

    Attributes
    ----------
    value
        In the unit of the function that returned it.
    place : str
        Names of the nested entries, for a message.
    """

    value: T
    place: str


def look_up(metadata: Mapping[str, Any], place: Sequence[str]) -> Any:
    """Return the entry of nested dictionaries, or None where it is missing."""
    found: Any = metadata
    for name in place:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def energy_kev(metadata: Mapping[str, Any], original: Mapping[str, Any]) -> Found[float] | None:
    """Return the kinetic energy of the electrons [keV].

    Parameters
    ----------
    metadata, original : dict
        What RosettaSciIO calls the metadata, in its own terms, and the original metadata.
    """
    for tree, place in (
        *((original, place) for place in _VOLTAGES),
        (metadata, (*_MAPPED, "beam_energy")),
    ):
        value = _kilovolts(_number(look_up(tree, place)))
        if value is not None:
            return Found(value, _named(place))
    return None


def defocus_angstrom(original: Mapping[str, Any], frames: int) -> Found[tuple[float, ...]] | None:
    """Return the recorded defocus [Å], positive for underfocus: one value, or one per frame.

    A zero everywhere means that none was recorded.

    Parameters
    ----------
    original : dict
        RosettaSciIO's original metadata; "frames" may have those of every frame.
    frames : int
        Frames in the file; further records belong to none.
    """
    documents = original.get("frames", ())
    for place, factor in _DEFOCI:
        values = _numbers([look_up(document, place) for document in documents])
        if len(values) != frames:
            values = _numbers(look_up(original, place))[:frames]
        known = tuple(-value * factor + 0.0 for value in values)
        if any(known) and all(abs(value) < _MOST_DEFOCUS for value in known):
            return Found(known, _named(place))
    return None


def exposure_seconds(metadata: Mapping[str, Any], original: Mapping[str, Any]) -> float | None:
    """Return the exposure of a frame [s]."""
    values = [
        *(_scaled(look_up(original, place), factor) for place, factor in _EXPOSURES),
        _velox_exposure(original),
        _scaled(look_up(metadata, (*_MAPPED, "Detector", "Camera", "exposure")), 1.0),
        _scaled(look_up(metadata, (*_MAPPED, "Camera", "exposure")), 1.0),
    ]
    return next((value for value in values if value is not None and value > 0), None)


def counts(original: Mapping[str, Any]) -> tuple[str, float, float] | None:
    """Return DigitalMicrograph's unit of the intensities, its size and the value that is zero.

    (value in the file - zero) * size is the intensity in that unit.
    """
    brightness = look_up(original, _BRIGHTNESS)
    unit = look_up(brightness or {}, ("Units",))
    size, zero = (_number(look_up(brightness or {}, (name,))) for name in ("Scale", "Origin"))
    if not isinstance(unit, str) or not unit.strip() or not size or size < 0:
        return None
    return unit.strip(), size, zero or 0.0


def tia_description(ser: Path) -> dict[str, Any]:
    """Return what the .emi file beside a .ser file says, in RosettaSciIO's terms, or nothing.

    TIA writes the images of ``name.emi`` into ``name_1.ser``, ``name_2.ser`` and so on, and the
    voltage only into the .emi, as XML between the bytes of a preview.
    """
    stem, _, number = ser.stem.rpartition("_")
    index = int(number) - 1 if stem and number.isdecimal() else 0
    for name in (ser.stem, stem):
        for emi in (ser.with_name(f"{name}{suffix}") for suffix in (".emi", ".EMI") if name):
            if emi.is_file():
                return _tia_object(emi.read_bytes(), index if name == stem else 0)
    return {}


def fei_extended(path: Path) -> dict[str, Any]:
    """Return voltage [V], pixel [m], defocus [m] and exposure [s] from Thermo Fisher's MRC files.

    One value per frame each, from the extended headers 'FEI1' and 'FEI2'; empty without one.
    """
    with path.open("rb") as file:
        header = file.read(MRC_HEADER_BYTES)
        if header[104:108] not in (b"FEI1", b"FEI2") or mrc_byte_order(header) == ">":
            return {}
        frames, length = (struct.unpack_from("<i", header, place)[0] for place in (8, 92))
        extended = file.read(length)
    size = struct.unpack_from("<i", extended)[0] if len(extended) >= 4 else 0
    records = [extended[first : first + size] for first in range(0, frames * size, size or 1)]
    if size < 427 or any(len(record) < size for record in records):
        return {}
    return {
        name: [struct.unpack_from("<d", record, place)[0] for record in records]
        for name, place in _FEI_RECORD.items()
    }


def _tia_object(content: bytes, index: int) -> dict[str, Any]:
    objects = re.findall(rb"<ObjectInfo>.*?</ObjectInfo>", content, re.DOTALL)
    if not objects:
        return {}
    text = objects[min(index, len(objects) - 1)].decode("utf-8", "replace")
    description = {}
    for label, value, unit in re.findall(
        r"<Label>([^<]*)</Label>\s*<Value>([^<]*)</Value>\s*<Unit>([^<]*)</Unit>", text
    ):
        description["_".join(part for part in (label.replace(" ", "_"), unit) if part)] = value
    camera = "Integration_time_s"
    return {
        "ObjectInfo": {
            "ExperimentalDescription": description,
            "AcquireInfo": {camera: description[camera]} if camera in description else {},
        }
    }


def _velox_exposure(original: Mapping[str, Any]) -> float | None:
    """Return the exposure of the detector that made a Velox image [s]."""
    name = look_up(original, ("BinaryResult", "Detector"))
    for detector in (look_up(original, ("Detectors",)) or {}).values():
        if name is not None and look_up(detector, ("DetectorName",)) == name:
            return _number(look_up(detector, ("ExposureTime",)))
    return None


def _kilovolts(value: float | None) -> float | None:
    """Take a voltage for what it must be, V or kV: the files of one program have had both."""
    if value is None or value < 5:
        return None
    return value / 1e3 if value >= _LEAST_VOLTS else value


def _numbers(entry: Any) -> list[float]:
    """Return the finite numbers of an entry, which may be one, text, or an array of any kind."""
    entries = entry.tolist() if hasattr(entry, "tolist") else entry
    found = [
        _number(value) for value in (entries if isinstance(entries, (list, tuple)) else [entries])
    ]
    return [value for value in found if value is not None]


def _number(entry: Any) -> float | None:
    """Return the entry, or the first of several, as a finite number."""
    entry = entry.tolist() if hasattr(entry, "tolist") else entry
    if isinstance(entry, (list, tuple)):
        entry = entry[0] if entry else None
    try:
        value = float(entry)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _scaled(entry: Any, factor: float) -> float | None:
    value = _number(entry)
    return None if value is None else value * factor


def _named(place: Sequence[str]) -> str:
    return " / ".join(place)
