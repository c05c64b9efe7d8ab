"""The spec of each job: one canonical JSON string of exactly what determines its result.

A spec is the only science parameter of a Snakemake job, so a job reruns where, and only where,
its spec or its input changed. It never holds a path, a label or a resource. ``version`` is the
algorithm version of the stage: raise it when the stage's code gives another result.

Each stage has a frozen model of its spec. The functions ``{stage}_spec`` cut the text out of a
configuration, and `read_spec` gives the model back:

>>> read_spec(simulate_spec(config, "mos2"), SimulateSpec).multislice.energy_kev
50.0
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_serializer,
)

from exitwave.config import (
    ComparisonSettings,
    Config,
    ConvergenceSettings,
    EnsembleSettings,
    EpochSettings,
    EvaluationSettings,
    FigureSettings,
    Materials,
    Microscope,
    Multislice,
    NetworkSettings,
    SplitByElements,
    SplitBySamples,
    Structure,
    parse_config,
)
from exitwave.config.sections.figures import SHOWN
from exitwave.errors import ExitwaveError
from exitwave.files.canonical import canonical_json
from exitwave.workflow import layout

ALGORITHM_VERSIONS = {
    "catalog": 1,
    "simulate": 2,
    "render": 2,
    "train": 1,
    "calibrate": 1,
    "evaluate": 2,
    "refine": 1,
    "ensemble": 2,
    "compare": 2,
    "plot": 4,
    "report": 2,
    "convergence": 1,
}

_NAMED = ("datasets", "networks", "evaluations", "ensembles", "comparisons", "figures")
_REMEDY = "take it from `exitwave spec CONFIG ...`"


class Spec(BaseModel):
    """What determines the result of a job, beside the content of its input files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: ClassVar[str]
    seed: int

    @property
    def text(self) -> str:
        """The canonical JSON that is given to the stage and stored in what it makes."""
        head = {"stage": self.stage, "version": ALGORITHM_VERSIONS[self.stage]}
        return canonical_json({**head, **self.model_dump(mode="json")})


AnySpec = TypeVar("AnySpec", bound=Spec)


class CatalogSpec(Spec):
    """Which materials and samples a data set has, and in which shards."""

    stage: ClassVar[str] = "catalog"
    dataset: str
    materials: Materials
    parametrization: str
    split: Annotated[SplitByElements | SplitBySamples, Discriminator("by")]
    shards: int


class SimulateSpec(Spec):
    """Specimens and exit waves of a data set, the same for all its shards."""

    stage: ClassVar[str] = "simulate"
    dataset: str
    structure: Structure
    multislice: Multislice


class RenderSpec(Spec):
    """One epoch of focal series."""

    stage: ClassVar[str] = "render"
    dataset: str
    images: int
    split: str
    epoch: int
    microscope: Microscope
    epochs: EpochSettings

    @field_serializer("microscope", mode="wrap")
    def _without_unused_formula(
        self, microscope: Microscope, write: SerializerFunctionWrapHandler
    ) -> Any:
        """Leave out the limits of the formula where a measured curve takes its place."""
        formula = {"mtf_c1", "mtf_c2", "mtf_c3", "mtf_frequency_unit"}
        written = write(microscope)
        if microscope.mtf_curve is None:
            return written
        return {key: value for key, value in written.items() if key not in formula}


class TrainSpec(Spec):
    """A network and its training."""

    stage: ClassVar[str] = "train"
    network: NetworkSettings


class CalibrateSpec(Spec):
    """What is measured of a network on its validation samples."""

    stage: ClassVar[str] = "calibrate"


class EvaluateSpec(Spec):
    """The scores of a network."""

    stage: ClassVar[str] = "evaluate"
    evaluation: EvaluationSettings
    normalization: str


class RefineSpec(Spec):
    """Series of an evaluation that are refined."""

    stage: ClassVar[str] = "refine"
    samples: Annotated[int, Field(ge=1)]


class EnsembleSpec(Spec):
    """The judgement of an ensemble."""

    stage: ClassVar[str] = "ensemble"
    ensemble: EnsembleSettings


class CompareSpec(Spec):
    """A comparison with classical reconstruction."""

    stage: ClassVar[str] = "compare"
    comparison: ComparisonSettings


class FigureSpec(Spec):
    """A figure, and the names that stand in it."""

    stage: ClassVar[str] = "plot"
    figure: FigureSettings
    labels: tuple[str, ...]
    dataset_labels: tuple[str, ...]
    datasets: tuple[str, ...] = Field(default=(), exclude_if=lambda names: not names)
    """Names of the data sets where two of them have the same label."""


