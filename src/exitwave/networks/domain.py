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

from exitwave.config.conditions import Conditions, Range
from exitwave.errors import ExitwaveError


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

    def unknown(self, formulas: Sequence[str]) -> tuple[str, ...]:
        """Return those formulas that no training sample had."""
        return tuple(sorted(set(formulas) - set(self.formulas)))


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
