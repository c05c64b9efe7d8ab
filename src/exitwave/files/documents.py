"""JSON documents beside the stores: written as plain JSON, read back as frozen types.

>>> write_document(path, asdict(summary))
>>> read_document(path, CatalogSummary).rows
9
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text

Document = TypeVar("Document")

_REMEDY = "run snakemake again to make it"


def write_document(path: Path, content: Mapping[str, object]) -> None:
    """Replace a document; see `nan_to_null` for numbers that JSON does not have.

    Raises
    ------
    ExitwaveError
        Where the file cannot be written.
    """
    write_text(path, json.dumps(nan_to_null(content), indent=1, allow_nan=False) + "\n")


def nan_to_null(value: object) -> object:
    """Return the same value with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {key: nan_to_null(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [nan_to_null(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_document(path: Path, kind: type[Document]) -> Document:
    """Read a document of a known type; keys that the type does not have are passed over.

    Parameters
    ----------
    path : Path
        A JSON file that a stage wrote.
    kind : type
        A frozen dataclass. Its fields with a default may be absent from the file.

    Raises
    ------
    ExitwaveError
        Where the file is missing, damaged or not of this type.
    """
    try:
        found: Document = _reader(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise ExitwaveError(f"{path} cannot be read ({error}); {_REMEDY}.") from error
    except ValidationError as error:
        raise ExitwaveError(f"{path} cannot be read ({_complaint(error)}); {_REMEDY}.") from error
    return found


def find_document(path: Path, kind: type[Document]) -> Document | None:
    """Return a document, or None where it is missing, half written or not of this type."""
    try:
        return read_document(path, kind)
    except ExitwaveError:
        return None


def parsed(text: str, kind: type[Document]) -> Document:
    """Return the value of a known type that a text holds as JSON.

    Raises
    ------
    ValueError
        Where it holds none.
    """
    found: Document = _reader(kind).validate_json(text)
    return found


def read_json(path: Path) -> dict[str, JsonValue]:
    """Read a JSON object of which only its reader knows what it should hold.

    Raises
    ------
    ExitwaveError
        Where the file is missing, damaged or holds no object.
    """
    return read_document(path, dict[str, JsonValue])


_READERS: dict[object, TypeAdapter[Any]] = {}


def _reader(kind: Any) -> TypeAdapter[Any]:
    # To make one takes longer than to read a small document.
    if kind not in _READERS:
        _READERS[kind] = TypeAdapter(kind)
    return _READERS[kind]


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
