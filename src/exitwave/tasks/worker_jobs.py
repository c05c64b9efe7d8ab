"""Dask workers as Slurm jobs of their own, so that one simulation spans many nodes.

The jobs are copies of the job that asks for them: partition, account, cores, memory and time left.
They speak to the scheduler, which runs in the asking job, over TLS with a certificate that lives as
long as that job. A worker that has lost its scheduler ends within a minute.

The address that other nodes reach is the host's own; where nodes share a faster or another network,
``DASK_JOBQUEUE__SLURM__INTERFACE=ib0`` names its interface.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exitwave.errors import ExitwaveError

LOGS = Path(".snakemake/slurm_logs/workers")

# Of a worker that finds no scheduler [s].
_DEATH_TIMEOUT = 60

# What speaks without TLS must not be reached from outside.
_LOOPBACK = "127.0.0.1:0"
_ROLES = ("client", "scheduler", "worker")


@dataclass(frozen=True)
class OwnJob:
    """What the Slurm job that this process runs in was given."""

    partition: str
    account: str
    qos: str
    cores: int
    memory: str
    time_left: str


def own_job() -> OwnJob:
    """Ask Slurm about the job that this process runs in.

    Raises
    ------
    ExitwaveError
        Where it runs in none, or Slurm does not answer.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if not number:
        raise ExitwaveError(
            "worker_jobs asks for Slurm jobs as workers, but this process runs in no Slurm job "
            "itself; use --profile slurm, or worker_jobs=0 on one machine."
        )
    try:
        asked = ["squeue", "--noheader", f"--jobs={number}", "--format=%P|%a|%q|%C|%m|%L"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
        partition, account, qos, cores, memory, left = answer.stdout.strip().split("|")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ExitwaveError(
            f"Slurm does not tell what job {number} was given, so no worker jobs can be submitted: "
            f"{' '.join(str(error).split())}."
        ) from None
    return OwnJob(partition, _named(account), _named(qos), int(cores), memory, left)


def _named(text: str) -> str:
    """Slurm's word for a value that is not set is no name."""
    return "" if text in ("(null)", "N/A", "normal") else text


@contextlib.contextmanager
def cluster_of_jobs(
    jobs: int, workers: int, environment: Mapping[str, str], security: Any
) -> Iterator[Any]:
    """Start a Dask cluster whose workers are in this job and in others.

    Parameters
    ----------
    jobs : int
        Slurm jobs to ask for.
    workers : int
        Processes in each job, and in this one.
    environment : mapping of str to str
        Variables of the workers.
    security : distributed.Security
        Certificates of scheduler, workers and client.

    Yields
    ------
    distributed.SpecCluster
    """
    from dask_jobqueue import SLURMCluster

    own = own_job()
    extra = ["--no-requeue", *([f"--qos={own.qos}"] if own.qos else [])]
    # Certificates must be read on other nodes, and by nobody else; the folder is made so. Put into
    # files by dask-jobqueue (shared_temp_directory), they would outlive this block, until Python
    # collects the cluster, and would stay open, so that NFS might not have written them yet when
    # a job on another node asks for them.
    shared = Path(".snakemake").absolute()
    shared.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tls_", dir=shared) as certificates,
        SLURMCluster(
            queue=own.partition,
            account=own.account or None,
            cores=workers,
            processes=workers,
            # Dask's own count would leave no room for what a process holds besides its tasks.
            memory="1GB",
            worker_extra_args=["--memory-limit", "0", "--dashboard-address", _LOOPBACK],
            job_mem=own.memory,
            walltime=None if own.time_left in ("UNLIMITED", "NOT_SET") else own.time_left,
            job_name="exitwave-workers",
            job_extra_directives=extra,
            job_script_prologue=[f"export {name}={value}" for name, value in environment.items()],
            log_directory=str(LOGS),
            python=sys.executable,
            death_timeout=_DEATH_TIMEOUT,
            local_directory=tempfile.gettempdir(),
            protocol="tls://",
            security=_in_files(security, Path(certificates)),
            scheduler_options={"dashboard_address": _LOOPBACK},
        ) as cluster,
    ):
        cluster.scale(jobs=jobs)
        nannies = cluster.sync(_own_workers, cluster.scheduler_address, workers, security)
        try:
            yield cluster
        finally:
            cluster.sync(_close, nannies)


def _in_files(security: Any, folder: Path) -> Any:
    """Put certificates and keys that are in memory into files, whose names worker jobs are told."""
    from distributed import Security

    paths = {}
    for name in ("ca_file", *(f"{role}_{part}" for role in _ROLES for part in ("cert", "key"))):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(getattr(security, f"tls_{name}"))
        paths[f"tls_{name}"] = str(path)
    return Security(**paths, require_encryption=True)


async def _own_workers(address: str, workers: int, security: Any) -> list[Any]:
    """Start workers with the cores of this job, which would idle otherwise."""
    from distributed import Nanny

    options = {
        "nthreads": 1,
        "memory_limit": 0,
        "security": security,
        "dashboard_address": _LOOPBACK,
        "silence_logs": logging.CRITICAL,
    }
    return [await Nanny(address, name=f"own-{place}", **options) for place in range(workers)]


async def _close(nannies: list[Any]) -> None:
    for nanny in nannies:
        await nanny.close(timeout=10)
