"""The catalog of a data set: its materials, their split, the list of samples, the shards.

The folder of a catalog holds

========================  ==========================================================
``materials.csv``         one row per material that was taken, with its row and label
``samples.csv``           one row per sample: material, index, side of the split, shard
``rejected.csv``          one row per database row that was selected but not accepted
``summary.json``          counts, spec, provenance, checksum of the database
``shards/{shard}.json``   one manifest per shard that has samples: all that its job needs
========================  ==========================================================

What is taken, and where it goes, is decided in `exitwave.materials.selection`: a material that is
added, dropped or changed alters only the manifests of its own shards.

>>> summary = build_catalog(spec, Path("results/mos2/catalog"))
>>> summary.samples
{'training': 1000, 'validation': 200}
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from exitwave.config.constraints import BUILT_IN
from exitwave.errors import ExitwaveError
from exitwave.files.documents import write_document
from exitwave.files.tables import write_table
from exitwave.materials.elements import element_set
from exitwave.materials.manifest import ManifestSample, manifest_texts, write_manifests
from exitwave.materials.material import Material, Rejected
from exitwave.materials.selection import SelectedSamples, select_samples
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.summaries.catalog import CatalogSummary
from exitwave.workflow.layout import SPLITS
from exitwave.workflow.specs import CatalogSpec, read_spec

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


def build_catalog(spec: str, output: Path, source: str | None = None) -> CatalogSummary:
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
    CatalogSummary
        What ``summary.json`` says beside the provenance.

    Raises
    ------
    ExitwaveError
        See `exitwave.materials.selection.select_samples`.
    """
    values = read_spec(spec, CatalogSpec)
    made_from = source or values.materials.source
    database = _database(made_from)
    selected = select_samples(
        values.materials,
        values.split,
        values.shards,
        seed=values.seed,
        dataset=values.dataset,
        potentials=known_elements(values.parametrization),
        source=source,
    )
    if database != _database(made_from):
        raise ExitwaveError(
            f"{made_from} was changed while it was read; wait until it is whole and run again."
        )
    taken, shards = selected.materials, selected.shards
    summary = _summary(selected)
    write_manifests(output / "shards", manifest_texts(values.dataset, shards, taken))
    write_table(output / "materials.csv", _material_rows(taken, shards), _MATERIAL_COLUMNS)
    write_table(output / "samples.csv", _sample_rows(shards), _SAMPLE_COLUMNS)
    write_table(output / "rejected.csv", _rejected_rows(selected.rejected), _REJECTED_COLUMNS)
    made = provenance.attributes(spec, database)
    write_document(output / "summary.json", {**asdict(summary), **made})
    _report(summary, values.dataset)
    return summary


def _database(source: str) -> inputs.Inputs:
    """Return the entry of the database that is read; the built-in table is none."""
    return {} if source == BUILT_IN else {inputs.DATABASE: [inputs.of_file(Path(source))]}


def _summary(selected: SelectedSamples) -> CatalogSummary:
    taken, shards, counts = selected.materials, selected.shards, selected.counts
    samples = [sample for group in shards.values() for sample in group]
    elements = {material.identifier: element_set(material.formula) for material in taken}
    sides = {
        side: {sample.material for sample in samples if sample.split == side} for side in SPLITS
    }
    return CatalogSummary(
        rows=counts.rows,
        matched=counts.matched,
        lacking_keys=counts.lacking,
        accepted=selected.accepted,
        rejected=dict(Counter(entry.reason for entry in selected.rejected).most_common()),
        taken=len(taken),
        materials={side: len(sides[side]) for side in SPLITS},
        samples={side: sum(sample.split == side for sample in samples) for side in SPLITS},
        element_sets={side: len({elements[name] for name in sides[side]}) for side in SPLITS},
        shards=len(shards),
    )


def _report(summary: CatalogSummary, dataset: str) -> None:
    for key, number in summary.lacking_keys.items():
        logger.warning(
            "%s: %d of %d rows lack the key '%s' and so cannot be selected by it",
            dataset,
            number,
            summary.rows,
            key,
        )
    logger.info(
        "%s: %d rows matched, %d accepted, %d rejected, %d taken; %d training and %d validation "
        "samples in %d shards",
        dataset,
        summary.matched,
        summary.accepted,
        sum(summary.rejected.values()),
        summary.taken,
        summary.samples["training"],
        summary.samples["validation"],
        summary.shards,
    )


def _material_rows(
    taken: list[Material], shards: dict[int, list[ManifestSample]]
) -> list[dict[str, object]]:
    sides: dict[str, set[str]] = {}
    for samples in shards.values():
        for sample in samples:
            sides.setdefault(sample.material, set()).add(sample.split)
    rows: list[dict[str, object]] = []
    for material in taken:
        (a, _, _), (bx, by, _), _ = material.cell
        rows.append(
            {
                "material": material.identifier,
                "formula": material.formula,
                "elements": element_set(material.formula),
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
    return rows


def _sample_rows(shards: dict[int, list[ManifestSample]]) -> list[dict[str, object]]:
    placed = [(sample, shard) for shard, samples in shards.items() for sample in samples]
    return [
        {
            "material": sample.material,
            "sample_index": sample.sample_index,
            "split": sample.split,
            "shard": f"{shard:03d}",
        }
        for sample, shard in sorted(placed)
    ]


def _rejected_rows(rejected: list[Rejected]) -> list[dict[str, object]]:
    return [
        {
            "row": entry.row,
            "label": entry.label,
            "formula": entry.formula,
            "reason": entry.reason,
            "detail": entry.detail,
        }
        for entry in rejected
    ]
