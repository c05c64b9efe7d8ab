"""What the rules of the workflow ask: the inputs and the parameters of each job.

``workflow/rules/common.smk`` makes one `Rules` of the validated configuration; the rules name its
methods, and Snakemake calls them with the wildcards of a job. Values are handed over by methods
throughout, since Snakemake takes braces in a plain value for wildcards.

>>> ask = Rules(load_config(Path("config/demo.yaml")))
>>> ask.evaluated_epochs(SimpleNamespace(network="small_unet", dataset="monolayers"))
['results/monolayers/epochs/3_images/validation/00.nc']
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from exitwave.config import Config
from exitwave.config.constraints import BUILT_IN
from exitwave.config.sources import require_source
from exitwave.workflow import layout, specs
from exitwave.workflow.handover import argument, input_path


class Wildcards(Protocol):
    """The wildcards of a job, by name."""

    def __getattr__(self, name: str) -> str: ...


class Rules:
    """Inputs and parameters of the rules, for one configuration.

    Parameters
    ----------
    config : Config
        The validated configuration.
    checkout : str
        Folder of the Snakefile.
    kept : Path
        Folder for what Snakemake does not carry itself, see `exitwave.workflow.handover`; all
        jobs share it.

    Raises
    ------
    ExitwaveError
        Where the database of a data set is not there.
    """

    def __init__(
        self, config: Config, checkout: str = ".", kept: Path = Path(".snakemake/exitwave")
    ) -> None:
        self._config = config
        self._checkout = checkout
        self._kept = kept
        for name, dataset in config.datasets.items():
            if dataset.exit_waves_from is None:
                require_source(dataset.materials.source, f"datasets.{name}.materials.source")

    # Places, also with wildcards in them.

    def path(self, pattern: str, *parts: str) -> str:
        """Return the place of a result, as a pattern of `exitwave.workflow.layout`."""
        return "/".join((layout.RESULTS, pattern, *parts))

    def log(self, job: str, name: str) -> str:
        """Return the log of a job."""
        return f"{layout.RESULTS}/{layout.log(job, name)}"

    def benchmark(self, job: str, name: str) -> str:
        """Return the benchmark of a job."""
        return f"{layout.RESULTS}/{layout.benchmark(job, name)}"

    # Materials and exit waves.

    def database(self, wildcards: Wildcards) -> list[str]:
        """Return the database that a catalog reads; the built-in table is no file."""
        return self._databases([self._config.datasets[wildcards.dataset].materials.source])

    def convergence_databases(self, _: Wildcards) -> list[str]:
        """Return the databases that a study of convergence reads.

        Raises
        ------
        ExitwaveError
            Where one is not there: it is looked for when a study is made.
        """
        materials = self._config.convergence.materials
        for place, entry in enumerate(materials):
            require_source(entry.source, f"convergence.materials.{place}.source")
        return self._databases(sorted({entry.source for entry in materials}))

    def source(self, wildcards: Wildcards) -> str:
        """Return the data set that has the exit waves of a data set."""
        return layout.source(self._config, wildcards.dataset)

    def stores(self, wildcards: Wildcards) -> list[str]:
        """Return all exit waves that a data set's epochs show, once there is their catalog."""
        catalog = layout.catalog(self.source(wildcards))
        shards = layout.shard_names(layout.RESULTS / catalog)
        return _results(layout.stores(self._config, wildcards.dataset, shards))

    # Epochs.

    def training_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs that a network trains on."""
        return self._network_epochs(wildcards, "training")

    def validation_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs that a network's training is followed on."""
        return self._network_epochs(wildcards, "validation")

    def all_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return all epochs of a data set."""
        return _results(layout.all_epochs(self._config, wildcards.dataset))

    def shown_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs that the pictures of a data set are drawn from."""
        return _results(layout.shown_epochs(self._config, wildcards.dataset))

    def evaluated_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs that a network is evaluated on."""
        images = self._config.networks[wildcards.network].images
        return self._validation(wildcards.dataset, images)

    def ensemble_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs that an ensemble is judged on."""
        entry = self._config.ensembles[wildcards.ensemble]
        return self._validation(entry.dataset, self._config.networks[entry.networks[0]].images)

    def compared_epochs(self, wildcards: Wildcards) -> list[str]:
        """Return the epochs on which a network is compared with classical reconstruction."""
        entry = self._config.comparisons[wildcards.comparison]
        return self._validation(entry.dataset, entry.images)

    # Networks.

    def member_networks(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of the networks of an ensemble."""
        members = self._config.ensembles[wildcards.ensemble].networks
        return _results(layout.network(name) for name in members)

    def member_models(self, wildcards: Wildcards) -> list[str]:
        """Return the weights of the networks of an ensemble."""
        members = self._config.ensembles[wildcards.ensemble].networks
        return [self.path(layout.MODEL.format(network=name)) for name in members]

    def member_descriptions(self, wildcards: Wildcards) -> list[str]:
        """Return the descriptions of the networks of an ensemble."""
        members = self._config.ensembles[wildcards.ensemble].networks
        return [self.path(layout.DESCRIPTION.format(network=name)) for name in members]

    def compared_network(self, wildcards: Wildcards) -> str:
        """Return the folder of a network that is compared with classical reconstruction."""
        return self._compared(wildcards, layout.NETWORK)

    def compared_model(self, wildcards: Wildcards) -> str:
        """Return its weights."""
        return self._compared(wildcards, layout.MODEL)

    def compared_description(self, wildcards: Wildcards) -> str:
        """Return its description."""
        return self._compared(wildcards, layout.DESCRIPTION)

    def compared_calibration(self, wildcards: Wildcards) -> str:
        """Return what was measured of it."""
        return self._compared(wildcards, layout.CALIBRATION)

    # Figures and the report.

    def figure_inputs(self, wildcards: Wildcards) -> list[str]:
        """Return the files that a figure is drawn from."""
        return _results(layout.figure_inputs(self._config, wildcards.figure))

    def figure_sources(self, wildcards: Wildcards) -> list[str]:
        """Return the folders of what a figure shows."""
        return _results(layout.figure_sources(self._config, wildcards.figure))

    def evaluations(self, _: Wildcards) -> list[str]:
        """Return the folders of all evaluations."""
        names = self._config.evaluations
        return _results(layout.evaluation(self._config, name) for name in names)

    def evaluation_samples(self, wildcards: Wildcards) -> list[str]:
        """Return the tables of all evaluations."""
        return [f"{folder}/samples.csv" for folder in self.evaluations(wildcards)]

    def evaluation_summaries(self, wildcards: Wildcards) -> list[str]:
        """Return the summaries of all evaluations."""
        return [f"{folder}/summary.json" for folder in self.evaluations(wildcards)]

    def evaluation_labels(self, _: Wildcards) -> list[str]:
        """Return the names of all evaluations in figures."""
        return [entry.label or name for name, entry in self._config.evaluations.items()]

    def report_inputs(self, _: Wildcards) -> dict[str, list[str]]:
        """Return all that the report shows, by kind."""
        config = self._config
        overview = config.evaluations and not config.figures
        found: dict[str, Iterable[Path]] = {
            "epochs": (
                path for name in config.datasets for path in layout.all_epochs(config, name)
            ),
            "datasets": (layout.own_figures(Path(name)) for name in config.datasets),
            "cards": (Path(layout.CARD.format(dataset=name)) for name in config.datasets),
            "networks": (layout.own_figures(layout.network(name)) for name in config.networks),
            "calibrations": (layout.calibration(name) for name in layout.calibrated(config)),
            "evaluations": (
                layout.own_figures(layout.evaluation(config, name)) for name in config.evaluations
            ),
            "refinements": (
                layout.own_figures(layout.refinement(config, name))
                for name in layout.refined(config)
            ),
            "comparison": [Path(layout.OVERVIEW)] if overview else [],
            "ensembles": (layout.ensemble(name) / "summary.json" for name in config.ensembles),
            "comparisons": (
                layout.comparison(name) / file
                for name in config.comparisons
                for file in ("summary.json", "examples.npz")
            ),
            "figures": (layout.figure(name) for name in config.figures),
        }
        return {kind: _results(paths) for kind, paths in found.items()}

    # Parameters: one text that determines the result.

    def catalog_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a data set's catalog."""
        return self._argument(specs.catalog_spec(self._config, wildcards.dataset))

    def simulate_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a data set's exit waves."""
        return self._argument(specs.simulate_spec(self._config, wildcards.dataset))

    def render_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of an epoch."""
        images, epoch = int(wildcards.images), int(wildcards.epoch)
        return self._argument(
            specs.render_spec(self._config, wildcards.dataset, images, wildcards.split, epoch)
        )

    def train_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a network."""
        return self._argument(specs.train_spec(self._config, wildcards.network))

    def calibrate_spec(self, _: Wildcards) -> str:
        """Return the spec of what is measured of a network."""
        return self._argument(specs.calibrate_spec(self._config))

    def evaluate_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of the evaluation of a network on a data set."""
        return self._argument(specs.evaluate_spec(self._config, self._evaluation(wildcards)))

    def refine_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of the refined series of an evaluation."""
        return self._argument(specs.refine_spec(self._config, self._evaluation(wildcards)))

    def ensemble_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of an ensemble."""
        return self._argument(specs.ensemble_spec(self._config, wildcards.ensemble))

    def compare_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a comparison with classical reconstruction."""
        return self._argument(specs.compare_spec(self._config, wildcards.comparison))

    def convergence_spec(self, _: Wildcards) -> str:
        """Return the spec of the study of convergence."""
        return self._argument(specs.convergence_spec(self._config))

    def figure_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a figure."""
        return self._argument(specs.figure_spec(self._config, wildcards.figure))

    def card_spec(self, wildcards: Wildcards) -> str:
        """Return the spec of a data set's card."""
        return self._argument(specs.card_spec(self._config, wildcards.dataset))

    def report_spec(self, _: Wildcards) -> str:
        """Return the spec of the report."""
        return self._argument(specs.report_spec(self._config))

    def configuration(self, _: Wildcards) -> str:
        """Return the whole configuration, JSON."""
        return self._argument(self._config.model_dump_json())

    def checkout(self, _: Wildcards) -> str:
        """Return the folder of the Snakefile."""
        return self._checkout

    def _argument(self, text: str) -> str:
        return argument(text, self._kept / "specs")

    def _databases(self, sources: Iterable[str]) -> list[str]:
        folder = self._kept / "databases"
        return [input_path(source, folder) for source in sources if source != BUILT_IN]

    def _network_epochs(self, wildcards: Wildcards, split: str) -> list[str]:
        network = self._config.networks[wildcards.network]
        return _results(layout.epochs(self._config, network.dataset, network.images, split))

    def _validation(self, dataset: str, images: int) -> list[str]:
        return _results(layout.epochs(self._config, dataset, images, "validation"))

    def _evaluation(self, wildcards: Wildcards) -> str:
        pair = (wildcards.network, wildcards.dataset)
        return next(
            name
            for name, entry in self._config.evaluations.items()
            if (entry.network, entry.dataset) == pair
        )

    def _compared(self, wildcards: Wildcards, pattern: str) -> str:
        network = self._config.comparisons[wildcards.comparison].network
        return self.path(pattern.format(network=network))


def _results(paths: Iterable[Path]) -> list[str]:
    return [f"{layout.RESULTS}/{path.as_posix()}" for path in paths]
