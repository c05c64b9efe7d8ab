"""The configuration as frozen models: every key, its unit, its range and its default.

The defaults are the paper's values or, where the paper is silent, our decisions; each
description says which. `exitwave.config.reference` turns this file into the JSON schema
and the key table of ``config/README.md``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ase.data import chemical_symbols
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from exitwave.config.constraints import BUILT_IN
from exitwave.config.fields import (
    EnergyOrLimits,
    Limits,
    Name,
    NonNegative,
    NonNegativeLimits,
    Positive,
    PositiveLimits,
    Section,
    Share,
)
from exitwave.config.mtf_curve import MtfCurve, check_mtf_curve, read_mtf_curve
from exitwave.config.references import check_names
from exitwave.config.structure import Structure
from exitwave.config.studies import Comparison, Ensemble, Figure

# Sections whose values hold for all data sets and may be overridden in each.
COMMON_SECTIONS = ("structure", "multislice", "microscope", "epochs")


class Materials(Section):
    """Where the materials of a data set come from, and which are taken."""

    source: str = BUILT_IN
    """`monolayers` (the built-in table) or the path of an ASE database (SQLite or JSON),
    such as C2DB's."""
    selection: str = ""
    """ASE selection string, such as `natoms<=8,gap>0`. Rows that lack a compared key do not
    match; the catalog counts them."""
    max_atoms: Annotated[int, Field(ge=1)] | None = 8
    """Most atoms in the unit cell (paper: 8); null for no limit."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Take only so many of the accepted materials, drawn by a fixed hash; null for all."""


class SplitByElements(Section):
    """Random split in which materials with the same set of elements stay together."""

    by: Literal["elements"] = "elements"
    """This kind of split."""
    training_share: Share = 2 / 3
    """Share of the element sets that go to training (paper: 2 : 1)."""
    samples_per_material: Annotated[int, Field(ge=1)] = 2
    """Specimens drawn of each material (paper: 2)."""


class SplitBySamples(Section):
    """Fixed numbers of samples of each material on either side."""

    by: Literal["samples"]
    """This kind of split."""
    training_samples: Annotated[int, Field(ge=1)] = 1000
    """Training specimens of each material (paper: 1000)."""
    validation_samples: Annotated[int, Field(ge=1)] = 1000
    """Validation specimens of each material (paper: 1000)."""


