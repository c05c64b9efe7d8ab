# exitwave: from a database of 2D materials to evaluated exit-wave networks.
#
#   snakemake                                             the demo on this machine
#   snakemake --configfile config/paper.yaml              the paper's data sets and networks
#   snakemake --profile slurm --configfile ...            the same on a cluster
#   snakemake convergence --configfile ...                how fine must the multislice be?
#   snakemake crate --configfile ...                      an RO-Crate of the finished run
#
# What is computed is set in config/; where, and with which resources, in profiles/. The rules in
# workflow/rules/NAME.smk call `exitwave NAME`, whose work is in src/exitwave/stages/NAME.py. What the
# rules ask for is in src/exitwave/workflow/rules.py, the paths of results in layout.py beside it:
#
#   catalog ─► simulate ─► render ─► train ─► evaluate ─► report
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config/config.yaml"


# The common values name no data set; without another config file, run the demo.
if not config["datasets"]:

    configfile: f"{workflow.basedir}/config/demo.yaml"


# profiles/default sets `cores` so that a bare `snakemake` runs; when jobs are submitted, the cores of
# the submitting machine must not limit those of the jobs.
if workflow.resource_settings.nodes is not None:
    workflow.global_resources["_cores"] = None


# Used by --software-deployment-method apptainer alone; made from envs/exitwave.def.
container: "envs/exitwave.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/catalog.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/render.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/refine.smk"
include: "workflow/rules/ensemble.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/figure.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/convergence.smk"
include: "workflow/rules/crate.smk"


rule all:
    default_target: True
    input:
        rules.report.output,
