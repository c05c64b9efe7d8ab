"""Structures from .cif, .xyz and POSCAR files, as if they were rows of a database."""

import numpy as np
import pytest
from ase.io import write

from exitwave.cli import main
from exitwave.errors import ExitwaveError
from exitwave.materials.material import read_materials
from exitwave.materials.monolayers import monolayers

TABLE = {entry.name: entry for entry in monolayers()}


def in_a_box(name):
    """A layer between vacuum, periodic along all directions, as such files have it."""
    atoms = TABLE[name].atoms()
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize("file", ["WSe2.cif", "WSe2.xyz", "POSCAR", "CONTCAR_relaxed", "w.vasp"])
def test_a_file_gives_the_material_of_the_table(file, tmp_path):
    path = tmp_path / file
    kind = "vasp" if "CAR" in file or file.endswith("vasp") else None
    write(path, in_a_box("2H-WSe2"), format="extxyz" if file.endswith("xyz") else kind)
    (found,), rejected, counts = read_materials(path)
    (expected,), _, _ = read_materials("monolayers", "name=2H-WSe2")
    assert not rejected
    assert counts.rows == 1
    assert (found.formula, found.label) == ("WSe2", path.stem)
    np.testing.assert_allclose(found.positions, expected.positions, atol=2e-3)
    np.testing.assert_allclose(found.cell, expected.cell, atol=2e-3)


def test_a_file_of_several_structures_is_a_set_of_materials(tmp_path):
    path = tmp_path / "layers.xyz"
    write(path, [in_a_box(name) for name in ("graphene", "2H-MoS2", "h-BN")], format="extxyz")
    materials, _, counts = read_materials(path)
    assert [material.label for material in materials] == ["layers_1", "layers_2", "layers_3"]
    assert counts.rows == 3
    (chosen,), _, _ = read_materials(path, "Mo>0")
    assert chosen.formula == "MoS2"


def test_a_molecule_is_no_layer(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text("3\n\nO 0 0 0\nH 0.76 0.59 0\nH -0.76 0.59 0\n")
    with pytest.raises(ExitwaveError, match="rejected for 'not periodic in a plane'"):
        read_materials(path)


@pytest.mark.parametrize("name", ["broken.cif", "broken.xyz", "POSCAR"])
def test_a_file_that_cannot_be_read_says_why(name, tmp_path):
    path = tmp_path / name
    path.write_text("this is no structure\n")
    with pytest.raises(ExitwaveError, match=rf"structures in .*{name} cannot be read"):
        read_materials(path)


def test_the_command_lists_them(tmp_path, capsys):
    path = tmp_path / "WSe2.cif"
    write(path, in_a_box("2H-WSe2"))
    assert main(["materials", str(path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1].split()[:3] == ["WSe2", "WSe2", "3"]
    assert shown[-1] == "1 material"
    assert main(["materials", "--selection", "name=2H-MoS2"]) == 0
    assert "Böker" in capsys.readouterr().out
    assert main(["materials", "nowhere.db"]) == 2
    assert "there is no such file" in capsys.readouterr().err