class Multislice(Section):
    """The electron wave through the specimen."""

    energy_kev: EnergyOrLimits = 50.0
    """Kinetic energy of the electrons (paper, Table 1), or two numbers between which it is
    drawn for each specimen (ours)."""
    method: Literal["fourier", "abtem"] = "fourier"
    """Multislice in Fourier space, 15 to 30 times faster than a plain abTEM script and closer to
    a converged wave (ours; `docs/physics.md`), or abTEM's (paper)."""
    sampling_angstrom: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """Distance of the points of the wave (paper)."""
    slice_thickness_angstrom: Annotated[float, Field(gt=0, le=5)] = 0.2
    """Thickness of abTEM's slices (paper), with `fourier` the distance of the planes; there 0.4
    is fine enough as well (0.2 with frozen phonons)."""
    projection: Literal["finite", "infinite"] = "finite"
    """abTEM's projection of the atomic potentials onto the slices; `fourier` has none."""
    parametrization: Literal["lobato", "kirkland", "peng"] = "lobato"
    """Atomic potentials, by abTEM's name."""
    thermal: Literal["smeared", "frozen_phonons"] = "smeared"
    """Vibration: potentials smeared alike for all atoms (paper), or the coherent mean of waves
    through displaced atoms, each element with its own mass (ours)."""
    frozen_phonon_configurations: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Configurations of displaced atoms; each takes as long as one smeared wave (ours)."""
    temperature_kelvin: NonNegative = 300.0
    """Temperature in Eq. (1) of the paper."""
    debye_temperature_kelvin: Positive = 580.0
    """Debye temperature in Eq. (1) (paper: bulk MoS2)."""
    debye_temperatures_kelvin: dict[str, Positive] = Field(default={})
    """Debye temperatures of single elements by symbol, such as `{Mo: 450}`; for frozen phonons
    only (ours)."""
    debye_mass_dalton: Positive = 32.06
    """Atomic mass in Eq. (1), used for all atoms where potentials are smeared (paper:
    sulphur)."""
    exit_distance_angstrom: Positive = 3.0
    """Distance of the exit plane below the lowest atom (ours; paper: a few Å)."""
    max_frequency_per_angstrom: Positive = 5.0
    """Spatial frequency up to which the stored wave is kept (ours; an image of 0.10 Å a
    pixel holds no more)."""
    fft: Literal["numpy", "fftw"] = "numpy"
    """FFT library that abTEM uses (ours); both give bit-identical reruns (FFTW then plans by
    estimate). `fourier` always takes SciPy's, on a GPU CuPy's."""

    @field_validator("debye_temperatures_kelvin")
    @classmethod
    def _elements_exist(cls, temperatures: dict[str, float]) -> dict[str, float]:
        if unknown := [symbol for symbol in temperatures if symbol not in chemical_symbols[1:]]:
            raise ValueError(f"'{unknown[0]}' is no chemical symbol; write it as in Mo or S")
        return temperatures

    @model_validator(mode="after")
    def _temperatures_count(self) -> Multislice:
        if self.debye_temperatures_kelvin and self.thermal == "smeared":
            raise ValueError(
                "debye_temperatures_kelvin is given, but smeared potentials take one Debye "
                "temperature for all atoms; set thermal to frozen_phonons or remove it"
            )
        return self


class Microscope(Section):
    """Table 1 of the paper: the limits between which each series' microscope is drawn."""

    defocus_angstrom: Limits = (-150.0, 150.0)
    """All defoci of a series stay between these, in abTEM's sign (paper)."""
    defocus_range_angstrom: NonNegative = 100.0
    """From the first to the last image of a series, whatever their number (paper)."""
    defocus_step_error_angstrom: NonNegative = 1.0
    """Each step is off by a uniform draw of up to this (paper: 5 ± 0.1 nm)."""
    spherical_aberration_micrometre: Limits = (-15.0, 15.0)
    """Cs (paper)."""
    astigmatism_angstrom: NonNegativeLimits = (0.0, 25.0)
    """Amplitude of the two-fold astigmatism C12; its angle is uniform (paper)."""
    coma_angstrom: NonNegativeLimits = (0.0, 600.0)
    """Amplitude of the coma C21; its angle is uniform (paper)."""
    focal_spread_angstrom: NonNegativeLimits = (5.0, 20.0)
    """Focal spread as a 1/e width (paper; abTEM's convention)."""
    focal_spread_model: Literal["quasi_coherent", "incoherent"] = "quasi_coherent"
    """An envelope on the wave (paper; abTEM), or the average of intensities over foci f that are
    distributed as exp(-(f / spread)²) (ours)."""
    blur_angstrom: NonNegativeLimits = (0.5, 1.5)
    """B of the envelope exp(-B² k² / 2) on the wave (paper; abTEM of 2021)."""
    dose_log10_per_square_angstrom: Limits = (2.5, 5.0)
    """log10 of the electrons per Å² of each image (paper; log-uniform)."""
    sampling_angstrom: PositiveLimits = (0.10, 0.11)
    """Pixel of the images (paper; 0.215 to 0.235 for the experiment)."""
    mtf_c1: Limits = (-0.6, 0.2)
    """c1 of MTF(k) = (1 - c1) / (1 + (k / (2 c2))^|c3|) + c1 (paper)."""
    mtf_c2: PositiveLimits = (0.1, 0.2)
    """c2 of the MTF (paper)."""
    mtf_c3: Limits = (0.6, 1.8)
    """c3 of the MTF (paper)."""
    mtf_frequency_unit: Literal["nyquist", "per_angstrom", "cycles_per_pixel"] = "nyquist"
    """Unit of k in the MTF (ours). With `nyquist` negative values are set to 0."""
    mtf_file: Annotated[str | None, Field(exclude=True)] = None
    """Text file of two columns with a measured MTF that takes the place of the formula: spatial
    frequency in units of the Nyquist frequency, from 0 to 1 or more, and MTF, from 1 on. It is
    interpolated linearly; beyond its last frequency the last value holds (ours)."""
    mtf_curve: Annotated[MtfCurve, AfterValidator(check_mtf_curve)] | None = None
    """The points of a measured MTF, `[[0, 1], ..., [1, 0.3]]`, in place of a file (ours)."""
    padding_tolerance: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Largest difference of an image from that of an isolated specimen, through fringes that
    reach round the padded box: rms over the rms of the contrast (ours)."""

    @field_validator("mtf_file", mode="after")
    @classmethod
    def _mtf_file_is_a_curve(cls, path: str | None) -> str | None:
        if path is not None:
            read_mtf_curve(path)
        return path

    @field_validator("mtf_curve", mode="before")
    @classmethod
    def _read_mtf_file(cls, curve: Any, info: ValidationInfo) -> Any:
        path = info.data.get("mtf_file")
        if path is None:
            return curve
        if curve is not None:
            raise ValueError(f"there is also mtf_file, '{path}'; set one of the two to null")
        return read_mtf_curve(path)


class Epochs(Section):
    """The pre-generated epochs of images."""

    image_size_px: Annotated[int, Field(ge=16)] = 352
    """Side of the square images; a multiple of 2^(levels) of the network (ours)."""
    images: tuple[Annotated[int, Field(ge=1, le=32)], ...] = ()
    """Lengths of focal series that are rendered in any case; those that networks and evaluations
    need always are, and 3 where nothing asks for any."""
    training_epochs: Annotated[int, Field(ge=1)] = 10
    """Epochs of images made of the training samples (paper)."""
    validation_epochs: Annotated[int, Field(ge=1)] = 1
    """Epochs of images made of the validation samples (paper)."""
    target_smear_angstrom: NonNegative = 0.15
    """Standard deviation of the Gaussian folded with the exit wave (paper, Sec. 2)."""
    max_failed_share: Share = 0.05
    """No epoch is made where a larger share of a data set's samples failed (ours)."""


