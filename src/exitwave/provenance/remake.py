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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from exitwave.errors import ExitwaveError
from exitwave.files.reader import StoreReader
from exitwave.provenance import inputs
from exitwave.workflow.specs import ALGORITHM_VERSIONS

# Inputs that are arguments of a command without an option's name before them.
_POSITIONAL = ("stores", "epochs")
# The file of a folder that holds its spec: of a network; of any other result.
_SUMMARIES = ("network.json", "summary.json")


def description(path: Path) -> str:
    """Describe how a store, or the folder of another result, was made.

    Parameters
    ----------
    path : Path
        A store; or the folder of a catalog, a network, an evaluation, an ensemble, a comparison or
        a study of convergence, or a file in one.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    output, attributes = recorded_attributes(path)
    spec = json.loads(attributes["spec"])
    versions = json.loads(attributes["package_versions"])
    facts = {
        "stage": f"{spec.pop('stage')}, algorithm version {spec.pop('version')}",
        "seed": spec.pop("seed"),
        "made": f"{attributes['created']} on {attributes['processor']}",
        "exitwave": f"{attributes['exitwave_version']}, commit {attributes['git_commit']}",
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    lines = [str(output), *(f"  {name:<12}{text}" for name, text in facts.items())]
    for name, entries in inputs.recorded(attributes).items():
        lines += [f"  {name:<12}{_told(entry)}" for entry in entries]
    lines += ["  spec", *(f"    {line}" for line in _readable(spec).splitlines())]
    return "\n".join([*lines, "", *_remedy(output, attributes)])


def command(path: Path) -> str:
    """Return the shell command that makes a result again; its inputs have to be in place.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    return _command(*recorded_attributes(path))


def _command(output: Path, attributes: Mapping[str, Any]) -> str:
    spec = attributes["spec"]
    words = ["exitwave", json.loads(spec)["stage"], "--spec", spec]
    behind = []
    for name, entries in inputs.recorded(attributes).items():
        paths = [entry["path"] for entry in entries]
        if name in _POSITIONAL:
            behind += paths
        elif name != inputs.DATABASE:
            words += [f"--{name}", *paths]
    return shlex.join([*words, "--output", str(output), *behind])


def recorded_attributes(path: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the result that a path belongs to, and what it says of itself.

    Raises
    ------
    ExitwaveError
        Where the file or folder is no result of exitwave.
    """
    if path.suffix == ".nc":
        with StoreReader(path) as reader:
            return path, reader.attributes
    folder = path if path.is_dir() else path.parent
    for name in _SUMMARIES:
        if path.exists() and (folder / name).exists():
            try:
                attributes = json.loads((folder / name).read_text(encoding="utf-8"))
                json.loads(attributes["spec"])
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise ExitwaveError(
                    f"{folder / name} does not say how it was made ({error}); it is damaged or of "
                    "an older version: remove it and run snakemake again."
                ) from error
            return folder, attributes
    raise ExitwaveError(
        f"{path} is no result that says how it was made; give a store (.nc), or the folder of a "
        "catalog, a network, an evaluation, an ensemble, a comparison or a study of convergence."
    )


def _told(entry: Mapping[str, Any]) -> str:
    size = f", {entry['bytes']} bytes" if "bytes" in entry else ""
    return f"{entry['path']} ({entry['digest']}{size})"


def _readable(spec: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(spec), default_flow_style=None, allow_unicode=True, width=90)
    return text


def _remedy(output: Path, attributes: Mapping[str, Any]) -> list[str]:
    """Return the lines behind the description: how to make it again."""
    spec = json.loads(attributes["spec"])
    stage, version = spec["stage"], spec["version"]
    if "inputs" not in attributes:
        return [f"Its inputs are not recorded; let snakemake make it again: snakemake {output}"]
    lines = ["Made again, where the inputs are in place, by", "", _command(output, attributes)]
    if version != ALGORITHM_VERSIONS.get(stage):
        lines[:0] = [
            f"This program computes version {ALGORITHM_VERSIONS.get(stage)} of the stage {stage}: "
            f"check out commit {attributes['git_commit']} first."
        ]
    return lines
