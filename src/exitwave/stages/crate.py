"""Describe a finished run as a Workflow RO-Crate: what there is, how it was made, whose it is.

The folder of the results becomes the crate. Beside the results stand the workflow, its
configuration and ``ro-crate-metadata.json``, which names every result with its size and SHA-256,
and the command that made it from which files (https://w3id.org/ro/crate, Workflow RO-Crate 1.1).

>>> write_crate(configuration, Path("results/ro-crate-metadata.json"), Path("."))
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, SoftwareApplication
from rocrate.rocrate import ROCrate

from exitwave import __version__
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import write_text
from exitwave.provenance import inputs
from exitwave.provenance.remake import command, recorded_origin
from exitwave.workflow import layout

METADATA = layout.CRATE
WORKFLOW = "workflow"
LICENCE = "https://spdx.org/licenses/GPL-3.0-or-later"

# What to cite, by DOI or arXiv's address: the method, the multislice, the specimens.
CITATIONS = {
    "https://arxiv.org/abs/2112.14308": "Larsen et al., Reconstructing the exit wave in "
    "high-resolution transmission electron microscopy using machine learning (2021)",
    "https://doi.org/10.12688/openreseurope.13015.1": "Madsen and Susi, The abTEM code (2021)",
    "https://doi.org/10.1088/1361-648X/aa680e": "Larsen et al., The atomic simulation environment "
    "(2017)",
}
# And where rows of a database went in.
DATABASE_CITATIONS = {
    "https://doi.org/10.1088/2053-1583/aacfc1": "Haastrup et al., The Computational 2D Materials "
    "Database (2018)",
    "https://doi.org/10.1088/2053-1583/ac1059": "Gjerding et al., Recent progress of the "
    "Computational 2D Materials Database (2021)",
}

_MEDIA_TYPES = {
    ".nc": "application/x-netcdf",
    ".csv": "text/csv",
    ".json": "application/json",
    ".html": "text/html",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".keras": "application/zip",
}


def write_crate(configuration: str, output: Path, checkout: Path) -> None:
    """Write the description of a run into the folder of its results.

    Parameters
    ----------
    configuration : str
        The whole configuration, JSON.
    output : Path
        ``ro-crate-metadata.json`` in the folder of the results.
    checkout : Path
        Folder with the ``Snakefile`` and ``workflow/rules``, which are copied beside the results.

    Raises
    ------
    ExitwaveError
        Where there are no results, or one of them does not say how it was made.
    """
    if output.name != METADATA:
        raise ExitwaveError(
            f"An RO-Crate is found by the name of its file; write to {output.with_name(METADATA)}."
        )
    try:
        written = json.dumps(json.loads(configuration), indent=1, sort_keys=True) + "\n"
    except ValueError as error:
        raise ExitwaveError(
            f"--configuration is no JSON ({error}); let `snakemake crate` give it."
        ) from None
    results = output.parent
    made = sorted(_results(results))
    if not made:
        raise ExitwaveError(f"{results} holds no results to describe; run snakemake first.")
    _copy_workflow(written, checkout, results / WORKFLOW)
    crate = ROCrate()
    crate.name = "Simulated HRTEM focal series, exit waves and networks"
    crate.description = (
        "A run of exitwave: data sets of simulated focal series of 2D materials, the exit waves "
        "behind them, networks trained on them and their evaluations."
    )
    _add_workflow(crate, results)
    files = {path: _add_file(crate, results, path) for path in sorted(_files(results))}
    software = crate.add(
        SoftwareApplication(
            crate, "#exitwave", {"name": "exitwave", "version": __version__, "license": LICENCE}
        )
    )
    databases = [
        entry for result in made for entry in _add_action(crate, results, result, files, software)
    ]
    _add_citations(crate, bool(databases))
    write_text(output, json.dumps(crate.metadata.generate(), indent=1, sort_keys=True) + "\n")


def _results(results: Path) -> Iterator[Path]:
    """Yield what `exitwave provenance` can describe: stores, and folders with a summary."""
    for pattern in (layout.STORE, layout.EPOCH, layout.CALIBRATION):
        yield from results.glob(layout.as_glob(pattern))
    for pattern in (
        layout.CATALOG_SUMMARY,
        layout.DESCRIPTION,
        *layout.SUMMARIES.values(),
    ):
        yield from (path.parent for path in results.glob(layout.as_glob(pattern)))


def _files(results: Path) -> Iterator[Path]:
    """Yield all files but logs, checkpoints, hidden ones and the description itself."""
    left_out = {layout.LOGS, layout.BENCHMARKS, "checkpoints", WORKFLOW}
    for path in results.rglob("*"):
        parts = path.relative_to(results).parts
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not hidden and not left_out & set(parts) and path.name != METADATA:
            yield path


def _copy_workflow(configuration: str, checkout: Path, target: Path) -> None:
    if not (checkout / "Snakefile").is_file():
        raise ExitwaveError(f"{checkout} has no Snakefile; give the folder of the checkout.")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(checkout / "workflow" / "rules", target / "workflow" / "rules")
    shutil.copy(checkout / "Snakefile", target / "Snakefile")
    # Those for GPUs as well: which of them was installed, a network's own record says.
    for lock in sorted((checkout / "envs").glob("lock*.txt")):
        shutil.copy(lock, target / lock.name)
    write_text(target / "config.json", configuration)


def _add_workflow(crate: ROCrate, results: Path) -> None:
    crate.add_workflow(dest_path=f"{WORKFLOW}/Snakefile", main=True, lang="snakemake")
    main = crate.mainEntity
    main["name"] = "exitwave"
    main["version"] = __version__
    main["license"] = LICENCE
    parts = [
        _add_file(crate, results, path)
        for path in sorted((results / WORKFLOW).rglob("*"))
        if path.is_file() and path.name != "Snakefile"
    ]
    main["hasPart"] = parts


def _add_file(crate: ROCrate, results: Path, path: Path) -> Any:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    properties = {"contentSize": str(path.stat().st_size), "sha256": checksum}
    if media_type := _MEDIA_TYPES.get(path.suffix):
        properties["encodingFormat"] = media_type
    name = path.relative_to(results).as_posix()
    return crate.add_file(dest_path=name, properties={"name": name, **properties})


def _add_action(
    crate: ROCrate, results: Path, result: Path, files: dict[Path, Any], software: Any
) -> list[inputs.Entry]:
    """Add how one result was made, and return the databases behind it."""
    _, origin = recorded_origin(result)
    recorded = inputs.recorded(origin)
    databases = recorded.pop(inputs.DATABASE, [])
    name = result.relative_to(results).as_posix()
    read = [
        entity
        for entries in recorded.values()
        for entry in entries
        for entity in _within(Path(entry["path"]), files)
    ]
    crate.add_action(
        instrument=software,
        identifier=f"#make-{name.replace('/', '-')}",
        object=[*read, *(_add_database(crate, entry) for entry in databases)],
        result=_within(result, files),
        properties={
            "name": f"{json.loads(origin.spec)['stage']} {name}",
            "description": command(result),
            "endTime": origin.created,
            "softwareVersion": f"{origin.exitwave_version}, {origin.git_commit}",
        },
    )
    return databases


def _within(path: Path, files: dict[Path, Any]) -> list[Any]:
    """Return the files of a result that is one, or a folder; none where it lies elsewhere.

    Figures in the folder are drawn from the result, and what was measured of a network or refined
    for an evaluation is a result of its own: none of these is a part of it.
    """
    wanted = path.absolute()
    return [
        entity
        for known, entity in files.items()
        if known.absolute() == wanted
        or (
            wanted in known.absolute().parents
            and known.parent.name != layout.OWN_FIGURES
            and not _is_apart(known.absolute().relative_to(wanted))
        )
    ]


def _is_apart(inside: Path) -> bool:
    """Whether a file in the folder of a result is another one's."""
    calibration, refinement = Path(layout.CALIBRATION).name, Path(layout.REFINEMENT).name
    return inside == Path(calibration) or inside.parts[0] == refinement


def _add_database(crate: ROCrate, entry: inputs.Entry) -> Any:
    """Add a database by its checksum; it is no part of the crate."""
    identifier = f"#database-{entry['digest']}"
    known = crate.dereference(identifier)
    return known or crate.add(
        ContextEntity(
            crate,
            identifier,
            {
                "@type": "Dataset",
                "name": Path(entry["path"]).name,
                "identifier": f"blake2b:{entry['digest']}",
                "contentSize": str(entry["bytes"]),
            },
        )
    )


def _add_citations(crate: ROCrate, database: bool) -> None:
    wanted = CITATIONS | (DATABASE_CITATIONS if database else {})
    crate.root_dataset["citation"] = [
        crate.add(ContextEntity(crate, address, {"@type": "ScholarlyArticle", "name": title}))
        for address, title in wanted.items()
    ]
