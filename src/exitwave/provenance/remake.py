"""Say how a result was made, and with which command it is made again.

>>> print(description(Path("results/mos2/exit_waves/000.nc")))
results/mos2/exit_waves/000.nc
  stage       simulate, algorithm version 1
  seed        1
...
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import yaml
from pydantic import JsonValue

from exitwave.errors import ExitwaveError
from exitwave.files.documents import read_document
from exitwave.files.reader import StoreReader
from exitwave.provenance import inputs
from exitwave.provenance.attributes import Origin
from exitwave.workflow.specs import ALGORITHM_VERSIONS

# Inputs that are arguments of a command without an option's name before them.
_POSITIONAL = ("stores", "epochs")
# The file of a folder that holds its spec: of a network; of any other result.
_SUMMARIES = ("network.json", "summary.json")
# A result of its own in the folder of another one, whose file holds its spec.
_ALONE = "calibration.json"


def description(path: Path) -> str:
    """Describe how a store, or the folder of another result, was made.

    Parameters
    ----------
    path : Path
        A store; the calibration of a network; or the folder of a catalog, a network, an
        evaluation, its refined series, an ensemble, a comparison or a study of convergence, or a
        file in one.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    output, origin = recorded_origin(path)
    spec = json.loads(origin.spec)
    versions = json.loads(origin.package_versions)
    facts = {
        "stage": f"{spec.pop('stage')}, algorithm version {spec.pop('version')}",
        "seed": spec.pop("seed"),
        "made": f"{origin.created} on {origin.processor}",
        "exitwave": f"{origin.exitwave_version}, commit {origin.git_commit}",
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    lines = [str(output), *(f"  {name:<12}{text}" for name, text in facts.items())]
    for name, entries in inputs.recorded(origin).items():
        lines += [f"  {name:<12}{_told(entry)}" for entry in entries]
    lines += ["  spec", *(f"    {line}" for line in _readable(spec).splitlines())]
    return "\n".join([*lines, "", *_remedy(output, origin)])


def command(path: Path) -> str:
    """Return the shell command that makes a result again; its inputs have to be in place.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    return _command(*recorded_origin(path))


def _command(output: Path, origin: Origin) -> str:
    words = ["exitwave", json.loads(origin.spec)["stage"], "--spec", origin.spec]
    behind = []
    for name, entries in inputs.recorded(origin).items():
        paths = [entry["path"] for entry in entries]
        if name in _POSITIONAL:
            behind += paths
        elif name != inputs.DATABASE:
            words += [f"--{name}", *paths]
    return shlex.join([*words, "--output", str(output), *behind])


def recorded_origin(path: Path) -> tuple[Path, Origin]:
    """Return the result that a path belongs to, and what it says of itself.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    if path.suffix == ".nc":
        with StoreReader(path) as reader:
            return path, Origin.of(reader.attributes)
    if path.name == _ALONE and path.exists():
        return path, _origin_in(path)
    folder = path if path.is_dir() else path.parent
    for name in _SUMMARIES:
        if path.exists() and (folder / name).exists():
            return folder, _origin_in(folder / name)
    raise ExitwaveError(
        f"{path} is no result that says how it was made; give a store (.nc), or the folder of a "
        "catalog, a network, an evaluation, an ensemble, a comparison or a study of convergence."
    )


def _origin_in(path: Path) -> Origin:
    try:
        origin = read_document(path, Origin)
        json.loads(origin.spec)
    except (ExitwaveError, ValueError) as error:
        raise ExitwaveError(
            f"{path} does not say how it was made; it is damaged or of an older version: remove it "
            "and run snakemake again."
        ) from error
    return origin


def _told(entry: inputs.Entry) -> str:
    size = f", {entry['bytes']} bytes" if "bytes" in entry else ""
    return f"{entry['path']} ({entry['digest']}{size})"


def _readable(spec: dict[str, JsonValue]) -> str:
    text: str = yaml.safe_dump(spec, default_flow_style=None, allow_unicode=True, width=90)
    return text


def _remedy(output: Path, origin: Origin) -> list[str]:
    """Return the lines behind the description: how to make it again."""
    spec = json.loads(origin.spec)
    stage, version = spec["stage"], spec["version"]
    if not origin.inputs:
        return [f"Its inputs are not recorded; let snakemake make it again: snakemake {output}"]
    lines = ["Made again, where the inputs are in place, by", "", _command(output, origin)]
    if version != ALGORITHM_VERSIONS.get(stage):
        lines[:0] = [
            f"This program computes version {ALGORITHM_VERSIONS.get(stage)} of the stage {stage}: "
            f"check out commit {origin.git_commit} first."
        ]
    return lines