class Dataset(Section):
    """One data set; its own values for the four sections go before the common ones."""

    label: str = ""
    """Name in figures and reports; the key itself where empty."""
    materials: Materials = Materials()
    """Where the materials come from, and which are taken."""
    split: Annotated[SplitByElements | SplitBySamples, Field(discriminator="by")] = (
        SplitByElements()
    )
    """How samples are shared out between training and validation."""
    shards: Annotated[int, Field(ge=1, le=500)] = 16
    """Files, and jobs, over which the exit waves are spread."""
    structure: Structure = Structure()
    """Overrides of the common `structure`."""
    multislice: Multislice = Multislice()
    """Overrides of the common `multislice`."""
    microscope: Microscope = Microscope()
    """Overrides of the common `microscope`."""
    epochs: Epochs = Epochs()
    """Overrides of the common `epochs`."""
    exit_waves_from: Name | None = None
    """Another data set whose exit waves this one images anew (other microscope, other
    epochs); it then has no materials, structure or multislice of its own."""
    paper_simulation_core_hours: float | None = None
    """The paper's time for the exit waves (Table A.2 times 24 cores), to stand beside ours."""
    paper_rendering_core_hours: float | None = None
    """The paper's time for the images (Table A.2 times 40 cores), to stand beside ours."""
    paper_training_gpu_hours: float | None = None
    """The paper's time for the training (Table A.2), to stand beside ours."""


class Network(Section):
    """One network and its training."""

    dataset: Name
    """Data set it is trained on."""
    label: str = ""
    """Name in figures and reports; the key itself where empty."""
    images: Annotated[int, Field(ge=1, le=32)] = 3
    """Images in a focal series (paper: 3; 1, 2 and 4 in Fig. 6)."""
    channels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2)] = (
        32,
        64,
        128,
        256,
    )
    """Feature channels of each level from the top, the bridge last (ours; the numbers of
    Fig. S1 are lost)."""
    convolutions: Annotated[int, Field(ge=2)] = 5
    """Convolutions in a block (paper)."""
    kernel_px: Annotated[int, Field(ge=1)] = 3
    """Side of the convolution kernels (paper)."""
    batch_normalization: bool = False
    """Batch normalisation after each convolution (paper: none named)."""
    normalization: Literal["mean", "local"] = "mean"
    """Each series is divided by its mean, or by its local mean and spread."""
    image_scale: Positive = 1.0
    """The network sees (image / mean - 1) times this."""
    target_scale: Positive = 1.0
    """The network's last layer gives (Re - 1, Im) times this."""
    augment: bool = False
    """Flip and turn each sample by quarter turns, drawn anew in each epoch (ours)."""
    optimizer: Literal["rmsprop", "adam", "amsgrad"] = "rmsprop"
    """Training algorithm (paper: RMSprop)."""
    learning_rate: Positive = 5e-4
    """Learning rate at the start (paper)."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Course of the learning rate over the whole training (paper: constant)."""
    epochs: Annotated[int, Field(ge=1)] = 200
    """Training epochs; the pre-generated ones are cycled (paper: up to 200)."""
    batch_size: Annotated[int, Field(ge=1)] = 8
    """Samples in a training step (ours)."""
    training_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training samples that is used (Fig. S3)."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Keras precision policy."""
    jit_compile: bool = False
    """Compile the training step with XLA."""
    replica: Annotated[int, Field(ge=0)] = 0
    """Another number gives another initialisation and order; for ensembles."""


