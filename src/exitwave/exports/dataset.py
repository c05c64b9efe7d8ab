"""Export a data set, portion by portion, with what a reader needs to know of it.

Into the folder of the export it writes

| file | content |
|---|---|
| ``{portion}/`` | the format's files of one store, such as ``epochs/3_images/training/00/`` |
| ``{portion}/index.json`` | variables with units, sizes, spec, versions, checksums of files |
| ``index.json`` | the portions, with the digest of the content of each |
| ``README.md`` | the data set's card, where it has one |

A portion under its final name is complete, so an export that was killed goes on where it was.

>>> export_dataset(epochs(Path("results/mos2")), Path("results/mos2"), "numpy", Path("export"))
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exitwave import __version__
from exitwave.errors import ExitwaveError
from exitwave.exports.formats import FORMATS
from exitwave.exports.portions import Portion
from exitwave.files.atomic import replacing, replacing_folder, write_text
from exitwave.workflow import layout

logger = logging.getLogger(__name__)

INDEX = "index.json"
CARD = "README.md"


def export_dataset(
    portions: Sequence[Portion], dataset: Path, format_name: str, output: Path
) -> None:
    """Write portions of a data set in another format.

    Portions that were exported before stay in the index, and are not written again while their
    content is the same.

    Parameters
    ----------
    portions : sequence of Portion
        What to export.
    dataset : Path
        Folder of the data set in the results.
    format_name : str
        A module of `exitwave.exports.formats`.
    output : Path
        Folder of the export.

    Raises
    ------
    ExitwaveError
        Where there is no such format, a store is damaged, the folder holds another export, or a
        file cannot be written.
    """
    chosen = FORMATS[format_name]
    head = {"dataset": dataset.name, "format": format_name, "exitwave_version": __version__}
    listed = _before(output, head)
    for portion in portions:
        digest, folder = portion.digest, output / portion.name
        if _exported(folder) == digest:
            logger.info("%s is kept: it holds the same samples.", folder)
        else:
            with replacing_folder(folder) as temporary:
                chosen.write(portion, temporary)
                index = _description(portion, digest, temporary)
                write_text(temporary / INDEX, json.dumps(index, indent=1, ensure_ascii=False))
        listed[portion.name] = {
            "kind": portion.schema.kind,
            "samples": portion.sizes["sample"],
            "content_digest": digest,
            "index_sha256": _sha256(folder / INDEX),
        }
    card = dataset.parent / layout.CARD.format(dataset=dataset.name)
    if card.exists():
        with replacing(output / CARD) as temporary:
            temporary.write_bytes(card.read_bytes())
    whole = {**head, "portions": dict(sorted(listed.items()))}
    write_text(output / INDEX, json.dumps(whole, indent=1))


def _before(output: Path, head: dict[str, str]) -> dict[str, Any]:
    """Return the portions that the index of an earlier export lists."""
    if not (output / INDEX).exists():
        return {}
    index = _read(output / INDEX)
    for key in ("dataset", "format"):
        if index.get(key) != head[key]:
            raise ExitwaveError(
                f"{output} holds an export of another {key} ({index.get(key)} in place of "
                f"{head[key]}); give another --output, or remove that folder."
            )
    portions: dict[str, Any] = index["portions"]
    return {name: entry for name, entry in portions.items() if (output / name / INDEX).exists()}


def _exported(folder: Path) -> str | None:
    """Return the digest of the content that a finished portion holds."""
    if not (folder / INDEX).exists():
        return None
    return str(_read(folder / INDEX).get("content_digest"))


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error}); remove it and export again."
        ) from error
    return values


def _description(portion: Portion, digest: str, folder: Path) -> dict[str, object]:
    return {
        "kind": portion.schema.kind,
        "content_digest": digest,
        "sizes": dict(portion.sizes),
        "ragged": portion.schema.ragged,
        "variables": {
            variable.name: {
                "dimensions": variable.dimensions,
                "dtype": variable.dtype,
                "units": variable.units,
                "long_name": variable.long_name,
            }
            for variable in portion.variables
        },
        "attributes": dict(portion.attributes),
        "files": {
            path.relative_to(folder).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
