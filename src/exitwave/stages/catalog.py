"""The catalog of a data set: its materials, their split, the list of samples, the shards.

The folder of a catalog holds

========================  ==========================================================
``materials.csv``         one row a material that was taken, with its row and label
``samples.csv``           one row a sample: material, index, side of the split, shard
``rejected.csv``          one row a database row that was selected but not accepted
``summary.json``          counts, spec, provenance, checksum of the database
``shards/{shard}.json``   one manifest a shard that has samples: all that its job needs
========================  ==========================================================

Every decision is a hash of the material itself, never of its place in the database, so a material
that is added, dropped or changed alters only the manifests of its own shards.

>>> summary = build_catalog(spec, Path("results/mos2/catalog"))
>>> summary["samples"]
{'training': 1000, 'validation': 200}
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import math
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, ValidationError

from exitwave.config.models import Materials, SplitByElements, SplitBySamples
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text
from exitwave.materials.manifest import ManifestSample, write_manifests
from exitwave.materials.material import Counts, Material, Rejected, read_materials
from exitwave.materials.source import BUILT_IN
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.seeds import uniform_hash
from exitwave.workflow.layout import SPLITS
from exitwave.workflow.specs import read_spec

logger = logging.getLogger(__name__)

_MATERIAL_COLUMNS = (
    "material",
    "formula",
    "elements",
    "split",
    "atoms",
    "a_angstrom",
    "b_angstrom",
    "gamma_degrees",
    "thickness_angstrom",
    "label",
    "row",
)
_SAMPLE_COLUMNS = ("material", "sample_index", "split", "shard")
_REJECTED_COLUMNS = ("row", "label", "formula", "reason", "detail")


class _CatalogSpec(BaseModel):
    """The values of `exitwave.workflow.specs.catalog_spec`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    version: int
    seed: int
    dataset: str
    materials: Materials
    parametrization: str
    split: SplitByElements | SplitBySamples
    shards: int


def element_set(numbers: Iterable[int]) -> str:
    """Return the elements of atomic numbers, sorted by symbol: ``Mo-S``."""
    return "-".join(sorted({str(chemical_symbols[number]) for number in numbers}))


def build_catalog(spec: str, output: Path, source: str | None = None) -> dict[str, Any]:
    """Choose the materials of a data set, split them and share their samples out over shards.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.catalog_spec`.
    output : Path
        Folder of the catalog.
    source : str, optional
        Database to read in the place of the spec's.

    Returns
    -------
    dict
        The summary.

    Raises
    ------
    ExitwaveError
        See `exitwave.materials.material.read_materials`; also where one side of the split stays
        empty.
    """
    values = _parsed_spec(spec)
    made_from = source or values.materials.source
    database = _database(made_from)
    accepted, rejected, counts = read_materials(
        made_from,
        values.materials.selection,
        values.materials.max_atoms,
        known_elements(values.parametrization),
    )
    if database != _database(made_from):
        raise ExitwaveError(
            f"{made_from} was changed while it was read; wait until it is whole and run again."
        )
    taken = limited(accepted, values.materials.limit, values.seed, values.dataset)
    samples = [sample for material in taken for sample in _samples(material, values)]
    _require_both_sides(taken, samples, values)
    shards = _shards(samples, values)
    summary = {
        **_summary(taken, shards, rejected, counts, len(accepted)),
        **provenance.attributes(spec, database),
    }
    write_manifests(output / "shards", values.dataset, shards, taken)
    write_text(output / "materials.csv", _materials_table(taken, shards))
    write_text(output / "samples.csv", _samples_table(shards))
    write_text(output / "rejected.csv", _rejected_table(rejected))
    write_text(output / "summary.json", json.dumps(summary, indent=1) + "\n")
    _report(summary, values.dataset)
    return summary


def _database(source: str) -> inputs.Inputs:
    """Return the entry of the database that is read; the built-in table is none."""
    return {} if source == BUILT_IN else {inputs.DATABASE: [inputs.of_file(Path(source))]}


def _parsed_spec(spec: str) -> _CatalogSpec:
    try:
        return _CatalogSpec.model_validate(read_spec(spec, "catalog"))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ExitwaveError(
            f"--spec has an unusable value at {where}; take it from `exitwave spec CONFIG ...`."
        ) from error


def limited(accepted: list[Material], limit: int | None, seed: int, dataset: str) -> list[Material]:
    """Return the materials that are taken, by identifier, so that no row order shows."""

    def draw(material: Material) -> tuple[float, str]:
        return uniform_hash(seed, dataset, "limit", material.identifier), material.identifier

    chosen = sorted(accepted, key=draw)[:limit]
    return sorted(chosen, key=lambda material: material.identifier)


