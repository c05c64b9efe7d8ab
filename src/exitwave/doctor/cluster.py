"""Checks of `exitwave doctor` on Slurm: its commands, controller, partitions and accounting."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yte

from exitwave.doctor import CHECKOUT
from exitwave.doctor.finding import Finding, good, problem
from exitwave.doctor.slurm_site import SITE, Resource, Resources
from exitwave.errors import ExitwaveError

_COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")
_SECONDS = 30


@dataclass(frozen=True)
class Profile:
    """What a profile of Snakemake says of where jobs run."""

    path: Path
    values: Mapping[str, object]

    @property
    def submits(self) -> bool:
        """Whether jobs go to Slurm."""
        return str(self.values.get("executor", "")) == "slurm"

    @property
    def status_command(self) -> str:
        """The command by which Snakemake asks for the state of jobs."""
        return str(self.values.get("slurm-status-command") or "sacct").split()[0]

    def resources(self) -> dict[str, Resources]:
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

    def requests(self) -> list[Request]:
        """Return what the first attempt of each rule's jobs asks for."""
        shared = self.resources()["default"]
        threads = _mapping(self.values.get("set-threads"))
        asked: dict[str, Resources] = {"default-resources": {}, **self.resources()}
        del asked["default"]
        return [
            Request.of(rule, {**shared, **own}, int(threads.get(rule, 1)))
            for rule, own in asked.items()
        ]


@dataclass(frozen=True)
class Request:
    """What the jobs of a rule ask Slurm for."""

    rule: str
    partition: str = ""
    """Several may stand with commas between; empty for the cluster's default."""
    cores: int = 1
    megabytes: float = 0
    minutes: float = 0
    gpus: int = 0

    @classmethod
    def of(cls, rule: str, resources: Resources, cores: int) -> Request:
        """Take it from resources as Snakemake names them."""

        def number(name: str) -> float:
            value = resources.get(name, 0)
            # An expression, of which Snakemake makes a number for each attempt.
            known = {"__builtins__": {}, "attempt": 1, "threads": cores}
            with contextlib.suppress(Exception):
                return float(eval(str(value).strip("'\""), known))
            return 0.0

        partition = str(resources.get("slurm_partition") or "").strip("'\"")
        sizes = (number(name) for name in ("mem_mb", "runtime", "gpu"))
        megabytes, minutes, gpus = sizes
        return cls(rule, partition, cores, megabytes, minutes, int(gpus))


def read_profile(name: str) -> Profile:
    """Read a profile by its name or its folder.

    Raises
    ------
    ExitwaveError
        Where there is none, or it is not YAML.
    """
    folders = [Path(name), Path("profiles", name), CHECKOUT / "profiles" / name]
    for folder in folders:
        for path in sorted(folder.glob("profile*.yaml")) + sorted(folder.glob("config*.yaml")):
            return Profile(path, _read(path))
    raise ExitwaveError(
        f"There is no profile '{name}' (looked for {' and '.join(map(str, folders[:2]))}); name a "
        "folder of profiles/."
    )


def _read(path: Path) -> dict[str, object]:
    try:
        # As Snakemake reads it.
        values = yte.process_yaml(path.read_text(encoding="utf-8"), require_use_yte=True)
    except Exception as error:
        # The templates of a profile may fail in any way.
        text = " ".join(str(error).split())
        raise ExitwaveError(f"The profile {path} cannot be read: {text}") from None
    return values if isinstance(values, dict) else {}


def _mapping(raw: object) -> Resources:
    """Resources as Snakemake takes them: a mapping, or a list of ``name=value``."""
    if isinstance(raw, dict):
        return raw
    pairs = (str(entry).partition("=") for entry in _listed(raw))
    return {name: value for name, _, value in pairs}


def _listed(raw: object) -> Sequence[object]:
    return raw if isinstance(raw, (list, tuple)) else ()


def _nested(raw: object) -> dict[str, Resources]:
    """The same of rules: nested mappings, or a list of ``rule:name=value``."""
    if isinstance(raw, dict):
        return {rule: _mapping(resources) for rule, resources in raw.items()}
    rules: dict[str, dict[str, Resource]] = {}
    for entry in _listed(raw):
        rule, _, resource = str(entry).partition(":")
        rules.setdefault(rule, {}).update(_mapping([resource]))
    return {**rules}


def check_slurm(profile: Profile | None) -> Iterator[Finding]:
    """Say whether jobs could be submitted by a profile and followed to their end."""
    if profile is not None and profile.submits:
        yield from _check_slurm(profile.requests(), profile.status_command)


def require_slurm(requests: Sequence[Request], status_command: str) -> None:
    """Compare what a run that is about to begin asks for with the cluster.

    Parameters
    ----------
    requests : sequence of Request
        One for each rule whose jobs will be submitted.
    status_command : str
        ``sacct`` or ``squeue``, by which jobs are followed.

    Raises
    ------
    ExitwaveError
        Where jobs would be refused, wait for ever or be lost sight of.
    """
    problems = [
        f"{finding.sentence} {finding.remedy}"
        for finding in _check_slurm(requests, status_command)
        if finding.verdict == "problem"
    ]
    if problems:
        raise ExitwaveError(" ".join(problems))


