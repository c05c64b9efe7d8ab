"""What is taken, where it goes: by the material alone, and the same with and without files."""

import pytest
from small_dataset import configuration, make_catalog

from exitwave.materials.elements import element_set
from exitwave.materials.manifest import manifest_texts
from exitwave.materials.material import read_materials
from exitwave.materials.selection import select_samples, take_limit
from exitwave.multislice.atomic_scattering import known_elements


@pytest.mark.parametrize(
    ("formula", "elements"),
    [
        ("MoS2", "Mo-S"),
        ("C", "C"),
        ("Mo2CuS4", "Cu-Mo-S"),
        ("MgH2O2", "H-Mg-O"),
        ("CoCO3", "C-Co-O"),
    ],
)
def test_element_set(formula, elements):
    assert element_set(formula) == elements


def test_a_formula_tells_every_element_of_the_built_in_table():
    materials, _, _ = read_materials("monolayers")
    for material in materials:
        symbols = set(material.atoms().get_chemical_symbols())
        assert element_set(material.formula) == "-".join(sorted(symbols))


def selected(config):
    entry = config.datasets["small"]
    return select_samples(
        entry.materials,
        entry.split,
        entry.shards,
        seed=config.seed,
        dataset="small",
        potentials=known_elements(entry.multislice.parametrization),
    )


@pytest.mark.parametrize("shards", [1, 4])
def test_manifests_are_the_same_with_and_without_a_catalog(tmp_path, shards):
    config = configuration(shards=shards)
    folder = make_catalog(tmp_path, config).parent
    found = selected(config)
    written = {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert manifest_texts("small", found.shards, found.materials) == written


def test_a_greater_limit_keeps_what_was_taken():
    accepted, _, _ = read_materials("monolayers")
    few, more = (take_limit(accepted, limit, 1, "small") for limit in (5, 9))
    assert len(few) == 5
    assert set(few) < set(more)
    assert take_limit(accepted[::-1], 5, 1, "small") == few
    assert len(take_limit(accepted, None, 1, "small")) == len(accepted)


def test_samples_of_one_material_are_spread_over_shards_only_where_they_are_split():
    by_samples = {"by": "samples", "training_samples": 30, "validation_samples": 30}
    together = selected(configuration(shards=8))
    spread = selected(configuration(shards=8, split=by_samples))

    def places(found):
        names = [material.identifier for material in found.materials]
        return [
            sum(any(s.material == name for s in samples) for samples in found.shards.values())
            for name in names
        ]

    assert set(places(together)) == {1}
    assert min(places(spread)) > 1