def _samples(material: Material, values: _CatalogSpec) -> list[ManifestSample]:
    split = values.split
    if isinstance(split, SplitBySamples):
        # Even and odd numbers, so that a larger set on one side leaves the other as it is.
        indices = {
            "training": range(0, 2 * split.training_samples, 2),
            "validation": range(1, 2 * split.validation_samples, 2),
        }
        return [
            ManifestSample(material.identifier, index, side)
            for side in SPLITS
            for index in indices[side]
        ]
    elements = element_set(material.numbers)
    is_training = (
        uniform_hash(values.seed, values.dataset, "split", elements) < split.training_share
    )
    return [
        ManifestSample(material.identifier, index, "training" if is_training else "validation")
        for index in range(split.samples_per_material)
    ]


def _require_both_sides(
    taken: list[Material], samples: list[ManifestSample], values: _CatalogSpec
) -> None:
    split = values.split
    if isinstance(split, SplitBySamples) or split.training_share in (0, 1):
        return
    for side in SPLITS:
        if not any(sample.split == side for sample in samples):
            sets = len({element_set(material.numbers) for material in taken})
            raise ExitwaveError(
                f"The {side} side of data set '{values.dataset}' is empty: all {sets} sets of "
                f"elements fell to the other side with split.training_share "
                f"{split.training_share:g}; take more materials, another seed, or split by samples."
            )


def _shards(samples: list[ManifestSample], values: _CatalogSpec) -> dict[int, list[ManifestSample]]:
    """Share samples out; only shards that get any are in the result."""
    shards: dict[int, list[ManifestSample]] = {}
    for sample in samples:
        # A material that is split by samples has far more of them than one job should get.
        by_samples = isinstance(values.split, SplitBySamples)
        key = f"{sample.material}/{sample.sample_index}" if by_samples else sample.material
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        shards.setdefault(int.from_bytes(digest) % values.shards, []).append(sample)
    return dict(sorted(shards.items()))


def _summary(
    taken: list[Material],
    shards: dict[int, list[ManifestSample]],
    rejected: list[Rejected],
    counts: Counts,
    accepted: int,
) -> dict[str, Any]:
    samples = [sample for group in shards.values() for sample in group]
    elements = {material.identifier: element_set(material.numbers) for material in taken}
    sides = {
        side: {sample.material for sample in samples if sample.split == side} for side in SPLITS
    }
    return {
        "rows": counts.rows,
        "matched": counts.matched,
        "lacking_keys": counts.lacking,
        "accepted": accepted,
        "rejected": dict(Counter(entry.reason for entry in rejected).most_common()),
        "taken": len(taken),
        "materials": {side: len(sides[side]) for side in SPLITS},
        "samples": {side: sum(sample.split == side for sample in samples) for side in SPLITS},
        "element_sets": {side: len({elements[name] for name in sides[side]}) for side in SPLITS},
        "shards": len(shards),
    }


def _report(summary: dict[str, Any], dataset: str) -> None:
    for key, number in summary["lacking_keys"].items():
        logger.warning(
            "%s: %d of %d rows lack the key '%s' and so cannot be selected by it",
            dataset,
            number,
            summary["rows"],
            key,
        )
    logger.info(
        "%s: %d rows matched, %d accepted, %d rejected, %d taken; %d training and %d validation "
        "samples in %d shards",
        dataset,
        summary["matched"],
        summary["accepted"],
        sum(summary["rejected"].values()),
        summary["taken"],
        summary["samples"]["training"],
        summary["samples"]["validation"],
        summary["shards"],
    )


def _materials_table(taken: list[Material], shards: dict[int, list[ManifestSample]]) -> str:
    sides: dict[str, set[str]] = {}
    for samples in shards.values():
        for sample in samples:
            sides.setdefault(sample.material, set()).add(sample.split)
    rows = []
    for material in taken:
        (a, _, _), (bx, by, _), _ = material.cell
        rows.append(
            {
                "material": material.identifier,
                "formula": material.formula,
                "elements": element_set(material.numbers),
                "split": "+".join(side for side in SPLITS if side in sides[material.identifier]),
                "atoms": len(material.numbers),
                "a_angstrom": f"{a:.4f}",
                "b_angstrom": f"{math.hypot(bx, by):.4f}",
                "gamma_degrees": f"{math.degrees(math.atan2(by, bx)):.3f}",
                "thickness_angstrom": f"{material.thickness:.4f}",
                "label": material.label,
                "row": "" if material.row is None else material.row,
            }
        )
    return _table(rows, _MATERIAL_COLUMNS)


def _samples_table(shards: dict[int, list[ManifestSample]]) -> str:
    placed = [(sample, shard) for shard, samples in shards.items() for sample in samples]
    rows = [
        {
            "material": sample.material,
            "sample_index": sample.sample_index,
            "split": sample.split,
            "shard": f"{shard:03d}",
        }
        for sample, shard in sorted(placed)
    ]
    return _table(rows, _SAMPLE_COLUMNS)


def _rejected_table(rejected: list[Rejected]) -> str:
    rows = [
        {
            "row": entry.row,
            "label": entry.label,
            "formula": entry.formula,
            "reason": entry.reason,
            "detail": entry.detail,
        }
        for entry in rejected
    ]
    return _table(rows, _REJECTED_COLUMNS)


def _table(rows: list[dict[str, Any]], columns: Collection[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
