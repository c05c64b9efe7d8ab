"""Production's projected potentials against published x-ray form factors and closed forms."""

import abtem
import numpy as np
import pytest
from ase import Atoms
from scipy import constants

from exitwave.config import Multislice
from exitwave.multislice import exit_wave as multislice
from exitwave.multislice.exit_wave import smearing_width

BOX = 10.0

# X-ray form factors [electrons] at s = sin(theta) / wavelength [1/Å]: D. Waasmaier and A. Kirfel,
# Acta Cryst. A 51, 416 (1995), fits of eleven parameters to the relativistic Hartree-Fock values of
# the International Tables for Crystallography, volume C; as the Python package xraydb gives them.
S = np.array([0.1, 0.2, 0.4, 0.7, 1.2, 2.0])
FORM_FACTORS = {
    "B": (5, [4.0606, 2.6990, 1.6799, 1.2740, 0.6910, 0.2339]),
    "C": (6, [5.1098, 3.5572, 1.9472, 1.4297, 0.9129, 0.3740]),
    "S": (16, [14.1775, 11.1090, 7.8561, 5.4998, 2.7001, 1.4135]),
    "Mo": (42, [38.6786, 33.1798, 24.5985, 17.7726, 10.4122, 5.8064]),
    "W": (74, [69.8096, 62.4896, 49.1923, 34.9313, 21.3833, 13.8321]),
}
# An atomic mass so large that nothing vibrates.
STILL = 1e12


def transform_of_projection(symbol, settings, sampling):
    """The projected potential's two-dimensional transform along kx [V Å³] and kx [1/Å]."""
    points = round(BOX / sampling)
    with abtem.config.set({"precision": "float64"}):
        potential = abtem.Potential(
            Atoms(symbol, positions=[[0.0, 0.0, BOX / 2]], cell=[BOX] * 3, pbc=True),
            gpts=points,
            slice_thickness=BOX,
            projection=settings.projection,
            parametrization=multislice._parametrization(settings),
        )
        projected = potential.build(lazy=False).array[0]
    spectrum = np.fft.fft2(projected).real * (BOX / points) ** 2
    return spectrum[: points // 2, 0], np.arange(points // 2) / BOX


def unscreened_charge(symbol, **keys):
    """Z - f_x [electrons] at `S`, of production's projected potential and as published.

    By Poisson's equation (Mott and Bethe): V(q) = e (Z - f_x) / (4 pi² eps0 q²), q = 2 s.
    """
    settings = Multislice(debye_mass_dalton=STILL, **keys)
    values, frequencies = transform_of_projection(symbol, settings, 0.02)
    places = np.round(2 * S * BOX).astype(int)
    assert frequencies[places] == pytest.approx(2 * S)
    charge = 1e10 * constants.e / (4 * np.pi**2 * constants.epsilon_0)
    number, form_factors = FORM_FACTORS[symbol]
    return values[places] * (2 * S) ** 2 / charge, number - np.array(form_factors)


@pytest.mark.parametrize("symbol", FORM_FACTORS)
@pytest.mark.parametrize(
    ("projection", "parametrization", "share"),
    [
        ("infinite", "lobato", 0.012),
        ("infinite", "kirkland", 0.012),
        # Five Gaussians describe the core less well.
        ("infinite", "peng", 0.035),
        # On pixels of 0.02 Å the sharp cores of atoms at rest are 2.8 % off at s = 2.
        ("finite", "lobato", 0.03),
    ],
)
def test_projected_potentials_follow_from_x_ray_form_factors(
    symbol, projection, parametrization, share
):
    """Within what two fits to different calculations of an atom differ by.

    That is 0.1 electrons or 1.1 % of the charge that is not screened, whichever is more. For Mo at
    s = 0.1, where 3.3 electrons are not screened, 0.1 electrons are 3 %.
    """
    found, published = unscreened_charge(
        symbol, projection=projection, parametrization=parametrization
    )
    assert np.all(np.abs(found - published) < np.maximum(0.1, share * published))


@pytest.mark.parametrize(
    ("parametrization", "excess"), [("lobato", 0.029), ("kirkland", 0.010), ("peng", 0.007)]
)
def test_molybdenum_scatters_more_to_small_angles_than_published(parametrization, excess):
    found, published = unscreened_charge(
        "Mo", projection="infinite", parametrization=parametrization
    )
    assert found[0] / published[0] - 1 == pytest.approx(excess, abs=0.001)


@pytest.mark.parametrize("symbol", ["C", "W"])
@pytest.mark.parametrize(("projection", "error"), [("infinite", 1e-9), ("finite", 1e-4)])
def test_vibration_is_the_debye_waller_factor(symbol, projection, error):
    """exp(-2 pi² <u²> k²), with the mean square displacement of Eq. (1), 0.0030 Å²."""
    settings = Multislice(projection=projection)
    still = settings.model_copy(update={"debye_mass_dalton": STILL})
    vibrating, k = transform_of_projection(symbol, settings, 0.05)
    ratio = vibrating / transform_of_projection(symbol, still, 0.05)[0]
    stored = k < settings.max_frequency_per_angstrom
    expected = np.exp(-2 * np.pi**2 * smearing_width(settings) ** 2 * k**2)
    np.testing.assert_allclose(ratio[stored], expected[stored], atol=error)
    assert smearing_width(settings) ** 2 == pytest.approx(0.0030, abs=5e-5)
