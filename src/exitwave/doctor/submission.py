"""Compare a run whose jobs go to Slurm with the cluster before the first one is submitted.

Both functions take Snakemake's ``workflow`` object, and do nothing for other runs.
"""

from __future__ import annotations

import shutil
from typing import Any

from exitwave.doctor import cluster


def require_controller(workflow: Any) -> None:
    """Demand that the controller of Slurm answers, within seconds.

    Where it does not, the executor takes half a minute before it begins.

    Raises
    ------
    ExitwaveError
        Where it does not answer.
    """
    submits = workflow.resource_settings.nodes is not None and workflow.is_main_process
    if submits and not workflow.output_settings.dryrun and shutil.which("scontrol"):
        cluster.require_controller()


def require_cluster(workflow: Any) -> None:
    """Say of the jobs that are to run what Slurm would not say, or only in each job's log.

    Raises
    ------
    ExitwaveError
        Where jobs would be refused, wait for ever or be lost sight of.
    """
    if workflow.executor_plugin.name != "slurm":
        return
    waiting = list(workflow.dag.needrun_jobs())
    submitted = {job.rule for job in waiting if not job.is_local}
    if any(job.rule.name == "build_catalog" for job in waiting):
        # Its jobs are not known before the catalog.
        submitted.add(workflow.get_rule("simulate_exit_waves"))
    requests = []
    for rule in sorted(submitted, key=str):
        resources = rule.expand_resources({}, [], attempt=1)
        requests.append(cluster.Request.of(rule.name, resources, resources["_cores"]))
    cluster.require_slurm(requests, workflow.executor_settings.status_command)
