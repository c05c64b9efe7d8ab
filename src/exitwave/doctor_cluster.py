"""Checks of `exitwave doctor` on Slurm: its commands, controller, partitions and accounting."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yte

from exitwave.errors import ExitwaveError
from exitwave.finding import Finding, good, problem
from exitwave.slurm_site import SITE

_COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")
_SECONDS = 30


@dataclass(frozen=True)
class Profile:
    """What a profile of Snakemake says of where jobs run."""

    path: Path
    values: Mapping[str, Any]

    @property
    def submits(self) -> bool:
        """Whether jobs go to Slurm."""
        return str(self.values.get("executor", "")) == "slurm"

    @property
    def status_command(self) -> str:
        """The command by which Snakemake asks for the state of jobs."""
        return str(self.values.get("slurm-status-command") or "sacct").split()[0]

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources of each rule that has its own; those of all under ``default``."""
        return {
            "default": _mapping(self.values.get("default-resources")),
            **_nested(self.values.get("set-resources")),
        }

    def gpu_rules(self) -> list[str]:
        """Return the rules that ask for a GPU."""
        return sorted(
            rule
            for rule, resources in self.resources().items()
            if str(resources.get("gpu", resources.get("gres", 0))) not in ("0", "")
        )

    def partitions(self) -> dict[str, list[str]]:
        """Return the partitions that are asked for, each with the rules that do so.

        The empty name stands for the cluster's default.
        """
        named: dict[str, list[str]] = {}
        if not self.resources()["default"].get("slurm_partition"):
            named[""] = ["default-resources"]
        for rule, resources in self.resources().items():
            # Snakemake's expressions may be quoted twice; several partitions stand with commas.
            for name in re.split(r"[,\s]+", str(resources.get("slurm_partition") or "")):
                if name := name.strip("'\""):
                    named.setdefault(name, []).append(
                        "default-resources" if rule == "default" else rule
                    )
        return named


def read_profile(name: str) -> Profile:
    """Read a profile by its name or its folder.

    Raises
    ------
    ExitwaveError
        Where there is none, or it is not YAML.
    """
    checkout = Path(__file__).resolve().parents[2]
    folders = [Path(name), Path("profiles", name), checkout / "profiles" / name]
    for folder in folders:
        for path in sorted(folder.glob("profile*.yaml")) + sorted(folder.glob("config*.yaml")):
            return Profile(path, _read(path))
    raise ExitwaveError(
        f"There is no profile '{name}' (looked for {' and '.join(map(str, folders[:2]))}); name a "
        "folder of profiles/."
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        # As Snakemake reads it.
        values = yte.process_yaml(path.read_text(encoding="utf-8"), require_use_yte=True)
    except Exception as error:
        # The templates of a profile may fail in any way.
        text = " ".join(str(error).split())
        raise ExitwaveError(f"The profile {path} cannot be read: {text}") from None
    return values if isinstance(values, dict) else {}


def _mapping(raw: Any) -> dict[str, Any]:
    """Resources as Snakemake takes them: a mapping, or a list of ``name=value``."""
    if isinstance(raw, dict):
        return raw
    pairs = (str(entry).partition("=") for entry in raw or [])
    return {name: value for name, _, value in pairs}


def _nested(raw: Any) -> dict[str, dict[str, Any]]:
    """The same of rules: nested mappings, or a list of ``rule:name=value``."""
    if isinstance(raw, dict):
        return {rule: _mapping(resources) for rule, resources in raw.items()}
    rules: dict[str, dict[str, Any]] = {}
    for entry in raw or []:
        rule, _, resource = str(entry).partition(":")
        rules.setdefault(rule, {}).update(_mapping([resource]))
    return rules


def check_slurm(profile: Profile | None) -> Iterator[Finding]:
    """Say whether jobs could be submitted by a profile and followed to their end."""
    if profile is not None and profile.submits:
        yield from _check_slurm(profile.partitions(), profile.status_command)


def require_slurm(partitions: Mapping[str, Collection[str]], status_command: str) -> None:
    """Hold a run that is about to begin against the cluster.

    Parameters
    ----------
    partitions : mapping
        Partitions, each with the rules that ask for it; the empty name stands for the default one.
    status_command : str
        ``sacct`` or ``squeue``, by which jobs are followed.

    Raises
    ------
    ExitwaveError
        Where jobs would be refused, wait for ever or be lost sight of.
    """
    problems = [
        f"{finding.sentence} {finding.remedy}"
        for finding in _check_slurm(partitions, status_command)
        if finding.verdict == "problem"
    ]
    if problems:
        raise ExitwaveError(" ".join(problems))


def _check_slurm(
    partitions: Mapping[str, Collection[str]], status_command: str
) -> Iterator[Finding]:
    asked = sorted({*_COMMANDS, status_command})
    missing = [command for command in asked if shutil.which(command) is None]
    if missing:
        yield problem(
            "Slurm",
            f"Jobs are to go to Slurm, but {', '.join(missing)} cannot be found.",
            "Run on a login node of the cluster; some need `module load slurm`. To stay on this "
            "machine, use --profile local.",
        )
        return
    # Quick, while other commands try to reach a controller for a minute.
    ping = _asked("scontrol", "ping")
    listed = _asked("sinfo", "--noheader", "--format=%P") if not ping.returncode else ping
    if listed.returncode:
        yield problem(
            "Slurm",
            f"The controller of Slurm does not answer: {_said(listed)}.",
            "Look again in some minutes, and ask the administrators if it stays so; finished "
            "results are kept.",
        )
        return
    yield good("Slurm", f"{_asked('sinfo', '--version').stdout.strip()}, the controller answers")
    yield from _check_partitions(partitions, listed.stdout.split())
    yield _check_accounting(status_command)


def _check_partitions(
    partitions: Mapping[str, Collection[str]], listed: list[str]
) -> Iterator[Finding]:
    # A star marks the default.
    there = sorted({name.rstrip("*") for name in listed})
    choice = f"Name one of the cluster's in {SITE}: {', '.join(there) or 'none is shown'}."
    for name, rules in partitions.items():
        if name and name not in there:
            yield problem(
                "partition",
                f"There is no partition '{name}', which {' and '.join(sorted(rules))} would go to.",
                choice,
            )
    if "" in partitions and not any(name.endswith("*") for name in listed):
        yield problem("partition", "None is named, and the cluster has no default.", choice)
    elif found := [name for name in partitions if name in there]:
        yield good("partition", f"{', '.join(found)} can be submitted to")


def _check_accounting(status_command: str) -> Finding:
    """Without a database `sacct` fails, and Snakemake would wait for its answer without end."""
    if status_command != "sacct":
        return good("accounting", f"not needed: {status_command} tells how jobs fare")
    answer = _asked("sacct", "--noheader", "--allocations", "--starttime=now")
    if not answer.returncode:
        return good("accounting", "sacct answers")
    return problem(
        "accounting",
        f"sacct, by which jobs are followed, fails: {_said(answer)}.",
        f"Set `status_command: squeue` in {SITE}.",
    )


def _asked(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_SECONDS} s")


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    return " ".join((answer.stderr or answer.stdout).split()).rstrip(".") or "nothing was said"