def _check_slurm(requests: Sequence[Request], status_command: str) -> Iterator[Finding]:
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
    if silence := _silence():
        yield problem("Slurm", silence, _LATER)
        return
    listed = _asked("sinfo", *_LISTED)
    if listed.returncode:
        yield problem("Slurm", f"sinfo fails: {_said(listed)}.", _LATER)
        return
    yield good("Slurm", f"{_asked('sinfo', '--version').stdout.strip()}, the controller answers")
    yield from _check_partitions(requests, [*map(_NodeKind.read, listed.stdout.splitlines())])
    yield _check_accounting(status_command)


_LATER = (
    "Look again in some minutes, and ask the administrators if it stays so; finished results are "
    "kept."
)


def require_controller() -> None:
    """Raise `ExitwaveError` where the controller of Slurm does not answer, within seconds."""
    if silence := _silence():
        raise ExitwaveError(f"{silence} {_LATER}")


def _silence() -> str:
    # Other commands would ask again and again, for minutes.
    ping = _asked("scontrol", "ping", seconds=5)
    said = _said(ping)
    return f"The controller of Slurm does not answer: {said}." if ping.returncode else ""


# A line for each kind of node of each partition; a star marks the default.
_LISTED = ("--noheader", "--exact", "--format=%P|%l|%m|%c|%G")


@dataclass(frozen=True)
class _NodeKind:
    """Nodes of a partition that are alike, and the partition's limit."""

    partition: str
    default: bool
    minutes: float
    megabytes: float
    cores: int
    gpu: bool

    @classmethod
    def read(cls, line: str) -> _NodeKind:
        name, limit, memory, cores, gres = line.split("|")
        return cls(
            name.rstrip("*"),
            name.endswith("*"),
            _minutes(limit),
            float(memory.rstrip("+")),
            int(cores.rstrip("+")),
            "gpu" in gres,
        )

    def lacks(self, request: Request) -> str:
        """What a request asks for that there is not; nothing where it would run."""
        if request.minutes > self.minutes:
            return f"{request.minutes:.0f} min (runtime), of at most {self.minutes:.0f}"
        if request.cores > self.cores:
            return f"{request.cores} cores (set-threads), of at most {self.cores}"
        if request.megabytes > self.megabytes:
            return f"{request.megabytes:.0f} MB (mem_mb), of at most {self.megabytes:.0f}"
        return "a GPU, and there is none" if request.gpus and not self.gpu else ""


def _minutes(limit: str) -> float:
    """Read Slurm's ``days-hours:minutes:seconds``, of which the first may be absent."""
    if limit in ("infinite", "n/a"):
        return math.inf
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours, minutes, _ = [0, 0, 0, *parts][-3:]
    return 1440 * int(days or 0) + 60 * hours + minutes


def _check_partitions(requests: Sequence[Request], kinds: list[_NodeKind]) -> Iterator[Finding]:
    there = sorted({kind.partition for kind in kinds})
    default = ",".join({kind.partition for kind in kinds if kind.default})
    named: dict[str, list[str]] = {}
    for request in requests:
        for name in (request.partition or default).split(","):
            named.setdefault(name.strip(), []).append(request.rule)
    choice = f"Name one of the cluster's in {SITE}: {', '.join(there) or 'none is shown'}."
    for name, rules in named.items():
        if not name:
            yield problem("partition", "None is named, and the cluster has no default.", choice)
        elif name not in there:
            yield problem(
                "partition", f"There is no '{name}', to which {_all(rules)} would go.", choice
            )
    refused = [text for request in requests if (text := _refusal(request, default, kinds))]
    for text in refused:
        yield problem("request", text, f"Slurm would let it wait for ever; ask for less in {SITE}.")
    if not refused and {*named} <= {*there}:
        yield good("partition", f"{', '.join(named)} can run what is asked for")


def _refusal(request: Request, default: str, kinds: list[_NodeKind]) -> str:
    name = request.partition or default
    lacking = [kind.lacks(request) for kind in kinds if kind.partition in name.split(",")]
    if not lacking or "" in lacking:
        return ""
    return f"{request.rule} asks the partition {name} for {lacking[0]}."


def _all(rules: list[str]) -> str:
    names = sorted({*rules})
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), names[-1]])


def _check_accounting(status_command: str) -> Finding:
    """Without a database `sacct` fails, and Snakemake would wait for its answer without end."""
    if status_command != "sacct":
        return good("accounting", f"not needed: {status_command} reports the state of jobs")
    answer = _asked("sacct", "--noheader", "--allocations", "--starttime=now")
    if not answer.returncode:
        return good("accounting", "sacct answers")
    return problem(
        "accounting",
        f"sacct, by which jobs are followed, fails: {_said(answer)}.",
        f"Set `status_command: squeue` in {SITE}.",
    )


def _asked(*command: str, seconds: float = _SECONDS) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {seconds:.0f} s")


def _said(answer: subprocess.CompletedProcess[str]) -> str:
    return " ".join((answer.stderr or answer.stdout).split()).rstrip(".") or "nothing was said"
