"""Under which focal series are recorded, and in what some lie outside of others.

>>> trained = Conditions(images=3, energy_kev=(50.0, 50.0))
>>> trained.violations(Conditions(images=3, energy_kev=(80.0, 80.0)))
('it was trained at an energy of 50 keV, but here is one of 80 keV',)
"""

from __future__ import annotations

from dataclasses import dataclass

from exitwave.config.sections.microscope import Microscope

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


def conditions_of(
    limits: Microscope, images: int, energy_kev: Range, series: int | None = None
) -> Conditions:
    """Return the conditions of series that are drawn between limits.

    Parameters
    ----------
    limits : Microscope
        The section ``microscope`` of their data set.
    images : int
        Images that a network takes of each series.
    energy_kev : (float, float)
        Least and greatest energy of their specimens [keV].
    series : int, optional
        Images of a whole series, of which a network takes some at even distances.
    """
    whole = images if series is None else series
    steps = images - 1
    step = limits.defocus_range_angstrom / max(steps, 1)
    # The errors of all steps between two images that are taken add up.
    error = limits.defocus_step_error_angstrom * ((whole - 1) / max(steps, 1))
    low, high = limits.dose_log10_per_square_angstrom
    return Conditions(
        images=images,
        energy_kev=energy_kev,
        sampling_angstrom=limits.sampling_angstrom,
        defocus_angstrom=limits.defocus_angstrom,
        defocus_step_angstrom=(step - error, step + error) if steps else None,
        dose_per_square_angstrom=(10.0**low, 10.0**high),
    )


def _is_within(value: Range, limits: Range, quantity: _Quantity) -> bool:
    low, high = limits
    return value[0] >= low - quantity.absolute - quantity.relative * abs(low) and value[
        1
    ] <= high + quantity.absolute + quantity.relative * abs(high)


def _text(limits: Range) -> str:
    low, high = (f"{value:.4g}" for value in limits)
    return low if low == high else f"{low} to {high}"
