"""Missing atoms told from waves: synthetic ones of a known answer, and simulated ones."""

from dataclasses import replace

import numpy as np
import pytest

from exitwave.config import Structure
from exitwave.materials.material import read_materials
from exitwave.scoring.metrics import vacuum
from exitwave.scoring.vacancies import (
    column_sites,
    count_vacancies,
    deficient_columns,
    precision_and_recall,
)
from exitwave.specimens.build import build_specimen

SAMPLING = 0.15
SIZE = 256


def specimen_sample(index, **structure):
    materials, _, _ = read_materials("monolayers", "name=2H-MoS2", 8)
    specimen = build_specimen(materials[0], Structure(**structure), 1, "vacancies", index)
    return specimen.atoms, specimen.vacancies


def gaussian_wave(numbers, positions):
    y, x = SAMPLING * np.mgrid[:SIZE, :SIZE]
    wave = np.ones((SIZE, SIZE), dtype=complex)
    for number, position in zip(numbers, positions, strict=True):
        bump = np.exp(-((x - position[0]) ** 2 + (y - position[1]) ** 2) / (2 * 0.25**2))
        wave += 0.01j * number * bump
    return wave


@pytest.mark.parametrize("index", range(3))
def test_all_missing_atoms_of_a_true_wave_are_found_and_nothing_else(index):
    atoms, vacancies = specimen_sample(index)
    sites = column_sites(atoms, vacancies)
    flake = vacancies.components == 0
    assert sites.lacking.sum() == len(np.unique(vacancies.columns[flake]))
    assert set(np.round(sites.lightest, 6)) == {0.5, 1.0}
    wave = gaussian_wave(atoms.numbers, atoms.positions)
    counts = count_vacancies(sites, deficient_columns(wave, sites, SAMPLING))
    assert counts.lacking == counts.found == counts.claimed > 0


def test_a_wave_that_fills_the_vacancies_shows_none():
    atoms, vacancies = specimen_sample(1)
    sites = column_sites(atoms, vacancies)
    numbers = np.concatenate([atoms.numbers, vacancies.numbers])
    positions = np.concatenate([atoms.positions, vacancies.positions])
    claimed = deficient_columns(gaussian_wave(numbers, positions), sites, SAMPLING)
    counts = count_vacancies(sites, claimed)
    assert (counts.claimed, counts.found) == (0, 0)
    precision, recall = precision_and_recall(counts.lacking, counts.claimed, counts.found)
    assert np.isnan(precision)
    assert recall == 0


def test_the_support_is_not_judged():
    alone, supported = (specimen_sample(2, support=support) for support in ("none", "graphene"))
    assert len(column_sites(*supported).kinds) == len(column_sites(*alone).kinds)


def test_noise_is_claimed_as_rarely_as_it_should_be():
    """An empty wave has equal signals: no column is below its kind's median."""
    atoms, vacancies = specimen_sample(0)
    sites = column_sites(atoms, vacancies)
    empty = vacuum(np.ones((SIZE, SIZE), dtype=complex))
    assert not deficient_columns(empty, sites, SAMPLING).any()


def test_a_specimen_without_columns_has_no_sites():
    atoms, vacancies = specimen_sample(0)
    sites = column_sites(
        *(replace(each, columns=np.full(len(each), -1)) for each in (atoms, vacancies))
    )
    assert len(sites.kinds) == 0
    wave = np.ones((SIZE, SIZE), dtype=complex)
    assert count_vacancies(sites, deficient_columns(wave, sites, SAMPLING)).sites == 0


def test_columns_beyond_the_border_of_the_images_are_no_error():
    atoms, vacancies = specimen_sample(0)
    atoms = atoms.moved(np.array([-30.0, 0.0, 0.0]))
    sites = column_sites(atoms, vacancies)
    wave = gaussian_wave(atoms.numbers, atoms.positions)
    assert len(deficient_columns(wave, sites, SAMPLING)) == len(sites.kinds)