class ReportSpec(Spec):
    """The configuration that a report or a card explains, labels included."""

    stage: ClassVar[str] = "report"
    config: dict[str, JsonValue]
    order: dict[str, tuple[str, ...]] = Field(default={}, exclude_if=lambda order: not order)
    """Names of the entries of each section as the configuration has them: JSON of a spec is sorted,
    but the report goes by this order. A card needs none."""

    def configuration(self) -> Config:
        """Return the configuration in its own order."""
        ordered = dict(self.config)
        for section, names in self.order.items():
            entries = ordered[section]
            if isinstance(entries, dict):
                ordered[section] = {name: entries[name] for name in names}
        return parse_config(ordered, "the spec's configuration")


class ConvergenceSpec(Spec):
    """The study of convergence; ``structure`` has the boxes of the study."""

    stage: ClassVar[str] = "convergence"
    convergence: ConvergenceSettings
    structure: Structure
    multislice: Multislice
    target_smear_angstrom: float


def read_spec(text: str, kind: type[AnySpec], any_version: bool = False) -> AnySpec:
    """Return the values of a spec.

    Parameters
    ----------
    text : str
        The JSON.
    kind : type
        The model of the stage's spec.
    any_version : bool
        Whether the spec of another algorithm version will do, for who reads what is stored.

    Raises
    ------
    ExitwaveError
        Where the text is no JSON, the spec is another stage's or another version's, or a value is
        missing or unusable.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ExitwaveError(f"--spec is no JSON ({error}); {_REMEDY}.") from None
    if not isinstance(values, dict) or values.pop("stage", None) != kind.stage:
        raise ExitwaveError(f"--spec is no spec of the stage '{kind.stage}'; {_REMEDY}.")
    version = values.pop("version", None)
    if version != ALGORITHM_VERSIONS[kind.stage] and not any_version:
        raise ExitwaveError(
            f"--spec has version {version} of the stage '{kind.stage}', but this program computes "
            f"version {ALGORITHM_VERSIONS[kind.stage]}; {_REMEDY}."
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ExitwaveError(f"--spec {_complaint(error)}; {_REMEDY}.") from None


def _complaint(error: ValidationError) -> str:
    missing = [
        ".".join(str(part) for part in problem["loc"])
        for problem in error.errors()
        if problem["type"] == "missing"
    ]
    if missing:
        return f"lacks {', '.join(sorted(missing))}"
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    reason = problem["msg"].removeprefix("Value error, ")
    return f"has an unusable value at {where} ({reason[0].lower()}{reason[1:]})"


def catalog_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's catalog."""
    entry = config.datasets[dataset]
    return CatalogSpec(
        seed=config.seed,
        dataset=dataset,
        materials=entry.materials,
        # Rows whose elements have no potential are no materials.
        parametrization=entry.multislice.parametrization,
        split=entry.split,
        shards=entry.shards,
    ).text


def simulate_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's exit waves; the same for all its shards."""
    entry = config.datasets[dataset]
    return SimulateSpec(
        seed=config.seed,
        dataset=dataset,
        structure=entry.structure,
        multislice=entry.multislice,
    ).text


def render_spec(config: Config, dataset: str, images: int, split: str, epoch: int) -> str:
    """Return the spec of one epoch of focal series of so many images."""
    entry = config.datasets[dataset]
    return RenderSpec(
        seed=config.seed,
        dataset=dataset,
        images=images,
        split=split,
        epoch=epoch,
        microscope=entry.microscope,
        epochs=entry.epochs.part(EpochSettings),
    ).text


def train_spec(config: Config, network: str) -> str:
    """Return the spec of a network's training; its epochs are inputs of the job."""
    settings = config.networks[network].part(NetworkSettings)
    return TrainSpec(seed=config.seed, network=settings).text


def calibrate_spec(config: Config) -> str:
    """Return the spec of what is measured of a network, an input of the job with its epochs."""
    return CalibrateSpec(seed=config.seed).text


def evaluate_spec(config: Config, evaluation: str) -> str:
    """Return the spec of an evaluation; network and epoch are inputs of the job."""
    entry = config.evaluations[evaluation]
    return EvaluateSpec(
        seed=config.seed,
        evaluation=entry.part(EvaluationSettings),
        normalization=config.networks[entry.network].normalization,
    ).text


