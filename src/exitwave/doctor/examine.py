"""Examine the machine, the installation, the cluster and the disk before a run.

Each check is a function that returns a `Finding`; one that fails in an unforeseen way is a problem
like any other, so a broken installation is described too, as far as it can be.

>>> examine("slurm", [], Path("results"))
0
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exitwave.doctor.finding import Finding, problem
from exitwave.errors import ExitwaveError

if TYPE_CHECKING:
    from exitwave.config import Config
    from exitwave.doctor.cluster import Profile

_MARKS = {"good": "✓", "warning": "!", "problem": "✗"}
_PLAIN_MARKS = {"good": "ok", "warning": "! ", "problem": "X "}
_SUBJECT_WIDTH = 16
_TEXT_WIDTH = 100

Check = Callable[[], Finding | Iterable[Finding]]


def examine(profile: str, configs: Sequence[Path], results: Path) -> int:
    """Print what all checks find and return the exit status.

    Parameters
    ----------
    profile : str
        Name or folder of the profile that runs shall use; empty for none.
    configs : sequence of Path
        Config files of what is to be made; without them the free space is not checked.
    results : Path
        Folder of the results; need not exist yet.

    Returns
    -------
    int
        0 where a run is possible, though there may be warnings; 1 where there are problems.
    """
    findings = []
    for finding in _findings(_checks(profile, configs, results)):
        print(finding_text(finding, sys.stdout.encoding), flush=True)  # noqa: T201
        findings.append(finding)
    problems = sum(finding.verdict == "problem" for finding in findings)
    warnings = sum(finding.verdict == "warning" for finding in findings)
    verdict = "Not fit for a run" if problems else "Fit for a run"
    print(f"\n{verdict}; problems: {problems}, warnings: {warnings}.")  # noqa: T201
    return 1 if problems else 0


def _checks(name: str, configs: Sequence[Path], results: Path) -> list[tuple[str, Check]]:
    from exitwave.doctor import cluster as doctor_cluster
    from exitwave.doctor import files as doctor_files
    from exitwave.doctor import gpu as doctor_gpu
    from exitwave.doctor import machine as doctor_machine
    from exitwave.doctor import packages as doctor_packages

    profile, config = _profile(name), _config(configs)
    return [
        ("Python", doctor_machine.check_python),
        ("packages", doctor_packages.check_packages),
        ("FFT", doctor_machine.check_fft),
        ("GPU packages", doctor_gpu.check_gpu_packages),
        ("GPU", lambda: doctor_gpu.check_gpu(profile)),
        ("CuPy", lambda: doctor_gpu.check_cupy(profile)),
        ("Dask", doctor_machine.check_dask),
        ("host name", doctor_machine.check_host_name),
        ("file system", lambda: doctor_files.check_file_system(results)),
        ("disk", lambda: doctor_files.check_disk(results, config)),
        ("Slurm", lambda: doctor_cluster.check_slurm(profile)),
    ]


def _profile(name: str) -> Profile | None:
    from exitwave.doctor.cluster import read_profile

    return read_profile(name) if name else None


def _config(configs: Sequence[Path]) -> Config | None:
    from exitwave.config import load_config

    return load_config(*configs) if configs else None


def _findings(checks: Iterable[tuple[str, Check]]) -> Iterable[Finding]:
    for subject, check in checks:
        try:
            found = check()
            yield from [found] if isinstance(found, Finding) else list(found)
        except ExitwaveError as error:
            yield problem(subject, str(error), "Mend this and look again.")
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            yield problem(
                subject,
                f"The check itself failed with {text}.",
                "Install the locked packages again (`make setup`) and look again.",
            )


def finding_text(finding: Finding, encoding: str = "utf-8") -> str:
    """Return a finding as aligned lines: mark, subject, sentence; below, what to do."""
    marks = _MARKS
    try:
        "".join(marks.values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        marks = _PLAIN_MARKS
    head = f"{marks[finding.verdict]} {finding.subject:<{_SUBJECT_WIDTH}}"
    indent = " " * len(head)
    lines = textwrap.wrap(
        finding.sentence, _TEXT_WIDTH, initial_indent=head, subsequent_indent=indent
    )
    if finding.remedy:
        lines += textwrap.wrap(
            finding.remedy,
            _TEXT_WIDTH,
            initial_indent=f"{indent}→ " if marks is _MARKS else f"{indent}-> ",
            subsequent_indent=f"{indent}  ",
        )
    return "\n".join(lines)
