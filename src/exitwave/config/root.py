"""The whole configuration, and whether names and sizes of its sections fit together.

The defaults are the paper's values or, if the paper is silent, our decisions; each description
says which. `exitwave.config.reference` turns these models into the JSON schema and the key table of
``config/README.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from exitwave.config.conditions import Conditions, conditions_of
from exitwave.config.constraints import evenly_spaced, size_factor
from exitwave.config.fields import Name, Section
from exitwave.config.sections.comparisons import Comparison
from exitwave.config.sections.convergence import Convergence
from exitwave.config.sections.datasets import Dataset
from exitwave.config.sections.ensembles import Ensemble
from exitwave.config.sections.epochs import Epochs
from exitwave.config.sections.evaluations import Evaluation
from exitwave.config.sections.figures import SHOWN, Figure
from exitwave.config.sections.microscope import Microscope
from exitwave.config.sections.multislice import Multislice
from exitwave.config.sections.networks import Network
from exitwave.config.sections.structure import Structure

# Sections whose values hold for all data sets and may be overridden in each.
COMMON_SECTIONS = ("structure", "multislice", "microscope", "epochs")

# Folders of results/ beside those of the data sets.
RESERVED_NAMES = (
    "benchmarks",
    "comparison",
    "comparisons",
    "convergence",
    "ensembles",
    "evaluations",
    "figures",
    "logs",
    "networks",
)


LEAST_CLASSICAL_PX = 32
"""Twice `exitwave.imaging.detector.GUARD_PX`."""


class Config(Section):
    """A whole configuration."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Root of every random draw."""
    datasets: dict[Name, Dataset] = Field(default={})
    """Data sets by name."""
    structure: Structure = Structure()
    multislice: Multislice = Multislice()
    microscope: Microscope = Microscope()
    epochs: Epochs = Epochs()
    networks: dict[Name, Network] = Field(default={})
    """Networks by name."""
    evaluations: dict[Name, Evaluation] = Field(default={})
    """Evaluations by name."""
    ensembles: dict[Name, Ensemble] = Field(default={})
    """Ensembles of networks by name."""
    comparisons: dict[Name, Comparison] = Field(default={})
    """Comparisons with classical reconstruction by name."""
    figures: dict[Name, Figure] = Field(default={})
    """Figures of the report by name, in its order."""
    convergence: Convergence = Convergence()

    @model_validator(mode="before")
    @classmethod
    def _share_common_sections(cls, raw: Any) -> Any:
        """Lay each data set's own keys over those of the common sections."""
        if not isinstance(raw, dict) or not isinstance(raw.get("datasets"), dict):
            return raw
        datasets = {}
        for name, dataset in raw["datasets"].items():
            if isinstance(dataset, dict):
                dataset = dict(dataset)
                for section in COMMON_SECTIONS:
                    common, own = raw.get(section, {}), dataset.get(section, {})
                    if isinstance(common, dict) and isinstance(own, dict):
                        dataset[section] = {**common, **own}
            datasets[name] = dataset
        return {**raw, "datasets": datasets}

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        _check_names(self)
        return self


def _check_names(config: Config) -> None:
    """Say where a section names something that is not there or does not fit.

    Raises
    ------
    ValueError
        With a sentence.
    """
    _check_datasets(config)
    for name, network in config.networks.items():
        _require(config.datasets, network.dataset, f"networks.{name}.dataset", "data sets")
        _require_divisible(config, f"networks.{name}", name, network.dataset)
    _check_evaluations(config)
    for name, ensemble in config.ensembles.items():
        for member in ensemble.networks:
            _require_pair(config, f"ensembles.{name}", "networks", member, ensemble.dataset)
            _require_trained_for(config, f"ensembles.{name}", member, ensemble.dataset)
        _require_alike(config, name)
    for name, comparison in config.comparisons.items():
        pair = (comparison.network, comparison.dataset)
        _require_pair(config, f"comparisons.{name}", "network", *pair)
        _require_shared_images(config, name)
        _require_trained_for(config, f"comparisons.{name}", *pair, comparison.images)
    for name in config.figures:
        _check_figure(config, name)


def _check_datasets(config: Config) -> None:
    for name, dataset in config.datasets.items():
        if name in RESERVED_NAMES:
            raise ValueError(
                f"datasets.{name}: '{name}' is the name of a folder of the results; choose "
                "another name"
            )
        source = dataset.exit_waves_from
        if source is None:
            _require_full_field(config, name, name)
            continue
        _require(config.datasets, source, f"datasets.{name}.exit_waves_from", "data sets")
        if source == name or config.datasets[source].exit_waves_from is not None:
            raise ValueError(
                f"datasets.{name}.exit_waves_from is '{source}', which makes no exit waves "
                "of its own; name the data set that does"
            )
        _require_full_field(config, name, source)


def _require_full_field(config: Config, dataset: str, source: str) -> None:
    """Demand that specimens that shall fill the images do so."""
    structure, entry = config.datasets[source].structure, config.datasets[dataset]
    side = structure.box_angstrom - 2 * structure.margin_angstrom
    field = entry.epochs.image_size_px * entry.microscope.sampling_angstrom[1]
    if structure.full_share and field > side:
        raise ValueError(
            f"datasets.{dataset}: with structure.full_share of {structure.full_share:g} specimens "
            f"shall fill the images, but these are up to {field:.1f} Å wide and the specimens "
            f"{side:.1f} Å; enlarge structure.box_angstrom or lower epochs.image_size_px"
        )


