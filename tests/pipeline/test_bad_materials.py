"""Rows that are no materials, among many that are: the run ends and names them."""

import csv

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from factory import TINY, Factory, exitwave

from exitwave.files.reader import StoreReader
from exitwave.materials.monolayers import monolayers

GOOD = 195
BAD = {
    "no_atoms": (Atoms(cell=[3, 3, 15], pbc=[1, 1, 0]), "no atoms"),
    "not_finite": (
        Atoms("C2", [[0, 0, 7], [np.nan, 1, 7]], cell=[3, 3, 15], pbc=[1, 1, 0]),
        "positions or cell not finite",
    ),
    "overlapping": (
        Atoms("C2", [[0, 0, 7], [0, 0.05, 7]], cell=[3, 3, 15], pbc=[1, 1, 0]),
        "atoms closer than 0.5 Å",
    ),
    "unknown": (
        Atoms("Og", [[0, 0, 7]], cell=[3, 3, 15], pbc=[1, 1, 0]),
        "element without a potential",
    ),
    "absurd": (
        Atoms("C", [[0, 0, 7]], cell=[3, 4000, 15], pbc=[1, 1, 0]),
        "unusable cell",
    ),
}


@pytest.fixture
def factory(tmp_path):
    """A factory on strained monolayers, with the bad rows strewn among them."""
    small = [entry.atoms() for entry in monolayers() if len(entry.atoms()) <= 3]
    with connect(tmp_path / "rows.db") as database:
        for number in range(GOOD):
            atoms = small[number % len(small)].copy()
            atoms.set_cell(atoms.cell * (1 + 0.01 * (number // len(small))), scale_atoms=True)
            database.write(atoms)
            if number % 40 == 20:
                name = list(BAD)[number // 40]
                database.write(BAD[name][0], name=name)
    made = Factory(tmp_path)
    made.config = {
        "datasets": {
            "strained": {
                **TINY["datasets"]["tiny"],
                "shards": 1,
                "multislice": TINY["datasets"]["tiny"]["multislice"],
                "materials": {"source": str(tmp_path / "rows.db")},
                "epochs": {"image_size_px": 32, "training_epochs": 1},
            }
        }
    }
    return made


@pytest.mark.timeout(600)
def test_five_bad_rows_cost_the_other_195_nothing(factory):
    factory.must_run()
    dataset = factory.results / "strained"
    with (dataset / "catalog/rejected.csv").open() as file:
        rejected = {row["label"]: row["reason"] for row in csv.DictReader(file)}
    assert rejected == {name: reason for name, (_, reason) in BAD.items()}
    stores = sorted(dataset.glob("exit_waves/*.nc"))
    materials = set()
    for path in stores:
        with StoreReader(path) as reader:
            materials |= set(reader.column("material"))
    assert len(materials) == GOOD
    assert exitwave("check", *map(str, stores)).returncode == 0
    report = (factory.results / "report.html").read_text()
    for name, (_, reason) in BAD.items():
        assert name in report
        assert reason in report
