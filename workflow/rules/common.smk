# Helpers of the rules: the validated configuration, the specs and the names of files.
import shlex
import shutil
import sys

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import ExecMode

from exitwave.workflow import layout
from exitwave.config import parse_config
from exitwave.workflow import specs
from exitwave.errors import ExitwaveError

# The rules call `exitwave`, also where snakemake was started without activating its environment. A
# prefix takes the place of Snakemake's own, without which a stage that fails into `tee` would pass.
if shutil.which("exitwave") is None:
    folder = shlex.quote(str(Path(sys.executable).parent))
    shell.prefix(f"set -euo pipefail; PATH={folder}:$PATH; ")

try:
    CONFIG = parse_config(config)
    for name, dataset in CONFIG.datasets.items():
        source = dataset.materials.source
        if dataset.exit_waves_from is None and source != "monolayers":
            if not Path(source).is_file():
                raise ExitwaveError(
                    f"datasets.{name}.materials.source is '{source}', but there is no such file "
                    f"(looked for {Path(source).absolute()}); give the path of an ASE database, "
                    "or 'monolayers' for the built-in table."
                )
except ExitwaveError as error:
    raise WorkflowError(str(error)) from None


# Where the controller does not answer, the executor takes half a minute before `onstart` is reached.
submits = (
    workflow.resource_settings.nodes is not None
    and workflow.exec_mode == ExecMode.DEFAULT
)
if submits and not workflow.output_settings.dryrun and shutil.which("scontrol"):
    from exitwave.doctor.cluster import require_controller

    try:
        require_controller()
    except ExitwaveError as error:
        raise WorkflowError(str(error)) from None


def require_cluster():
    """Say before the first job is submitted what Slurm would not say, or only in each job's log."""
    if workflow.executor_plugin.name != "slurm":
        return
    from exitwave.doctor.cluster import Request, require_slurm

    submitted = {job.rule for job in workflow.dag.needrun_jobs() if not job.is_local}
    if any(job.rule.name == "build_catalog" for job in workflow.dag.needrun_jobs()):
        # Its jobs are not known before the catalog.
        submitted.add(workflow.get_rule("simulate_exit_waves"))
    requests = []
    for kind in sorted(submitted, key=str):
        resources = kind.expand_resources({}, [], attempt=1)
        requests.append(Request.of(kind.name, resources, resources["_cores"]))
    try:
        require_slurm(requests, workflow.executor_settings.status_command)
    except ExitwaveError as error:
        raise WorkflowError(str(error)) from None


onstart:
    require_cluster()


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


def results(paths):
    return [f"results/{path}" for path in paths]


EVALUATIONS = results(layout.evaluation(CONFIG, name) for name in CONFIG.evaluations)


def database(wildcards):
    """The database a catalog reads; the built-in table is no file."""
    source = CONFIG.datasets[wildcards.dataset].materials.source
    return [] if source == "monolayers" else source


def convergence_databases(wildcards):
    """The databases that a study of convergence reads; each is looked for when one is made."""
    sources = {entry.source for entry in CONFIG.convergence.materials} - {"monolayers"}
    for source in sorted(sources):
        if not Path(source).is_file():
            raise WorkflowError(
                f"convergence.materials names the source '{source}', but there is no such file "
                f"(looked for {Path(source).absolute()}); give the path of an ASE database, or "
                "'monolayers' for the built-in table."
            )
    return sorted(sources)


def manifest(wildcards):
    """One shard's share of the catalog: it changes only where the shard's own samples do."""
    shards = checkpoints.build_catalog.get(dataset=wildcards.dataset).output.shards
    return f"{shards}/{wildcards.shard}.json"


def stores(wildcards):
    """All exit waves that a data set's epochs show."""
    source = layout.source(CONFIG, wildcards.dataset)
    shards = checkpoints.build_catalog.get(dataset=source).output.shards
    names = layout.shard_names(Path(shards).parent)
    return results(layout.stores(CONFIG, wildcards.dataset, names))


def training_epochs(wildcards):
    network = CONFIG.networks[wildcards.network]
    return results(layout.epochs(CONFIG, network.dataset, network.images, "training"))


def validation_epochs(wildcards):
    network = CONFIG.networks[wildcards.network]
    return results(layout.epochs(CONFIG, network.dataset, network.images, "validation"))


def card_epochs(wildcards):
    return results(layout.all_epochs(CONFIG, wildcards.dataset))


def evaluated_epochs(wildcards):
    images = CONFIG.networks[wildcards.network].images
    return results(layout.epochs(CONFIG, wildcards.dataset, images, "validation"))


def shown_epochs(wildcards):
    return results(layout.shown_epochs(CONFIG, wildcards.dataset))


def member_networks(wildcards):
    members = CONFIG.ensembles[wildcards.ensemble].networks
    return results(layout.network(name) for name in members)


def member_models(wildcards):
    return [f"{folder}/model.keras" for folder in member_networks(wildcards)]


def member_descriptions(wildcards):
    return [f"{folder}/network.json" for folder in member_networks(wildcards)]


def judged_epochs(wildcards):
    entry = CONFIG.ensembles[wildcards.ensemble]
    images = CONFIG.networks[entry.networks[0]].images
    return results(layout.epochs(CONFIG, entry.dataset, images, "validation"))


def compared_network(wildcards):
    return f"results/{layout.network(CONFIG.comparisons[wildcards.comparison].network)}"


def compared_model(wildcards):
    return f"{compared_network(wildcards)}/model.keras"


def compared_description(wildcards):
    return f"{compared_network(wildcards)}/network.json"


def compared_epochs(wildcards):
    entry = CONFIG.comparisons[wildcards.comparison]
    return results(layout.epochs(CONFIG, entry.dataset, entry.images, "validation"))


def figure_inputs(wildcards):
    return results(layout.figure_inputs(CONFIG, wildcards.figure))


def figure_sources(wildcards):
    return results(layout.figure_sources(CONFIG, wildcards.figure))


def evaluation_name(wildcards):
    return next(
        name
        for name, entry in CONFIG.evaluations.items()
        if (entry.network, entry.dataset) == (wildcards.network, wildcards.dataset)
    )


def catalog_spec(wildcards):
    return specs.catalog_spec(CONFIG, wildcards.dataset)


def simulate_spec(wildcards):
    return specs.simulate_spec(CONFIG, wildcards.dataset)


def render_spec(wildcards):
    return specs.render_spec(
        CONFIG,
        wildcards.dataset,
        int(wildcards.images),
        wildcards.split,
        int(wildcards.epoch),
    )


def train_spec(wildcards):
    return specs.train_spec(CONFIG, wildcards.network)


def evaluate_spec(wildcards):
    return specs.evaluate_spec(CONFIG, evaluation_name(wildcards))


def ensemble_spec(wildcards):
    return specs.ensemble_spec(CONFIG, wildcards.ensemble)


def compare_spec(wildcards):
    return specs.compare_spec(CONFIG, wildcards.comparison)


def figure_spec(wildcards):
    return specs.figure_spec(CONFIG, wildcards.figure)


def card_spec(wildcards):
    return specs.card_spec(CONFIG, wildcards.dataset)
