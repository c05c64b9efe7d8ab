"""Where the results of a configuration lie, relative to the folder of the results.

Snakemake's rules, the report, the RO-Crate and the plan all ask here, so that a path is written
down once. Constants are patterns with Snakemake's wildcards in braces; functions fill them in.

>>> exit_wave_store("mos2", "000")
PosixPath('mos2/exit_waves/000.nc')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from exitwave.config import Config
from exitwave.config.sections.figures import SHOWN

DEFAULT_IMAGES = 3
SPLITS = ("training", "validation")

RESULTS = "results"
"""Folder of the results in the folder that snakemake runs in."""

# One folder or file for each data set.
CATALOG = "{dataset}/catalog"
SHARDS = CATALOG + "/shards"
MANIFEST = SHARDS + "/{shard}.json"
EXIT_WAVES = "{dataset}/exit_waves"
STORE = EXIT_WAVES + "/{shard}.nc"
STORE_SUMMARY = EXIT_WAVES + "/{shard}.json"
EPOCH = "{dataset}/epochs/{images}_images/{split}/{epoch}.nc"
CARD = "{dataset}/README.md"

# One folder for each network, and for each study of networks.
NETWORK = "networks/{network}"
MODEL = NETWORK + "/model.keras"
DESCRIPTION = NETWORK + "/network.json"
CALIBRATION = NETWORK + "/calibration.json"
EVALUATION = "evaluations/{network}/{dataset}"
REFINEMENT = EVALUATION + "/refinement"
ENSEMBLE = "ensembles/{ensemble}"
COMPARISON = "comparisons/{comparison}"
CONVERGENCE = "convergence"

# Pictures: those of a result lie in its folder, those asked for by name in one of their own.
OWN_FIGURES = "figures"
DATASET_FIGURES = "{dataset}/" + OWN_FIGURES
NETWORK_FIGURES = f"{NETWORK}/{OWN_FIGURES}"
EVALUATION_FIGURES = f"{EVALUATION}/{OWN_FIGURES}"
REFINEMENT_FIGURES = f"{REFINEMENT}/{OWN_FIGURES}"
CONVERGENCE_FIGURES = f"{CONVERGENCE}/{OWN_FIGURES}"
OVERVIEW = "comparison"
"""All evaluations in one figure."""
FIGURE = "figures/{figure}"

REPORT = "report.html"
CRATE = "ro-crate-metadata.json"

LOGS = "logs"
BENCHMARKS = "benchmarks"

CATALOG_SUMMARY = CATALOG + "/summary.json"
SUMMARIES = {
    "evaluations": EVALUATION + "/summary.json",
    "refinements": REFINEMENT + "/summary.json",
    "ensembles": ENSEMBLE + "/summary.json",
    "comparisons": COMPARISON + "/summary.json",
}
"""What says how a study of networks was made, by the section of the configuration."""

_WILDCARD = re.compile(r"\{(\w+)\}")


def as_glob(pattern: str) -> str:
    """Return a pattern in which anything may stand for a wildcard, but a number for a number."""
    numbers = ("shard", "epoch")
    return _WILDCARD.sub(lambda found: "[0-9]*" if found[1] in numbers else "*", pattern)


def log(job: str, name: str) -> Path:
    """Return the log of a job: of what kind it is, and of what result."""
    return Path(LOGS, job, f"{name}.log")


def benchmark(job: str, name: str) -> Path:
    """Return the table of what a job took."""
    return Path(BENCHMARKS, job, f"{name}.tsv")


# What the jobs of a stage make, in the folder of the results.
_OUTPUTS = {
    "catalog": CATALOG,
    "simulate": STORE,
    "render": EPOCH,
    "train": NETWORK,
    "calibrate": CALIBRATION,
    "evaluate": EVALUATION,
    "refine": REFINEMENT,
    "ensemble": ENSEMBLE,
    "compare": COMPARISON,
    "convergence": CONVERGENCE,
}


def progress(stage: str, *names: str) -> Path:
    """Return the progress file of a job of a stage; beside it lies its log.

    The names are the wildcards of the job's rule, in the order of its output.
    """
    return Path(LOGS, stage, f"{'.'.join(names or ('all',))}.json")


def progress_of(stage: str, output: Path) -> Path | None:
    """Return the progress file of the job that makes ``output``, in the same folder of results.

    None where the stage has none, or the output does not lie where the rules put it.
    """
    if stage not in _OUTPUTS:
        return None
    parts, wanted = output.absolute().parts, Path(_OUTPUTS[stage]).parts
    if not Path(*parts[-len(wanted) :]).match(_WILDCARD.sub("*", _OUTPUTS[stage])):
        return None
    names = [
        part.removesuffix(Path(pattern).suffix)
        for part, pattern in zip(parts[-len(wanted) :], wanted, strict=True)
        if _WILDCARD.search(pattern)
    ]
    return Path(*parts[: -len(wanted)]) / progress(stage, *names)


def source(config: Config, dataset: str) -> str:
    """Return the data set whose catalog and exit waves a data set shows."""
    return config.datasets[dataset].exit_waves_from or dataset


def catalog(dataset: str) -> Path:
    """Return the folder of the catalog that a data set has of its own."""
    return Path(CATALOG.format(dataset=dataset))


def shard_manifest(catalog: Path, shard: str) -> Path:
    """Return the manifest of a shard of the catalog in a folder."""
    return catalog / "shards" / f"{shard}.json"


def exit_wave_store(dataset: str, shard: str) -> Path:
    """Return the store of a shard's exit waves."""
    return Path(STORE.format(dataset=dataset, shard=shard))


