"""What a network was trained for, and whether focal series lie within it.

Outside of it a network still gives crisp waves, which are wrong: of series with other pixels and
another energy, half of the atoms were missing.

>>> domain.violations(Conditions(images=3, energy_kev=(80.0, 80.0)))
('it was trained at an energy of 50 keV, but here is one of 80 keV',)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from pydantic import TypeAdapter, ValidationError

from exitwave.errors import ExitwaveError

Range = tuple[float, float]
"""Least and greatest value."""


@dataclass(frozen=True)
class _Quantity:
    """A number that a network is trained for, in words, and how far outside is still inside."""

    words: str
    unit: str
    relative: float
    absolute: float = 0.0


# A pixel of an image is that of its microscope to 0.2 %; energies and doses are known to a few
# per cent, and defoci to some ångström at best.
_QUANTITIES = {
    "energy_kev": _Quantity("an energy", "keV", 0.01),
    "sampling_angstrom": _Quantity("pixels", "Å", 0.01),
    "defocus_angstrom": _Quantity("defoci", "Å", 0.02, 10.0),
    "defocus_step_angstrom": _Quantity("steps of the defocus", "Å", 0.1, 2.0),
    "dose_per_square_angstrom": _Quantity("a dose", "e/Å²", 0.25),
}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which focal series were recorded; None is not known.

    Attributes
    ----------
    images : int
        Images in a series.
    energy_kev : tuple of (float, float)
        Kinetic energy of the electrons.
    sampling_angstrom : tuple of (float, float)
        Side of a pixel.
    defocus_angstrom : tuple of (float, float)
        All defoci, in abTEM's sign.
    defocus_step_angstrom : tuple of (float, float)
        From an image to the next; negative where the defocus falls.
    dose_per_square_angstrom : tuple of (float, float)
        Electrons per area of each image.
    """

    images: int
    energy_kev: Range | None = None
    sampling_angstrom: Range | None = None
    defocus_angstrom: Range | None = None
    defocus_step_angstrom: Range | None = None
    dose_per_square_angstrom: Range | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingDomain(Conditions):
    """What a network was trained for.

    Attributes
    ----------
    spherical_aberration_micrometre, astigmatism_angstrom, coma_angstrom : tuple of (float, float)
        Aberrations of the microscopes.
    trefoil_angstrom : tuple of (float, float)
        Their three-fold astigmatism.
    misregistration_angstrom, intensity_error_share : tuple of (float, float)
        How far the images were off each other, in place and intensity.
    focal_spread_angstrom, blur_angstrom : tuple of (float, float)
        Their envelopes.
    target_smear_angstrom : tuple of (float, float)
        Standard deviation of the Gaussian that its waves are folded with.
    formulas : tuple of str
        Chemical formulas of the materials.
    components : tuple of str
        What specimens have: ``flake``, ``support``, ``contamination``.
    """

    spherical_aberration_micrometre: Range | None = None
    astigmatism_angstrom: Range | None = None
    coma_angstrom: Range | None = None
    trefoil_angstrom: Range | None = None
    misregistration_angstrom: Range | None = None
    intensity_error_share: Range | None = None
    focal_spread_angstrom: Range | None = None
    blur_angstrom: Range | None = None
    target_smear_angstrom: Range | None = None
    formulas: tuple[str, ...] = ()
    components: tuple[str, ...] = ()

    def violations(self, conditions: Conditions) -> tuple[str, ...]:
        """Return in what the conditions lie outside, each as the second half of a sentence."""
        found = []
        if conditions.images != self.images:
            found.append(
                f"it was trained on series of {self.images} images, but here are "
                f"{conditions.images}"
            )
        for name, quantity in _QUANTITIES.items():
            own, other = getattr(self, name), getattr(conditions, name)
            if own is None or other is None or _is_within(other, own, quantity):
                continue
            here = "is one" if quantity.words.startswith("a") else "are some"
            sentence = (
                f"it was trained at {quantity.words} of {_text(own)} {quantity.unit}, "
                f"but here {here} of {_text(other)} {quantity.unit}"
            )
            if name == "defocus_step_angstrom" and _is_within(
                (-other[1], -other[0]), own, quantity
            ):
                sentence += ": reverse the order of the images"
            found.append(sentence)
        return tuple(found)

    def unknown(self, formulas: Sequence[str]) -> tuple[str, ...]:
        """Return those formulas that no training sample had."""
        return tuple(sorted(set(formulas) - set(self.formulas)))


def _is_within(value: Range, limits: Range, quantity: _Quantity) -> bool:
    low, high = limits
    return value[0] >= low - quantity.absolute - quantity.relative * abs(low) and value[
        1
    ] <= high + quantity.absolute + quantity.relative * abs(high)


def _text(limits: Range) -> str:
    low, high = (f"{value:.4g}" for value in limits)
    return low if low == high else f"{low} to {high}"


def require_domain(
    name: str, domain: TrainingDomain | None, conditions: Conditions, remedy: str
) -> None:
    """Raise where series lie outside of what a network was trained for.

    Parameters
    ----------
    name : str
        Of the network.
    domain : TrainingDomain or None
        None for a network of which it is not recorded; then nothing is known to be wrong.
    conditions : Conditions
        Of the series.
    remedy : str
        What to do, as the last part of a sentence.

    Raises
    ------
    ExitwaveError
        With one sentence for each violation.
    """
    if domain is None:
        return
    if found := domain.violations(conditions):
        raise ExitwaveError(
            f"The network {name} is not for these series: {'; '.join(found)}; {remedy}."
        )


def joined(domains: Sequence[TrainingDomain]) -> TrainingDomain | None:
    """Return the domain that holds several; None for none."""
    if not domains:
        return None
    values: dict[str, object] = {"images": domains[0].images}
    for name in (each.name for each in fields(TrainingDomain) if each.name != "images"):
        found = [getattr(domain, name) for domain in domains]
        if None in found:
            continue
        if name in ("formulas", "components"):
            values[name] = tuple(sorted(set().union(*found)))
        else:
            values[name] = (min(low for low, _ in found), max(high for _, high in found))
    return from_json(values)


_STORED = TypeAdapter(TrainingDomain)


def as_json(domain: TrainingDomain) -> dict[str, object]:
    """Return what is stored in a network's folder."""
    stored = _STORED.dump_python(domain, mode="json")
    return {name: value for name, value in stored.items() if value is not None}


def from_json(stored: object) -> TrainingDomain:
    """Return what `as_json` gave.

    Raises
    ------
    ValueError
        Where it is something else.
    """
    try:
        return _STORED.validate_python(stored)
    except ValidationError as error:
        raise ValueError(f"its domain is unusable ({error.errors()[0]['msg']})") from None
