"""Files as microscopes write them: small ones made here, and a folder of real ones."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from rsciio import emd, hspy, semper, tiff, tvips

CHECKOUT = Path(__file__).parents[2]
VENDOR_FILES = Path(
    os.environ.get("EXITWAVE_VENDOR_FILES", CHECKOUT.parent / "shared" / "vendor_files")
)
needs_vendor_files = pytest.mark.skipif(
    not VENDOR_FILES.is_dir(),
    reason="no files of microscopes: set EXITWAVE_VENDOR_FILES to a folder that has them",
)

MRC_MODES = {"uint8": 0, "int16": 1, "float32": 2, "complex64": 4, "uint16": 6, "float16": 12}


def frames(count=3, rows=6, columns=8, dtype="uint16"):
    """Frames of which no two pixels are equal, so that no axis can be taken for another."""
    return np.arange(count * rows * columns).reshape(count, rows, columns).astype(dtype)


def axis(name, size, scale, units, index, navigate=False):
    return {
        "_type": "UniformDataAxis",
        "name": name,
        "size": size,
        "scale": scale,
        "offset": 0.0,
        "units": units,
        "navigate": navigate,
        "index_in_array": index,
        "is_binned": False,
    }


def signal(data, pixel=(0.01, 0.01), units="nm", names=("y", "x"), signal_type="", **tem):
    """A stack, or one image, with its pixel along y and x, in the form that RosettaSciIO writes."""
    stack = data.ndim - 2
    axes = [axis("z", size, 1.0, "", i, True) for i, size in enumerate(data.shape[:-2])]
    axes += [
        axis(name, size, scale, units, stack + i)
        for i, (name, size, scale) in enumerate(zip(names, data.shape[-2:], pixel, strict=True))
    ]
    return {
        "data": data,
        "axes": axes,
        "metadata": {
            "General": {"title": "series"},
            "Signal": {"signal_type": signal_type},
            "Acquisition_instrument": {"TEM": tem},
        },
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "package_info": {"package": "tests", "package_version": "1"},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
    }


WRITERS = {".hspy": hspy, ".tif": tiff, ".emd": emd, ".tvips": tvips, ".unf": semper}


def write_signal(path, *args, **keywords):
    """Write frames by RosettaSciIO and return the file's path, which a writer may change."""
    module = WRITERS[path.suffix]
    options = {"show_progressbar": False} if path.suffix in (".hspy", ".tvips") else {}
    if path.suffix == ".tvips":
        options["mode"] = keywords.pop("mode", 1)
    module.file_writer(path, signal(*args, **keywords), **options)
    return path if path.exists() else path.with_name(f"{path.stem}_000{path.suffix}")


def write_mrc(path, data, pixel=1.5, order="<", extended=b"", kind=b"", grid=True):
    """Write an MRC file; the pixel in Å, or two along y and x."""
    along_y, along_x = (pixel, pixel) if np.isscalar(pixel) else pixel
    sections, rows, columns = data.shape
    header = bytearray(1024)
    mode = MRC_MODES[data.dtype.name]
    struct.pack_into(f"{order}4i", header, 0, columns, rows, sections, mode)
    if grid:
        struct.pack_into(f"{order}3i", header, 28, columns, rows, sections)
    struct.pack_into(f"{order}3f", header, 40, columns * along_x, rows * along_y, float(sections))
    struct.pack_into(f"{order}i", header, 92, len(extended))
    header[104 : 104 + len(kind)] = kind
    path.write_bytes(
        bytes(header) + extended + data.astype(data.dtype.newbyteorder(order)).tobytes()
    )
    return path


def fei_records(*foci, volts=300e3, pixel=8e-12, exposure=0.5):
    """The extended header of Thermo Fisher's MRC files, a record for each defocus [m]."""
    records = b""
    for defocus in foci:
        record = bytearray(768)
        struct.pack_into("<2i", record, 0, len(record), 0)
        struct.pack_into("<d", record, 84, volts)
        struct.pack_into("<2d", record, 156, pixel, pixel)
        struct.pack_into("<d", record, 220, defocus)
        struct.pack_into("<d", record, 419, exposure)
        records += bytes(record)
    return records


def old_fei_records(*foci, pixel=2e-10, exposure=1.5):
    """FEI's extended header of older files, always of 1024 records; the defocus in m."""
    records = np.zeros((1024, 32), "<f4")
    for index, defocus in enumerate(foci):
        records[index, 7:9] = defocus, exposure
        records[index, 11] = pixel
    return records.tobytes()


TIA_DESCRIPTION = (
    "<ObjectInfo><ExperimentalDescription><Root>{}</Root></ExperimentalDescription></ObjectInfo>"
)
TIA_ENTRY = "<Data><Label>{}</Label><Value>{}</Value><Unit>{}</Unit></Data>"


def write_tia(path, data, pixel_m=1e-11, emi=None):
    """Write a .ser with frames, and beside it an .emi with entries (label, value, unit)."""
    count, rows, columns = data.shape
    elements = []
    for frame in data:
        element = struct.pack("<ddi", 0.0, pixel_m, 0) * 2
        element += struct.pack("<hii", 2, columns, rows) + frame.astype("<u2").tobytes()
        elements.append(element + struct.pack("<hhi", 0x4142, 0, 0))
    dimension = struct.pack("<iddiii", count, 0.0, 1.0, 0, 0, 0)
    table = 30 + len(dimension)
    begin = table + 8 * count
    places = [begin + index * len(elements[0]) for index in range(count)]
    tags = [place + len(elements[0]) - 8 for place in places]
    header = struct.pack("<hhhii", 0x4949, 0x197, 0x210, 0x4122, 0x4152)
    header += struct.pack("<iiii", count, count, table, 1)
    path.write_bytes(
        header + dimension + struct.pack(f"<{2 * count}i", *places, *tags) + b"".join(elements)
    )
    if emi is not None:
        entries = "".join(TIA_ENTRY.format(*entry) for entry in emi)
        name = path.stem.removesuffix("_1")
        path.with_name(f"{name}.emi").write_bytes(
            b"\0JI\xff" + TIA_DESCRIPTION.format(entries).encode() + b"\xfe\0"
        )
    return path