def _check_evaluations(config: Config) -> None:
    pairs: dict[tuple[str, str], str] = {}
    for name, evaluation in config.evaluations.items():
        pair = (evaluation.network, evaluation.dataset)
        _require_pair(config, f"evaluations.{name}", "network", *pair)
        _require_trained_for(config, f"evaluations.{name}", *pair)
        if pair in pairs:
            raise ValueError(
                f"evaluations.{name} and evaluations.{pairs[pair]} evaluate the same network "
                "on the same data set; remove one"
            )
        pairs[pair] = name
        if evaluation.refined_samples and config.networks[evaluation.network].images < 2:
            raise ValueError(
                f"evaluations.{name}.refined_samples is {evaluation.refined_samples}, but the "
                f"network '{evaluation.network}' takes one image, which does not determine both "
                "wave and aberrations; leave it out, or name a network of 2 or more images"
            )


def _require(known: Collection[str], name: str, where: str, what: str) -> None:
    if name not in known:
        raise ValueError(
            f"{where} is '{name}', which is not among the {what} ({', '.join(known) or 'none'})"
        )


def _require_pair(config: Config, where: str, key: str, network: str, dataset: str) -> None:
    """Demand that network and data set exist and that the network can take the images."""
    _require(config.datasets, dataset, f"{where}.dataset", "data sets")
    _require(config.networks, network, f"{where}.{key}", "networks")
    _require_divisible(config, where, network, dataset)


def _require_trained_for(
    config: Config, where: str, network: str, dataset: str, series: int | None = None
) -> None:
    """Demand that the series of a data set lie within what the network is trained for.

    Of series of more images than the network takes it gets some at even distances.
    """
    images = config.networks[network].images
    trained_on = config.networks[network].dataset
    domain = _conditions(config, trained_on, images)
    found = domain.violations(_conditions(config, dataset, images, series))
    if found:
        raise ValueError(
            f"{where}: the network '{network}' is not for the series of '{dataset}': "
            f"{'; '.join(found)}; name a data set like '{trained_on}', or train one for this"
        )


def _conditions(config: Config, dataset: str, images: int, series: int | None = None) -> Conditions:
    entry = config.datasets[dataset]
    energy = config.datasets[entry.exit_waves_from or dataset].multislice.energy_kev
    low, high = energy if isinstance(energy, tuple) else (energy, energy)
    return conditions_of(entry.microscope, images, (low, high), series)


def _require_divisible(config: Config, where: str, network: str, dataset: str) -> None:
    channels = config.networks[network].channels
    factor = size_factor(channels)
    size = config.datasets[dataset].epochs.image_size_px
    if size % factor:
        raise ValueError(
            f"{where}: a network of {len(channels)} levels needs images whose side "
            f"is a multiple of {factor} px, but those of '{dataset}' have {size} px; change "
            "epochs.image_size_px or networks.*.channels"
        )


def _require_alike(config: Config, ensemble: str) -> None:
    members = config.ensembles[ensemble].networks
    if len(set(members)) < len(members):
        raise ValueError(
            f"ensembles.{ensemble}.networks names a network twice; name each once, and train "
            "another with its own `replica`"
        )
    images = {name: config.networks[name].images for name in members}
    if len(set(images.values())) > 1:
        listed = ", ".join(f"{name} {number}" for name, number in images.items())
        raise ValueError(
            f"ensembles.{ensemble}.networks take different numbers of images ({listed}); name "
            "networks that take the same"
        )


def _require_shared_images(config: Config, comparison: str) -> None:
    entry = config.comparisons[comparison]
    taken = config.networks[entry.network].images
    try:
        evenly_spaced(entry.images, taken)
    except ValueError as error:
        raise ValueError(
            f"comparisons.{comparison} does not suit the network '{entry.network}': {error}"
        ) from None
    size = config.datasets[entry.dataset].epochs.image_size_px
    if size <= LEAST_CLASSICAL_PX:
        raise ValueError(
            f"comparisons.{comparison}: classical reconstruction needs images of more than "
            f"{LEAST_CLASSICAL_PX} px, but those of '{entry.dataset}' have {size} px; enlarge "
            "epochs.image_size_px"
        )


def _check_figure(config: Config, name: str) -> None:
    entry = config.figures[name]
    shown = SHOWN[entry.shows]
    section = shown.section
    if section is None:
        if entry.of:
            raise ValueError(
                f"figures.{name}.of names {', '.join(entry.of)}, but a figure that shows "
                f"'{entry.shows}' needs no names; leave it out"
            )
        return
    if not entry.of:
        raise ValueError(f"figures.{name}.of is empty; name one or more of `{section}`")
    for source in entry.of:
        _require(getattr(config, section), source, f"figures.{name}.of", section)
    if shown.one_sample:
        sources = getattr(config, section)
        drawn = {source: sources[source].percentiles for source in entry.of}
        _require_percentile(name, entry.percentile, section, drawn)


def _require_percentile(
    name: str, percentile: float, section: str, drawn: Mapping[str, Iterable[float]]
) -> None:
    for source, percentiles in drawn.items():
        if percentile not in percentiles:
            raise ValueError(
                f"figures.{name}.percentile is {percentile:g}, which is not among "
                f"{section}.{source}.percentiles; add it there"
            )
