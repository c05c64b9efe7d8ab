"""Missing atoms told from waves: synthetic ones of a known answer, and simulated ones."""

import numpy as np
import pytest

from exitwave.config import Structure
from exitwave.materials.material import read_materials
from exitwave.scoring.metrics import vacuum
from exitwave.scoring.vacancies import (
    column_sites,
    count_vacancies,
    missing_columns,
    precision_and_recall,
)
from exitwave.specimens.build import build_specimen

SAMPLING = 0.15
SIZE = 256


def specimen_sample(index, **structure):
    materials, _, _ = read_materials("monolayers", "name=2H-MoS2", 8)
    specimen = build_specimen(materials[0], Structure(**structure), 1, "vacancies", index)
    missing = specimen.vacancies
    return {
        "atom_number": specimen.numbers,
        "atom_layer": specimen.components,
        "atom_column": specimen.columns,
        "atom_position": specimen.positions,
        "vacancy_number": missing.numbers,
        "vacancy_layer": missing.components,
        "vacancy_column": missing.columns,
        "vacancy_position": missing.positions,
    }


def gaussian_wave(numbers, positions):
    y, x = SAMPLING * np.mgrid[:SIZE, :SIZE]
    wave = np.ones((SIZE, SIZE), dtype=complex)
    for number, position in zip(numbers, positions, strict=True):
        bump = np.exp(-((x - position[0]) ** 2 + (y - position[1]) ** 2) / (2 * 0.25**2))
        wave += 0.01j * number * bump
    return wave


@pytest.mark.parametrize("index", range(3))
def test_all_missing_atoms_of_a_true_wave_are_found_and_nothing_else(index):
    sample = specimen_sample(index)
    sites = column_sites(sample)
    flake = sample["vacancy_layer"] == 0
    assert sites.lacking.sum() == len(np.unique(sample["vacancy_column"][flake]))
    assert set(np.round(sites.lightest, 6)) == {0.5, 1.0}
    wave = gaussian_wave(sample["atom_number"], sample["atom_position"])
    counts = count_vacancies(sites, missing_columns(wave, sites, SAMPLING))
    assert counts.lacking == counts.found == counts.claimed > 0


def test_a_wave_that_fills_the_vacancies_shows_none():
    sample = specimen_sample(1)
    sites = column_sites(sample)
    numbers = np.concatenate([sample["atom_number"], sample["vacancy_number"]])
    positions = np.concatenate([sample["atom_position"], sample["vacancy_position"]])
    claimed = missing_columns(gaussian_wave(numbers, positions), sites, SAMPLING)
    counts = count_vacancies(sites, claimed)
    assert (counts.claimed, counts.found) == (0, 0)
    precision, recall = precision_and_recall(counts.lacking, counts.claimed, counts.found)
    assert np.isnan(precision)
    assert recall == 0


def test_the_support_is_not_judged():
    alone, supported = (specimen_sample(2, support=support) for support in ("none", "graphene"))
    assert len(column_sites(supported).kinds) == len(column_sites(alone).kinds)


def test_noise_is_claimed_as_rarely_as_it_should_be():
    """An empty wave has equal signals: no column is below its kind's median."""
    sample = specimen_sample(0)
    sites = column_sites(sample)
    empty = vacuum(np.ones((SIZE, SIZE), dtype=complex))
    assert not missing_columns(empty, sites, SAMPLING).any()


def test_a_specimen_without_columns_has_no_sites():
    sample = specimen_sample(0)
    for kind in ("atom", "vacancy"):
        sample[f"{kind}_column"] = np.full(len(sample[f"{kind}_column"]), -1)
    sites = column_sites(sample)
    assert len(sites.kinds) == 0
    wave = np.ones((SIZE, SIZE), dtype=complex)
    assert count_vacancies(sites, missing_columns(wave, sites, SAMPLING)).sites == 0


def test_columns_beyond_the_border_of_the_images_are_no_error():
    sample = specimen_sample(0)
    sample["atom_position"] = sample["atom_position"] + [30.0, 0.0, 0.0]
    sites = column_sites(sample)
    wave = gaussian_wave(sample["atom_number"], sample["atom_position"])
    assert len(missing_columns(wave, sites, SAMPLING)) == len(sites.kinds)
