"""A network says what it was trained for, and refuses series that lie outside."""

import json

import pytest

from exitwave.config.conditions import Conditions
from exitwave.errors import ExitwaveError
from exitwave.networks.domain import (
    TrainingDomain,
    as_json,
    from_json,
    joined,
    require_domain,
)

PAPER = TrainingDomain(
    images=3,
    energy_kev=(50.0, 50.0),
    sampling_angstrom=(0.10, 0.11),
    defocus_angstrom=(-150.0, 150.0),
    defocus_step_angstrom=(49.0, 51.0),
    dose_per_square_angstrom=(10**2.5, 1e5),
    spherical_aberration_micrometre=(-15.0, 15.0),
    formulas=("MoS2",),
    components=("flake",),
)


def conditions(**values):
    inside = {
        "images": 3,
        "energy_kev": (50.0, 50.0),
        "sampling_angstrom": (0.105, 0.105),
        "defocus_angstrom": (-50.0, 50.0),
        "defocus_step_angstrom": (49.5, 50.2),
        "dose_per_square_angstrom": (1e3, 1e3),
    }
    return Conditions(**(inside | values))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"energy_kev": (50.4, 50.4)},
        {"sampling_angstrom": (0.0999, 0.1102)},
        {"defocus_angstrom": (-158.0, 20.0)},
        {"dose_per_square_angstrom": (250.0, 1.2e5)},
        {"energy_kev": None, "defocus_step_angstrom": None},
    ],
)
def test_series_like_those_of_the_training_are_inside(values):
    assert PAPER.violations(conditions(**values)) == ()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"images": 5}, "it was trained on series of 3 images, but here are 5"),
        (
            {"energy_kev": (80.0, 80.0)},
            "it was trained at an energy of 50 keV, but here is one of 80 keV",
        ),
        (
            {"sampling_angstrom": (0.2, 0.21)},
            "it was trained at pixels of 0.1 to 0.11 Å, but here are some of 0.2 to 0.21 Å",
        ),
        (
            {"defocus_angstrom": (100.0, 300.0)},
            "it was trained at defoci of -150 to 150 Å, but here are some of 100 to 300 Å",
        ),
        (
            {"defocus_step_angstrom": (20.0, 20.0)},
            "it was trained at steps of the defocus of 49 to 51 Å, but here are some of 20 Å",
        ),
        (
            {"defocus_step_angstrom": (-50.0, -49.0)},
            "it was trained at steps of the defocus of 49 to 51 Å, but here are some of -50 to "
            "-49 Å: reverse the order of the images",
        ),
        (
            {"dose_per_square_angstrom": (10.0, 10.0)},
            "it was trained at a dose of 316.2 to 1e+05 e/Å², but here is one of 10 e/Å²",
        ),
    ],
)
def test_each_quantity_outside_has_its_sentence(values, sentence):
    assert PAPER.violations(conditions(**values)) == (sentence,)


def test_all_that_is_wrong_is_said_at_once():
    outside = conditions(energy_kev=(80.0, 80.0), images=2)
    with pytest.raises(ExitwaveError) as error:
        require_domain("mos2", PAPER, outside, "train another")
    assert str(error.value) == (
        "The network mos2 is not for these series: it was trained on series of 3 images, but here "
        "are 2; it was trained at an energy of 50 keV, but here is one of 80 keV; train another."
    )
    require_domain("mos2", None, outside, "train another")


def test_it_is_stored_as_it_is():
    stored = json.loads(json.dumps(as_json(PAPER)))
    assert from_json(stored) == PAPER
    assert "coma_angstrom" not in stored
    with pytest.raises(ValueError, match="unusable"):
        from_json({"images": "three"})


def test_of_several_epochs_it_holds_all():
    other = TrainingDomain(
        images=3, energy_kev=(60.0, 80.0), formulas=("BN",), components=("flake", "support")
    )
    both = joined([PAPER, other])
    assert both.energy_kev == (50.0, 80.0)
    # Of the other nothing is known.
    assert both.sampling_angstrom is None
    assert (both.formulas, both.components) == (("BN", "MoS2"), ("flake", "support"))
    assert joined([]) is None


def test_materials_that_it_does_not_know():
    assert PAPER.unknown(["MoS2", "WSe2", "BN", "BN"]) == ("BN", "WSe2")
