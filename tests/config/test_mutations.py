"""Mutated configurations and databases: a clear sentence or a correct result, nothing else.

The same mutations are tried each time; another seed or more of them is a change of `FIXED`.
"""

import copy
import datetime
import json
import math
import sqlite3
from pathlib import Path

import pytest
import yaml
from database_files import AT_CENTRE, database, layer, molybdenite
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exitwave.config import load_config, parse_config
from exitwave.errors import ExitwaveError
from exitwave.files.canonical import canonical_json
from exitwave.materials.manifest import read_manifest
from exitwave.materials.material import read_materials
from exitwave.stages.catalog import build_catalog
from exitwave.workflow import specs

ROOT = Path(__file__).parents[2]
FIXED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

ODD_VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1,
        3,
        10**30,
        -(10**400),
        0.5,
        -0.0,
        1e-320,
        1e308,
        math.nan,
        math.inf,
        -math.inf,
        "",
        " ",
        "200e3",
        "nan",
        "monolayers",
        "ä\x00\n",
        "a" * 300,
        [],
        [[]],
        [1],
        [2, 1],
        [1, 2],
        [1, 2, 3],
        [math.nan, 1],
        ["a", "b"],
        {},
        {"a": 1},
        {1: 2},
        {None: None},
        {"dataset": "mos2"},
        {"by": "elements"},
        {"by": ["elements"]},
        datetime.date(2021, 6, 24),
        b"\xff",
        (1, 2),
        {1, 2},
        object,
    ]
)


def full_config() -> dict:
    """The paper's configuration laid over all defaults, so that each key is there."""
    texts = [(ROOT / f"config/{name}.yaml").read_text() for name in ("config", "paper")]
    defaults, paper = map(yaml.safe_load, texts)
    return defaults | paper


def places(value, path=()):
    """Yield the path of every value in a nested configuration."""
    named = dict(enumerate(value)) if isinstance(value, list) else value
    for key, inner in named.items() if isinstance(named, dict) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


FULL = full_config()
PLACES = list(places(FULL))


@st.composite
def mutated_configs(draw):
    config = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES))
        parent = config
        try:
            for key in path[:-1]:
                parent = parent[key]
            present = parent[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier mutation took it away
        if not isinstance(parent, (dict, list)):
            continue
        kind = draw(st.sampled_from(["replace", "replace", "drop", "rename", "add", "wrap"]))
        if kind == "replace":
            parent[path[-1]] = draw(ODD_VALUES)
        elif kind == "drop":
            del parent[path[-1]]
        elif kind == "wrap":
            parent[path[-1]] = draw(st.sampled_from([[present], {"value": present}, str(present)]))
        elif isinstance(parent, dict):
            key = draw(
                st.sampled_from([f"{path[-1]}s", str(path[-1])[1:], "", 1, None, True, "a.b", "ä"])
            )
            parent[key] = present
            if kind == "rename":
                parent.pop(path[-1], None)
    return config


def require_a_sentence(error: ExitwaveError) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.endswith((".", "?")), text
    assert "Traceback" not in text


@settings(FIXED, max_examples=200)
@given(mutated_configs())
@example({"datasets": {"a": {"split": {"by": "samples\n"}}}})
def test_mutated_configurations(raw):
    try:
        config = parse_config(raw)
    except ExitwaveError as error:
        require_a_sentence(error)
        return
    for text in specs.all_specs(config).values():
        assert canonical_json(json.loads(text)) == text


@settings(FIXED, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 6),
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b"\t", b": ", b"- ", b"&a ", b"*a", b"!!set ", b"2021-13-45"]),
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
@example([(0.5, 0, b"2021-13-45")])
@example([(0.5, 0, b"[" * 999)])
def test_mutated_texts_of_configurations(tmp_path, cuts):
    text = (ROOT / "config/demo.yaml").read_bytes()
    for share, length, new in cuts:
        start = int(share * len(text))
        text = text[:start] + new + text[start + length :]
    path = tmp_path / "config.yaml"
    path.write_bytes(text)
    try:
        config = load_config(path)
    except ExitwaveError as error:
        require_a_sentence(error)
        return
    assert specs.all_specs(config)