class Evaluation(Section):
    """One network held against the validation samples of one data set."""

    network: Name
    """The network."""
    dataset: Name
    """The data set; need not be the one it was trained on."""
    label: str = ""
    """Name in figures and reports; the key itself where empty."""
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (5.0, 25.0, 50.0, 75.0, 95.0)
    """Samples that are drawn, ranked by Eq. (A.1): so many per cent are worse (paper)."""
    blurs_angstrom: tuple[Positive, ...] = (0.3, 0.6, 1.0)
    """Widths of the blurred truths that serve as baselines (ours)."""
    peak_distance_angstrom: Positive = 0.5
    """A true peak is found where a predicted one lies within this (ours)."""
    peak_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Peaks of |Psi - 1| count from this share of the sample's highest true peak (ours)."""
    paper_rmse: float | None = None
    """The paper's RMSE of its median sample, to stand beside ours."""
    paper_largest_displacement_pm: float | None = None
    """The paper's largest displacement of a peak of its median sample [pm]."""


class Convergence(Section):
    """Study of the multislice settings on small specimens: `snakemake convergence`."""

    materials: Annotated[tuple[Materials, ...], Field(min_length=1)] = (
        Materials(selection="name=2H-MoS2"),
    )
    """Where the materials come from, and which are taken: a list, each entry as the `materials` of
    a data set (paper: MoS2). At most 7 in all."""
    specimens: Annotated[int, Field(ge=1)] = 1
    """Specimens of each material; curves show their median (paper: 1)."""
    box_angstrom: Positive = 19.2
    """Side of the box, in the place of that of `structure` (ours; 384 points at 0.05 Å)."""
    flake_radius_angstrom: PositiveLimits = (5.0, 7.0)
    """Radius of the flakes, in the place of that of `structure` (ours)."""
    support_radius_angstrom: PositiveLimits = (5.0, 7.0)
    """Radius of the support, in the place of that of `structure` (ours)."""
    projections: Annotated[tuple[Literal["finite", "infinite"], ...], Field(min_length=1)] = (
        "finite",
        "infinite",
    )
    """Projections that are compared; the reference's is always finite (ours)."""
    slice_thicknesses_angstrom: Annotated[
        tuple[Annotated[float, Field(gt=0, le=5)], ...], Field(min_length=1)
    ] = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Slice thicknesses that are compared, at the sampling of `multislice` (ours)."""
    samplings_angstrom: Annotated[
        tuple[Annotated[float, Field(gt=0, le=0.5)], ...], Field(min_length=1)
    ] = (0.04, 0.05, 0.06, 0.08, 0.1)
    """Samplings that are compared, at the slice thickness of `multislice` (ours)."""
    reference_slice_thickness_angstrom: Positive = 0.05
    """Slices of the wave that counts as correct (ours; paper: 0.01)."""
    reference_sampling_angstrom: Positive = 0.03
    """Sampling of the wave that counts as correct (ours)."""

    @model_validator(mode="after")
    def _reference_is_finest(self) -> Convergence:
        for reference, compared in (
            ("reference_slice_thickness_angstrom", "slice_thicknesses_angstrom"),
            ("reference_sampling_angstrom", "samplings_angstrom"),
        ):
            if getattr(self, reference) > min(getattr(self, compared)):
                raise ValueError(
                    f"{reference} is {getattr(self, reference):g}, but {compared} goes down to "
                    f"{min(getattr(self, compared)):g}; the reference must be the finest"
                )
        return self


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
        check_names(self)
        return self
