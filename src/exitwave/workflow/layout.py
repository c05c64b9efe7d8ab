"""Where the results of a configuration lie, relative to the folder of the results.

Snakemake's rules and the report both ask here, so that a path is written down once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from exitwave.config import Config
from exitwave.config.sections.figures import SHOWN

DEFAULT_IMAGES = 3
CONVERGENCE = Path("convergence")
SPLITS = ("training", "validation")


def source(config: Config, dataset: str) -> str:
    """Return the data set whose catalog and exit waves a data set shows."""
    return config.datasets[dataset].exit_waves_from or dataset


def stores(config: Config, dataset: str, shards: Iterable[str]) -> list[Path]:
    """Return the exit-wave stores behind a data set, given the names of its shards."""
    return [Path(source(config, dataset), "exit_waves", f"{name}.nc") for name in sorted(shards)]


def shard_names(catalog: Path) -> list[str]:
    """Return the names of the shards of a finished catalog."""
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
    folder = Path(dataset, "epochs", f"{images}_images", split)
    return [folder / f"{epoch:02d}.nc" for epoch in range(count)]


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
    return Path("networks", name)


def evaluation(config: Config, name: str) -> Path:
    """Return the folder of an evaluation."""
    entry = config.evaluations[name]
    return Path("evaluations", entry.network, entry.dataset)


def ensemble(name: str) -> Path:
    """Return the folder of an ensemble."""
    return Path("ensembles", name)


def comparison(name: str) -> Path:
    """Return the folder of a comparison with classical reconstruction."""
    return Path("comparisons", name)


def figure(name: str) -> Path:
    """Return the folder of a figure."""
    return Path("figures", name)


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
        return [CONVERGENCE]
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
