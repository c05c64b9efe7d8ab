# What all rules share: the validated configuration, and `ask`, whose methods tell the inputs and
# parameters of a job. They are in src/exitwave/workflow/rules.py, the places in layout.py beside it.
import sys

from snakemake.exceptions import WorkflowError

from exitwave.config import parse_config
from exitwave.doctor import submission
from exitwave.errors import ExitwaveError
from exitwave.workflow import handover, layout
from exitwave.workflow.rules import Rules
from exitwave.workflow.specs import ALGORITHM_VERSIONS

try:
    handover.require_working_folder(Path.cwd())
    ask = Rules(parse_config(config), workflow.basedir)
    submission.require_controller(workflow)
except ExitwaveError as error:
    raise WorkflowError(str(error)) from None

# Environments and images have their own Python, and `exitwave` beside it.
if not workflow.deployment_settings.deployment_method:
    shell.prefix(handover.shell_prefix(sys.executable))

ENVIRONMENT = handover.literal(f"{workflow.basedir}/envs/exitwave.yaml")


onstart:
    try:
        submission.require_cluster(workflow)
    except ExitwaveError as error:
        raise WorkflowError(str(error)) from None


wildcard_constraints:
    # No counts in braces here: Snakemake takes them for wildcards and then finds no rule.
    # Names have no slash, dot or dash, so no two wildcards can share out a path in two ways.
    # No data set is named convergence, whose folder also holds figures.
    dataset="(?!convergence/)[a-z][a-z0-9_]*",
    network="[a-z][a-z0-9_]*",
    ensemble="[a-z][a-z0-9_]*",
    comparison="[a-z][a-z0-9_]*",
    figure="[a-z][a-z0-9_]*",
    shard="[0-9]+",
    epoch="[0-9]+",
    images="[0-9]+",
    split="training|validation",


def manifest(wildcards):
    """One shard's share of the catalog: it changes only where the shard's own samples do."""
    checkpoints.build_catalog.get(dataset=wildcards.dataset)
    return ask.path(layout.MANIFEST.format(**wildcards))


def stores(wildcards):
    """All exit waves that a data set's epochs show."""
    checkpoints.build_catalog.get(dataset=ask.source(wildcards))
    return ask.stores(wildcards)
