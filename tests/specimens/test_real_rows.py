"""Every small row of the real C2DB sample becomes valid specimens or is rejected with a reason."""

from collections import Counter

import numpy as np
import pytest
from real_rows import SAMPLE
from scipy.spatial import cKDTree

from exitwave.config import Multislice, Structure
from exitwave.errors import SpecimenError
from exitwave.materials.material import read_materials
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.specimens.build import build_specimen

SMALL_ROWS = 1693


@pytest.mark.skipif(
    not SAMPLE.is_file(), reason="no C2DB rows: set EXITWAVE_C2DB to a folder that has them"
)
@pytest.mark.parametrize(("support", "every"), [("none", 1), ("graphene", 10)])
def test_every_small_row_builds_a_specimen_or_is_rejected(support, every):
    materials, rejected, counts = read_materials(SAMPLE, "natoms<=8", 8)
    assert counts.matched == len(materials) + len(rejected) == SMALL_ROWS
    reasons = Counter(entry.reason for entry in rejected)
    structure, failed = Structure(support=support), Counter()
    for material in materials[::every]:
        try:
            specimen = build_specimen(material, structure, 1, "c2db", 0)
        except SpecimenError as error:
            failed[str(error)] += 1
        else:
            require_valid(specimen, material, structure)
    print(f"{len(materials)} accepted, rejected {dict(reasons)}, specimens failed {dict(failed)}")
    assert all(reasons)
    # A flake of 7 Å and more holds at least some cells of every material.
    assert not failed
    assert len(rejected) < 0.01 * SMALL_ROWS


def require_valid(specimen, material, structure):
    numbers, positions = specimen.numbers, specimen.positions
    assert positions.shape == (len(numbers), 3)
    assert len(numbers) > 0
    assert np.all(np.isfinite(positions))
    allowed = set(material.numbers) | ({6} if structure.support != "none" else set())
    assert set(numbers.tolist()) <= allowed <= known_elements(Multislice().parametrization)
    assert positions[:, :2].min() > structure.margin_angstrom - 0.1
    assert positions[:, :2].max() < specimen.box - structure.margin_angstrom + 0.1
    assert positions[:, 2].min() == 0
    # As high as the layer, tilted: atoms of the flake lie within 15 Å of its middle.
    flake = positions[specimen.atoms.components == 0]
    lifted = 2 * 17.5 * np.sin(np.deg2rad(specimen.tilt))
    assert np.ptp(flake[:, 2]) < material.thickness + lifted + 0.1
    # The shortest bond of any row is 0.74 Å, that of H2.
    distance = cKDTree(positions).query(positions, k=2)[0][:, 1].min() if len(numbers) > 1 else 1
    assert distance > 0.6