def stores(config: Config, dataset: str, shards: Iterable[str]) -> list[Path]:
    """Return the exit-wave stores behind a data set, given the names of its shards."""
    return [exit_wave_store(source(config, dataset), name) for name in sorted(shards)]


def shard_names(catalog: Path) -> list[str]:
    """Return the names of the shards of the finished catalog in a folder."""
    return sorted(path.stem for path in (catalog / "shards").glob("[0-9]*.json"))


def image_numbers(config: Config, dataset: str, split: str) -> list[int]:
    """Return the lengths of the focal series that are rendered of one side of a data set."""
    trained = {entry.images for entry in config.networks.values() if entry.dataset == dataset}
    evaluated = {
        config.networks[entry.network].images
        for entry in config.evaluations.values()
        if entry.dataset == dataset
    }
    # Only their validation samples are looked at.
    evaluated |= {
        config.networks[entry.networks[0]].images
        for entry in config.ensembles.values()
        if entry.dataset == dataset
    }
    evaluated |= {entry.images for entry in config.comparisons.values() if entry.dataset == dataset}
    asked = set(config.datasets[dataset].epochs.images)
    if not (trained or evaluated or asked):
        asked = {DEFAULT_IMAGES}
    return sorted(asked | trained | (evaluated if split == "validation" else set()))


def epochs(config: Config, dataset: str, images: int, split: str) -> list[Path]:
    """Return the pre-generated epochs of one side of a data set."""
    count = getattr(config.datasets[dataset].epochs, f"{split}_epochs")
    wildcards = {"dataset": dataset, "images": images, "split": split}
    return [Path(EPOCH.format(**wildcards, epoch=f"{epoch:02d}")) for epoch in range(count)]


def all_epochs(config: Config, dataset: str) -> list[Path]:
    """Return every epoch that a configuration asks of a data set."""
    return [
        path
        for split in SPLITS
        for images in image_numbers(config, dataset, split)
        for path in epochs(config, dataset, images, split)
    ]


def shown_epochs(config: Config, dataset: str) -> list[Path]:
    """Return the epochs that the pictures of a data set are drawn from."""
    for split in SPLITS:
        if numbers := image_numbers(config, dataset, split):
            return epochs(config, dataset, numbers[-1], split)
    raise AssertionError("a data set has validation epochs at least")


def network(name: str) -> Path:
    """Return the folder of a network."""
    return Path(NETWORK.format(network=name))


def evaluation(config: Config, name: str) -> Path:
    """Return the folder of an evaluation."""
    entry = config.evaluations[name]
    return Path(EVALUATION.format(network=entry.network, dataset=entry.dataset))


def calibration(network: str) -> Path:
    """Return what was measured of a network."""
    return Path(CALIBRATION.format(network=network))


def calibrated(config: Config) -> list[str]:
    """Return the networks of which is measured how well series can be refined.

    One image says nothing of both wave and microscope.
    """
    return [name for name, entry in config.networks.items() if entry.images > 1]


def refinement(config: Config, evaluation_name: str) -> Path:
    """Return the folder of the refined series of an evaluation."""
    entry = config.evaluations[evaluation_name]
    return Path(REFINEMENT.format(network=entry.network, dataset=entry.dataset))


def refined(config: Config) -> list[str]:
    """Return the evaluations of which series are refined."""
    return [name for name, entry in config.evaluations.items() if entry.refined_samples]


def ensemble(name: str) -> Path:
    """Return the folder of an ensemble."""
    return Path(ENSEMBLE.format(ensemble=name))


def comparison(name: str) -> Path:
    """Return the folder of a comparison with classical reconstruction."""
    return Path(COMPARISON.format(comparison=name))


def figure(name: str) -> Path:
    """Return the folder of a figure that is asked for by name."""
    return Path(FIGURE.format(figure=name))


def own_figures(folder: Path) -> Path:
    """Return the folder of the figures of the data set, network or evaluation in a folder."""
    return folder / OWN_FIGURES


def figure_sources(config: Config, name: str) -> list[Path]:
    """Return the folders of what a figure shows, in its order."""
    entry = config.figures[name]
    section = SHOWN[entry.shows].section
    folders: dict[str | None, Callable[[str], Path]] = {
        "evaluations": lambda source: evaluation(config, source),
        "networks": network,
        "ensembles": ensemble,
        "comparisons": comparison,
    }
    if section is None:
        return [Path(CONVERGENCE)]
    return [folders[section](source) for source in entry.of]


SOURCE_FILES = {
    "evaluations": ("samples.csv", "summary.json", "examples.npz"),
    "networks": ("history.csv", "training.json"),
    "ensembles": ("samples.csv", "calibration.csv", "summary.json", "examples.npz"),
    "comparisons": ("samples.csv", "summary.json", "examples.npz"),
    None: ("errors.csv", "summary.json", "wave.npz"),
}
"""Files that figures are drawn from, by the section of what they show; None: convergence."""


def figure_inputs(config: Config, name: str) -> list[Path]:
    """Return the files that a figure is drawn from."""
    files = SOURCE_FILES[SHOWN[config.figures[name].shows].section]
    return [folder / file for folder in figure_sources(config, name) for file in files]
