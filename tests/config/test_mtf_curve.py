"""A measured camera curve: what files are read, what a mistake says, and what a spec holds."""

import json

import numpy as np
import pytest
from small_dataset import configuration, make_exit_waves

from exitwave.config import parse_config
from exitwave.config.mtf_curve import read_mtf_curve
from exitwave.errors import ExitwaveError
from exitwave.figures.datasets import plot_dataset
from exitwave.files.checks import check_store
from exitwave.files.reader import StoreReader
from exitwave.samples import EPOCH
from exitwave.stages.render import render_epoch
from exitwave.workflow import specs

CURVE = ((0.0, 1.0), (0.5, 0.6), (1.0, 0.25))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "camera.csv"
    path.write_text("0,1\n0.5,0.6\n1,0.25\n")
    return path


def config(path, **microscope):
    return parse_config(
        {"microscope": {"mtf_file": str(path), **microscope}, "datasets": {"a": {}, "b": {}}}
    )


@pytest.mark.parametrize(
    "text",
    [
        "0,1\n0.5,0.6\n1,0.25\n",
        "frequency;MTF\n0;1\n0.5; 0.6\n1 ; 0.25",
        "\ufeff# camera, 300 kV\n\n0 1\n0.5\t0.6  # half\n 1.0   2.5e-1\n",
    ],
)
def test_two_columns_are_read(path, text):
    path.write_text(text, encoding="utf-8")
    assert read_mtf_curve(str(path)) == CURVE
    assert config(path).datasets["b"].microscope.mtf_curve == CURVE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has 0 points; give 2 to 1000"),
        ("frequency,MTF\n", "has 0 points"),
        ("".join(f"{k / 1000},{1 - k / 2000}\n" for k in range(1001)), "has 1001 points"),
        ("0,1\n0.5,x\n1,0\n", "line 2 of"),
        ("0,1\n0.5\n1,0\n", "write two numbers there"),
        ("0,1\n0.5,0.6,0.1\n1,0\n", "reads '0.5,0.6,0.1'"),
        ("0,1\n0.5,nan\n1,0\n", "reads '0.5,nan'"),
        ("0.1,1\n1,0\n", "starts at frequency 0.1 with the MTF 1; it must start at frequency 0"),
        ("0,0.9\n1,0\n", "divide by its value there"),
        ("0,1\n0.6,0.5\n0.5,0.6\n1,0\n", "has frequency 0.5 after 0.6; sort"),
        ("0,1\n0.5,0.6\n0.5,0.6\n1,0\n", "each frequency once"),
        ("0,1\n0.5,0.3\n", "ends at frequency 0.5; it must reach 1"),
        ("0,1\n0.5,1.1\n1,0\n", "has the MTF 1.1; all its values must lie between 0 and 1"),
        ("0,1\n1,-0.1\n", "has the MTF -0.1"),
    ],
)
def test_a_bad_file_is_told_in_one_sentence(path, text, expected):
    path.write_text(text)
    with pytest.raises(ExitwaveError) as caught:
        config(path)
    message = str(caught.value)
    assert expected in message
    # Once, though two data sets inherit the key, and under its own name.
    assert message.count("microscope.mtf_file: ") == 1
    assert str(path) in message
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_told(tmp_path, path):
    with pytest.raises(ExitwaveError, match=r"mtf_file: .*absent\.csv' cannot be read \(No such"):
        config(tmp_path / "absent.csv")
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ExitwaveError, match="it is no text"):
        config(path)


def test_points_may_stand_in_the_configuration(path):
    raw = {"microscope": {"mtf_curve": [[0, 1], [0.5, 0.6], [1, 0.25]]}}
    assert parse_config(raw).microscope.mtf_curve == CURVE
    with pytest.raises(ExitwaveError, match=r"mtf_curve: the curve ends at frequency 0\.5"):
        parse_config({"microscope": {"mtf_curve": [[0, 1], [0.5, 0.6]]}})
    with pytest.raises(ExitwaveError, match="set one of the two to null"):
        config(path, mtf_curve=CURVE)


def test_a_spec_holds_the_values_and_no_path(path, tmp_path):
    before = specs.all_specs(config(path))
    assert not any("camera" in spec or "mtf_file" in spec for spec in before.values())
    render = json.loads(before["render a 3_images training 00"])["microscope"]
    assert render["mtf_curve"] == [[0.0, 1.0], [0.5, 0.6], [1.0, 0.25]]
    # What plays no part is not there either.
    assert not {"mtf_c1", "mtf_c2", "mtf_c3", "mtf_frequency_unit"} & set(render)
    assert (
        specs.all_specs(config(path, mtf_c1=[0.0, 0.1]))["render a 3_images training 00"]
        == before["render a 3_images training 00"]
    )

    renamed = path.rename(tmp_path / "renamed.txt")
    assert specs.all_specs(config(renamed)) == before
    renamed.write_text("0,1\n0.5,0.61\n1,0.25\n")
    after = specs.all_specs(config(renamed))
    changed = {name.split()[0] for name in before if after[name] != before[name]}
    # The report shows the whole configuration.
    assert changed == {"render", "report"}


def test_without_a_curve_the_spec_holds_the_limits_of_the_formula():
    spec = specs.render_spec(configuration(), "small", 3, "training", 0)
    microscope = json.loads(spec)["microscope"]
    assert microscope["mtf_c1"] == [-0.6, 0.2]
    assert microscope["mtf_curve"] is None


def test_the_store_says_that_the_formula_had_no_part(path, tmp_path):
    common = {"sampling_angstrom": [0.39, 0.41], "spherical_aberration_micrometre": [-1, 1]}
    plain = configuration(microscope=common)
    measured = configuration(microscope={**common, "mtf_file": str(path)})
    store, _ = make_exit_waves(tmp_path, plain)
    columns = {}
    for name, settings in (("plain", plain), ("measured", measured)):
        epoch = tmp_path / f"{name}.nc"
        spec = specs.render_spec(settings, "small", 2, "training", 0)
        render_epoch(spec, [store], epoch)
        check_store(epoch, EPOCH)
        with StoreReader(epoch) as reader:
            columns[name] = {
                key: reader.column(key) for key in ("mtf_c1", "mtf_c2", "mtf_c3", "dose", "defocus")
            }
            assert json.loads(reader.attributes["spec"]) == json.loads(spec)
    for key in ("mtf_c1", "mtf_c2", "mtf_c3"):
        assert np.isfinite(columns["plain"][key]).all()
        assert np.isnan(columns["measured"][key]).all()
    # All else is drawn as without the curve.
    for key in ("dose", "defocus"):
        np.testing.assert_array_equal(columns["plain"][key], columns["measured"][key])
    plot_dataset([tmp_path / "measured.nc"], tmp_path / "figures")
    assert list((tmp_path / "figures").glob("parameters*"))
