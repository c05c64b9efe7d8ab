"""What the files of data sets hold: the variables, dimensions and units of each kind of store.

`exitwave.files.store` writes the files and holds them against these schemas.

>>> EPOCH.variable("defocus").units
'angstrom'
"""

from __future__ import annotations

from dataclasses import dataclass

FORMAT_VERSION = 2
PARTS = ("real", "imag")


@dataclass(frozen=True)
class Variable:
    """One variable of a store, with what a reader needs to know of it."""

    name: str
    dimensions: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    may_be_nan: bool = False


@dataclass(frozen=True)
class Schema:
    """The variables of one kind of store."""

    kind: str
    variables: tuple[Variable, ...]

    def variable(self, name: str) -> Variable:
        """Return the variable of a name."""
        return next(variable for variable in self.variables if variable.name == name)


def _column(name: str, dtype: str, units: str, long_name: str) -> Variable:
    return Variable(name, ("sample",), dtype, units, long_name)


def _mtf_parameter(name: str) -> Variable:
    text = f"{name} of the modulation transfer function; NaN where it is a measured curve"
    return Variable(f"mtf_{name}", ("sample",), "f8", "1", text, may_be_nan=True)


_IDENTITY = (
    _column("material", "str", "1", "identifier of the material in the catalog"),
    _column("formula", "str", "1", "chemical formula of the material"),
    _column("sample_index", "i4", "1", "number of the specimen among those of its material"),
    _column("split", "str", "1", "training or validation"),
    _column("sample_key", "str", "1", "hash of spec, structure and sample identity"),
)

_ENERGY = _column("energy", "f8", "keV", "kinetic energy of the electrons")

_LAYERS = "0 flake, 1 support, 2 contamination"


def _atoms(origin: str) -> tuple[Variable, ...]:
    """Atoms, and those that were taken out of their crystals, placed from an origin."""
    place = f"position from {origin}; z along the beam, 0 at the highest atom"
    return tuple(
        variable
        for kind, what in (("atom", "atom"), ("vacancy", "missing atom"))
        for variable in (
            _column(f"{kind}_count", "i4", "1", f"number of {what}s of the specimen"),
            Variable(f"{kind}_number", (kind,), "i4", "1", f"atomic number of the {what}"),
            Variable(f"{kind}_layer", (kind,), "i4", "1", _LAYERS),
            Variable(
                f"{kind}_column",
                (kind,),
                "i4",
                "1",
                f"column of the crystal that the {what} belongs to; -1 outside crystals",
            ),
            Variable(f"{kind}_position", (kind, "xyz"), "f8", "angstrom", place),
        )
    )


RAGGED = {"atom": "atom_count", "vacancy": "vacancy_count"}
"""Dimensions of contiguous ragged arrays, in which the entries of sample i follow those of sample
i - 1, and the variable that says how many each sample has."""

EXIT_WAVES = Schema(
    "exit_waves",
    (
        Variable(
            "exit_wave",
            ("sample", "y", "x", "part"),
            "f4",
            "1",
            "exit wave relative to the incident wave",
        ),
        *_IDENTITY,
        _column("sampling", "f8", "angstrom", "distance of the wave's points"),
        _ENERGY,
        _column("tilt", "f8", "degree", "angle by which the specimen is tilted"),
        _column("tilt_axis", "f8", "degree", "direction of the tilt axis from x towards y"),
        _column("exit_distance", "f8", "angstrom", "exit plane below the lowest atom"),
        _column("thickness", "f8", "angstrom", "from the highest to the lowest atom"),
        *_atoms("the first point"),
    ),
)

EPOCH = Schema(
    "epoch",
    (
        Variable(
            "image",
            ("sample", "y", "x", "frame"),
            "f4",
            "1",
            "detected intensity relative to the incident beam",
        ),
        Variable(
            "exit_wave",
            ("sample", "y", "x", "part"),
            "f4",
            "1",
            "smeared exit wave relative to the incident wave",
        ),
        *_IDENTITY,
        _column("sampling", "f8", "angstrom", "side of a pixel"),
        _ENERGY,
        Variable("defocus", ("sample", "frame"), "f8", "angstrom", "defocus of each image"),
        _column("spherical_aberration", "f8", "angstrom", "Cs"),
        _column("astigmatism", "f8", "angstrom", "amplitude of the two-fold astigmatism C12"),
        _column("astigmatism_angle", "f8", "radian", "angle of the two-fold astigmatism"),
        _column("coma", "f8", "angstrom", "amplitude of the axial coma C21"),
        _column("coma_angle", "f8", "radian", "angle of the axial coma"),
        _column("focal_spread", "f8", "angstrom", "focal spread, 1/e width"),
        _column("blur", "f8", "angstrom", "B of the envelope exp(-B^2 k^2 / 2)"),
        _column("dose", "f8", "angstrom-2", "electrons per area of each image"),
        _mtf_parameter("c1"),
        _mtf_parameter("c2"),
        _mtf_parameter("c3"),
        _column("padded_size", "f8", "angstrom", "side of the vacuum-padded box"),
        _column("seed", "str", "1", "key of the random draws"),
        *_atoms("the centre of the first pixel"),
    ),
)

# What every store holds beside the variables of its schema.
DIGEST = _column("digest", "str", "1", "BLAKE2b digest of the sample's content")
PART = Variable("part", ("part",), "str", "1", "part of a complex number")

SCHEMAS = {schema.kind: schema for schema in (EXIT_WAVES, EPOCH)}
# Sizes of the dimensions that are the same in every store.
FIXED_SIZES = {"part": len(PARTS), "xyz": 3}