STRUCTURES = (
    molybdenite(),
    layer("C", AT_CENTRE),
    layer("BN", [[0.0, 0.0, 10.0], [1.3, 1.3, 10.0]]),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same rows in both forms that ASE knows."""
    folder = tmp_path_factory.mktemp("databases")
    keys = [{"name": f"row{number}", "gap": 1.0 + number} for number in range(len(STRUCTURES))]
    for suffix in ("db", "json"):
        database(folder / f"rows.{suffix}", *STRUCTURES, keys=keys)
    return folder


COLUMNS = [
    "numbers",
    "positions",
    "cell",
    "pbc",
    "natoms",
    "unique_id",
    "key_value_pairs",
    "ctime",
    "data",
    "initial_magmoms",
]
ODD_CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["{}", "[]", "null", '{"name": [1]}', '{"gap": NaN}', '{"uid": {"a": 1}}']),
    st.binary(max_size=80),
    st.integers(0, 40).map(lambda count: b"\x00\x00\x00\x00\x00\x00\xf8\x7f" * count),
    st.integers(0, 12).map(lambda count: b"\x00" * 4 * count),
)


@st.composite
def cell_changes(draw):
    """Other values in some cells of the table of rows."""
    count = draw(st.integers(1, 3))
    changes = [
        (draw(st.sampled_from(COLUMNS)), draw(ODD_CELLS), draw(st.integers(1, len(STRUCTURES))))
        for _ in range(count)
    ]
    return lambda path, content: change_cells(path, content, changes)


def change_cells(path, content, changes):
    path.write_bytes(content)
    connection = sqlite3.connect(path)
    with connection:
        for column, value, row in changes:
            connection.execute(
                f"UPDATE OR IGNORE systems SET {column} = ? WHERE id = ?", (value, row)
            )
    connection.close()


@st.composite
def byte_changes(draw):
    """A file that is cut short, or of which some bytes are others."""
    where = draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=8))
    values = draw(st.lists(st.integers(0, 255), min_size=len(where), max_size=len(where)))
    end = draw(st.sampled_from([1.0, 1.0, 1.0, 0.99, 0.5, 0.01]))

    def change(path, content):
        changed = bytearray(content)
        for share, value in zip(where, values, strict=True):
            changed[int(share * len(changed))] = value
        path.write_bytes(changed[: int(end * len(changed))])

    return change


ODD_JSON = [
    None,
    True,
    -1,
    10**30,
    math.nan,
    "",
    "a",
    [],
    [[1]],
    [1.0] * 9,
    {},
    {"__ndarray__": 1},
    {"__ndarray__": [[2], "float64", [0.0]]},
    {"__complex__": [1]},
]


@st.composite
def json_changes(draw):
    """Another value at one place of the JSON."""
    value = draw(st.sampled_from(ODD_JSON))
    share = draw(st.floats(0, 1, exclude_max=True))

    def change(path, content):
        raw = json.loads(content)
        found = list(places(raw))
        *parents, last = found[int(share * len(found))]
        parent = raw
        for key in parents:
            parent = parent[key]
        parent[last] = value
        path.write_text(json.dumps(raw))

    return change


@settings(FIXED, max_examples=100)
@given(
    st.one_of(
        st.tuples(st.just("db"), cell_changes()),
        st.tuples(st.just("db"), byte_changes()),
        st.tuples(st.just("json"), byte_changes()),
        st.tuples(st.just("json"), json_changes()),
    ),
    st.sampled_from(["", "natoms<=8", "gap>1.5", "name=row1", "pbc=TTF", "formula=C"]),
)
def test_mutated_databases(files, tmp_path, mutation, selection):
    suffix, change = mutation
    path = tmp_path / f"rows.{suffix}"
    change(path, (files / path.name).read_bytes())
    config = parse_config(
        {
            "datasets": {
                "rows": {
                    "materials": {"source": str(path), "selection": selection},
                    "split": {"by": "samples", "training_samples": 1, "validation_samples": 1},
                }
            }
        }
    )
    try:
        build_catalog(specs.catalog_spec(config, "rows"), tmp_path / "catalog")
    except ExitwaveError as error:
        require_a_sentence(error)
        return
    materials, rejected, counts = read_materials(path, selection, max_atoms=8)
    assert len(materials) + len(rejected) == counts.matched
    assert all(0 < number <= counts.rows for number in counts.lacking.values())
    manifests = [read_manifest(entry) for entry in (tmp_path / "catalog/shards").glob("*.json")]
    found = {name: material for entry in manifests for name, material in entry.materials.items()}
    assert found == {material.identifier: material for material in materials}
    for material in found.values():
        assert all(math.isfinite(value) for row in material.positions for value in row)