def refine_spec(config: Config, evaluation: str) -> str:
    """Return the spec of an evaluation's refinements; network and epochs are inputs of the job."""
    entry = config.evaluations[evaluation]
    return RefineSpec(seed=config.seed, samples=entry.refined_samples).text


def ensemble_spec(config: Config, ensemble: str) -> str:
    """Return the spec of an ensemble; its networks and epochs are inputs of the job."""
    settings = config.ensembles[ensemble].part(EnsembleSettings)
    return EnsembleSpec(seed=config.seed, ensemble=settings).text


def compare_spec(config: Config, comparison: str) -> str:
    """Return the spec of a comparison; its network and epochs are inputs of the job."""
    settings = config.comparisons[comparison].part(ComparisonSettings)
    return CompareSpec(seed=config.seed, comparison=settings).text


def figure_spec(config: Config, figure: str) -> str:
    """Return the spec of a figure: what it shows, and the names that stand in it."""
    entry = config.figures[figure]
    section = SHOWN[entry.shows].section
    sources = getattr(config, section) if section else {}
    datasets = tuple(sources[name].dataset for name in entry.of)
    dataset_labels = tuple(config.datasets[name].label or name for name in datasets)
    distinct = len(set(dataset_labels)) == len(set(datasets))
    return FigureSpec(
        seed=config.seed,
        figure=entry.part(FigureSettings),
        labels=tuple(sources[name].label or name for name in entry.of),
        dataset_labels=dataset_labels,
        datasets=() if distinct else datasets,
    ).text


def report_spec(config: Config) -> str:
    """Return the spec of the report: the whole configuration, labels included.

    The study of convergence is not in the report.
    """
    shown = config.model_dump(mode="json", exclude={"convergence"})
    order = {section: tuple(names) for section, names in shown.items() if section in _NAMED}
    return ReportSpec(seed=config.seed, config=shown, order=order).text


def card_spec(config: Config, dataset: str) -> str:
    """Return the spec of a data set's card: the data set, and the one whose waves it shows."""
    shown = {name: config.datasets[name] for name in (layout.source(config, dataset), dataset)}
    datasets: JsonValue = {name: entry.model_dump(mode="json") for name, entry in shown.items()}
    return ReportSpec(seed=config.seed, config={"seed": config.seed, "datasets": datasets}).text


def convergence_spec(config: Config) -> str:
    """Return the spec of the study of convergence, its boxes in the place of the common ones."""
    entry = config.convergence
    boxes = {key: getattr(entry, key) for key in type(entry).__annotations__}
    # Not validated here: boxes that hold no specimen concern those alone who ask for the study.
    return ConvergenceSpec.model_construct(
        seed=config.seed,
        convergence=entry.part(ConvergenceSettings),
        structure=config.structure.model_copy(update=boxes),
        multislice=config.multislice,
        target_smear_angstrom=config.epochs.target_smear_angstrom,
    ).text


def all_specs(config: Config) -> dict[str, str]:
    """Return the specs of all stages by name, such as ``simulate mos2``."""
    specs = {}
    for name, dataset in config.datasets.items():
        if dataset.exit_waves_from is None:
            specs[f"catalog {name}"] = catalog_spec(config, name)
            specs[f"simulate {name}"] = simulate_spec(config, name)
    for name, dataset in config.datasets.items():
        for split in layout.SPLITS:
            count = getattr(dataset.epochs, f"{split}_epochs")
            for images in layout.image_numbers(config, name, split):
                for epoch in range(count):
                    title = f"render {name} {images}_images {split} {epoch:02d}"
                    specs[title] = render_spec(config, name, images, split, epoch)
    specs |= {f"train {name}": train_spec(config, name) for name in config.networks}
    specs |= {f"calibrate {name}": calibrate_spec(config) for name in layout.calibrated(config)}
    specs |= {f"evaluate {name}": evaluate_spec(config, name) for name in config.evaluations}
    specs |= {f"refine {name}": refine_spec(config, name) for name in layout.refined(config)}
    specs |= {f"ensemble {name}": ensemble_spec(config, name) for name in config.ensembles}
    specs |= {f"compare {name}": compare_spec(config, name) for name in config.comparisons}
    specs |= {f"plot {name}": figure_spec(config, name) for name in config.figures}
    specs["report"] = report_spec(config)
    specs["convergence"] = convergence_spec(config)
    return specs
