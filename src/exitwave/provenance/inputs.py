"""What a result was made from: its input files by name and digest, and the database behind them.

Each file holds it beside its spec as the attribute ``inputs``, JSON of lists by the name of the
command's argument, with ``database`` for what the catalog read. Paths are those of the call.

>>> of_stores(training=[Path("training/00.nc")])
{'training': [{'path': 'training/00.nc', 'digest': '5a…'}], 'database': [{'path': 'c2db.db', …}]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import exitwave.samples  # noqa: F401  The schemas of all stores.
from exitwave.errors import ExitwaveError
from exitwave.files.checks import content_digest
from exitwave.files.documents import find_document, read_document
from exitwave.files.reader import StoreReader
from exitwave.networks.portable import find_portable, read_content
from exitwave.provenance.attributes import Origin


class Entry(TypedDict):
    """One file, or the folder of a network: its path in the call, its digest and its size."""

    path: str
    digest: str
    bytes: NotRequired[int]


Inputs = dict[str, list[Entry]]

DATABASE = "database"


def of_file(path: Path) -> Entry:
    """Return the entry of a file that is read as a whole."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        return {"path": str(path), "digest": digest.hexdigest(), "bytes": path.stat().st_size}
    except OSError as error:
        raise ExitwaveError(
            f"{path} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def of_stores(**groups: Sequence[Path]) -> Inputs:
    """Return the entries of stores, with the digests that `exitwave digest` prints."""
    described: Inputs = {}
    made_from = []
    for name, paths in groups.items():
        described[name] = []
        for path in paths:
            described[name].append({"path": str(path), "digest": content_digest(path)})
            with StoreReader(path) as reader:
                made_from.append(recorded(Origin.of(reader.attributes)))
    return described | _databases(*made_from)


def of_manifest(manifest: Path) -> Inputs:
    """Return the entry of a shard's manifest, and the database that the catalog names."""
    catalog = find_document(manifest.parent.parent / "summary.json", Origin)
    return {"manifest": [of_file(manifest)]} | _databases(recorded(catalog or Origin()))


def of_network(folder: Path) -> Inputs:
    """Return the entry of a trained network, by the digest of the file with its weights."""
    made_from = of_networks([folder])
    return {"network": made_from.pop("networks"), **made_from}


def of_networks(folders: Sequence[Path]) -> Inputs:
    """Return the entries of trained networks, or of exports to ONNX, in their order."""
    entries, made_from = [], []
    for folder in folders:
        portable = find_portable(folder)
        if portable is not None:
            origin = Origin.of(read_content(portable))
        else:
            origin = read_document(folder / "network.json", Origin)
        made_from.append(recorded(origin))
        entry = of_file(portable or folder / "model.keras")
        entry["path"] = str(folder)
        entries.append(entry)
    return {"networks": entries} | _databases(*made_from)


def joined(first: Inputs, second: Inputs) -> Inputs:
    """Return the inputs of both, each database once."""
    return first | second | _databases(first, second)


def recorded(origin: Origin) -> Inputs:
    """Return the inputs that a file lists; none in files of old versions."""
    found: Inputs = json.loads(origin.inputs or "{}")
    return found


def _databases(*made_from: Inputs) -> Inputs:
    """Return each database behind some files once; the built-in table is none."""
    found: list[Entry] = []
    for inputs in made_from:
        found += [entry for entry in inputs.get(DATABASE, ()) if entry not in found]
    return {DATABASE: found} if found else {}
