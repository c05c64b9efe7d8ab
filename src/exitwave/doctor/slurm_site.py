"""What only the user's cluster knows: partitions, account and how jobs are followed.

``profiles/slurm/site.yaml``, or the file that the environment variable EXITWAVE_SLURM_SITE names.
The profile of Slurm reads it; without the file all is left to Slurm.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exitwave.doctor import CHECKOUT
from exitwave.errors import ExitwaveError

SITE = CHECKOUT / "profiles/slurm/site.yaml"

Resource = int | float | str
Resources = Mapping[str, Resource]
"""What jobs ask for, by Snakemake's names of it."""


@dataclass(frozen=True)
class Site:
    """The keys of the site file, see ``profiles/slurm/site.example.yaml``."""

    cpu_partition: str = ""
    gpu_partition: str = ""
    account: str = ""
    qos: str = ""
    gpu_model: str = ""
    status_command: str = "sacct"
    jobs: int = 200
    requests: Resources = field(default_factory=dict)
    """``default-resources``: what jobs ask for whose rules do not say otherwise."""
    rule_cores: Mapping[str, int] = field(default_factory=dict)
    """``set-threads``: the cores of each rule."""
    rule_requests: Mapping[str, Resources] = field(default_factory=dict)
    """``set-resources``: what the jobs of each rule ask for."""

    def default_resources(self, profile: Resources) -> dict[str, Resource]:
        """Return what jobs ask for whose rules do not say otherwise."""
        own = {"slurm_partition": self.cpu_partition, "slurm_account": self.account}
        return {**profile, **_filled_in(own), **self.requests}

    def threads(self, profile: Mapping[str, int]) -> dict[str, int]:
        """Return the cores of each rule."""
        return {**profile, **self.rule_cores}

    def resources(self, profile: Mapping[str, Resources]) -> dict[str, dict[str, Resource]]:
        """Return what the jobs of each rule ask for; those with a GPU go to its partition."""
        given = self.rule_requests
        gpu = _filled_in({"slurm_partition": self.gpu_partition, "gpu_model": self.gpu_model})
        merged = {}
        for rule in [*profile, *(given.keys() - profile.keys())]:
            asked = {**profile.get(rule, {}), **given.get(rule, {})}
            merged[rule] = {**(gpu if asked.get("gpu") else {}), **asked}
        return merged


def _filled_in(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


class _Site(BaseModel):
    """The file as it may be written; an empty entry is one that was not filled in."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    cpu_partition: str | None = None
    gpu_partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gpu_model: str | None = None
    status_command: Literal["sacct", "squeue"] | None = None
    jobs: int | None = Field(None, ge=1)
    requests: dict[str, Resource] | None = Field(None, alias="default-resources")
    rule_cores: dict[str, int] | None = Field(None, alias="set-threads")
    rule_requests: dict[str, dict[str, Resource]] | None = Field(None, alias="set-resources")


def read_site() -> Site:
    """Read the site file.

    Raises
    ------
    ExitwaveError
        Where it cannot be read, or a key or a value is none that there is.
    """
    named = os.environ.get("EXITWAVE_SLURM_SITE")
    path = Path(named) if named else SITE
    if not named and not path.exists():
        return Site()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        given = _Site.model_validate({} if raw is None else raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise ExitwaveError(
            f"The site file {path}: {place}: {first['msg']}; see site.example.yaml beside the "
            "profile for what may stand there."
        ) from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise ExitwaveError(f"The site file {path} cannot be read: {text}.") from None
    return Site(**given.model_dump(exclude_none=True))
