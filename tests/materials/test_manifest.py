"""Manifests of shards: whole, or refused in a sentence."""

import json

import pytest
from catalogs import spec

from exitwave.errors import ExitwaveError
from exitwave.materials.manifest import read_manifest
from exitwave.materials.material import Material
from exitwave.stages.catalog import build_catalog


def test_manifest_that_is_absent(tmp_path):
    with pytest.raises(ExitwaveError, match=r"cannot be read .*build the catalog first"):
        read_manifest(tmp_path / "000.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("samples"),
        lambda content: content.pop("shard"),
        lambda content: content.update(materials={}),
        lambda content: content.update(materials=[]),
        lambda content: content["samples"][0].update(split="test"),
        lambda content: content["samples"][0].update(sample_index="first"),
        lambda content: next(iter(content["materials"].values())).pop("cell"),
        lambda content: next(iter(content["materials"].values())).update(positions=[]),
    ],
)
def test_manifest_that_is_not_whole(tmp_path, damage):
    build_catalog(spec(shards=1), tmp_path)
    path = tmp_path / "shards" / "000.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ExitwaveError, match="is not a whole shard manifest") as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", '{"shard": 0', "null", "\x00\x01"])
def test_manifest_that_is_no_json(tmp_path, text):
    path = tmp_path / "000.json"
    path.write_text(text)
    with pytest.raises(ExitwaveError, match="is not a whole shard manifest"):
        read_manifest(path)


def test_manifest_that_is_no_text(tmp_path):
    path = tmp_path / "000.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExitwaveError, match="is not a whole shard manifest"):
        read_manifest(path)


def test_materials_of_a_manifest_are_those_of_their_identifiers(tmp_path):
    build_catalog(spec(shards=2), tmp_path)
    for path in (tmp_path / "shards").iterdir():
        for identifier, material in read_manifest(path).materials.items():
            assert isinstance(material, Material)
            assert material.identifier == identifier
