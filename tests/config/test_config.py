"""The configuration: defaults, sentences about mistakes, specs, generated reference."""

import json
import re
from pathlib import Path

import pytest
import yaml

from exitwave.config import Multislice, load_config, parse_config, reference
from exitwave.errors import ExitwaveError
from exitwave.workflow import specs

ROOT = Path(__file__).parents[2]
SMALL = {
    "datasets": {"flakes": {}, "other": {"structure": {"tilt_degrees": [0, 5]}}},
    "networks": {"unet": {"dataset": "flakes"}},
    "evaluations": {"unet": {"network": "unet", "dataset": "other"}},
}


def message(raw):
    with pytest.raises(ExitwaveError) as caught:
        parse_config(raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"sed": 1}, "did you mean 'seed'?"),
        ({"multislice": {"energy_kev": -50}}, "multislice.energy_kev: input should be greater"),
        ({"multislice": {"energy_kev": [80, 50]}}, "multislice.energy_kev: the range runs from 80"),
        ({"multislice": {"energy_kev": [0, 50]}}, "multislice.energy_kev.0: input should be gre"),
        ({"multislice": {"energy_kev": "high"}}, "multislice.energy_kev: input should be a valid"),
        (
            {"multislice": {"debye_temperatures_kelvin": {"Mo": 450}}},
            "set thermal to frozen_phonons or remove it",
        ),
        (
            {
                "multislice": {
                    "thermal": "frozen_phonons",
                    "debye_temperatures_kelvin": {"MO": 450},
                }
            },
            "'MO' is no chemical symbol",
        ),
        ({"structure": {"layers": [2, 1]}}, "structure.layers: the range runs from 2 to 1"),
        ({"structure": {"layers": [0, 1]}}, "structure.layers.0: input should be greater than"),
        ({"structure": {"support": "graphit"}}, "structure.support"),
        (
            {"microscope": {"defocus_angstrom": [150, -150]}},
            "microscope.defocus_angstrom: the range runs from 150 to -150; write the lower limit",
        ),
        (
            {"microscope": {"focal_spred_angstrom": [5, 20]}},
            "did you mean 'focal_spread_angstrom'?",
        ),
        (
            {"microscope": {"energy_kev": 80}},
            "microscope.energy_kev: this key is not known here; it belongs into the section "
            "'multislice'.",
        ),
        ({"datasets": {"a": {"split": {"by": "fate"}}}}, "datasets.a.split"),
        (
            {"datasets": {"a": {"split": {"by": "samples", "trainng_samples": 1}}}},
            "datasets.a.split.trainng_samples: this key is not known here; did you mean "
            "'training_samples'?",
        ),
        ({"networks": {"n": {"dataset": "a"}}}, "'a', which is not among the data sets (none)"),
        ({"networks": {"n": {}}}, "networks.n.dataset: this key is required"),
        ({"datasets": {"My Set": {}}}, "datasets.My Set"),
        ({"datasets": {"networks": {}}}, "choose another name"),
        (
            {
                "datasets": {"a": {"epochs": {"image_size_px": 100}}},
                "networks": {"n": {"dataset": "a"}},
            },
            "multiple of 8 px",
        ),
        ({"structure": {"box_angstrom": 10.0}}, "enlarge box_angstrom"),
        ({"datasets": {"a": {"exit_waves_from": "a"}}}, "name the data set that does"),
        ("datasets", "must be a mapping"),
        ({"datasets": ["a"]}, "datasets"),
        ({"seed": "one"}, "seed"),
        ({"structure": {"tilt_degrees": [0, float("nan")]}}, "tilt_degrees"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(raw, expected):
    text = message(raw)
    assert expected in text
    assert "\n" not in text


def test_a_wrong_common_value_is_told_once_however_many_data_sets_share_it():
    text = message({"multislice": {"energy_kev": -1}, "datasets": {"a": {}, "b": {}, "c": {}}})
    assert text.count("energy_kev") == 1


def test_an_evaluation_names_a_network_and_stands_alone():
    raw = {**SMALL, "evaluations": {"e": {"network": "unet2", "dataset": "flakes"}}}
    assert "not among the networks (unet)" in message(raw)
    twice = {name: {"network": "unet", "dataset": "flakes"} for name in ("e", "f")}
    assert "remove one" in message({**SMALL, "evaluations": twice})


def test_a_data_sets_own_keys_lie_over_the_common_ones():
    config = parse_config({**SMALL, "structure": {"tilt_degrees": [1, 2], "hole_share": 0.1}})
    assert config.datasets["flakes"].structure.tilt_degrees == (1, 2)
    assert config.datasets["other"].structure.tilt_degrees == (0, 5)
    assert config.datasets["other"].structure.hole_share == 0.1


def test_models_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        parse_config({}).seed = 2


def test_files_are_laid_over_each_other(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\nstructure: {hole_share: 0.2, vacancy_share: 0.1}\n")
    (tmp_path / "b.yaml").write_text("structure: {hole_share: 0.3}\n")
    config = load_config(tmp_path / "a.yaml", tmp_path / "b.yaml")
    assert (config.structure.hole_share, config.structure.vacancy_share) == (0.3, 0.1)


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2\n", "\xff\xfe"])
def test_a_file_that_is_no_mapping_is_told(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ExitwaveError, match=r"broken\.yaml"):
        load_config(path)
    with pytest.raises(ExitwaveError, match="does not exist"):
        load_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize("name", ["demo", "paper"])
def test_the_shipped_configurations_are_valid(name):
    config = load_config(ROOT / "config/config.yaml", ROOT / f"config/{name}.yaml")
    assert config.datasets
    assert config.networks
    assert config.evaluations


def test_the_default_configuration_holds_the_defaults_and_every_key():
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    assert parse_config(raw) == parse_config({})
    for section, model in reference.COMMON.items():
        assert set(raw[section]) == set(model.model_fields)


def test_the_generated_files_have_not_drifted():
    remedy = "run `make config-reference`"
    schema = ROOT / "workflow/schemas/config.schema.json"
    assert schema.read_text() == reference.json_schema(), remedy
    assert (ROOT / "config/config.yaml").read_text() == reference.default_yaml(), remedy
    assert reference.key_table() in (ROOT / "config/README.md").read_text(), remedy


def test_the_schema_accepts_the_shipped_configurations_and_no_unknown_key():
    import jsonschema

    schema = json.loads(reference.json_schema())
    for name in ("config", "demo", "paper"):
        jsonschema.validate(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"sed": 1}, schema)


def test_every_key_is_documented():
    for model in reference.SECTIONS.values():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_a_spec_holds_what_determines_a_result_and_nothing_else():
    base = specs.all_specs(parse_config(SMALL))

    def changed(raw):
        now = specs.all_specs(parse_config(raw))
        # The report shows the whole configuration, so any change is one of it.
        return {name for name in base if now.get(name) != base[name] and name != "report"}

    def stage_names(names):
        return {name.split()[0] for name in names}

    labels = {"flakes": {"label": "Flakes"}, "other": SMALL["datasets"]["other"]}
    assert not changed({**SMALL, "datasets": labels})
    assert not changed({**SMALL, "networks": {"unet": {"dataset": "flakes", "label": "U"}}})
    assert stage_names(changed({**SMALL, "microscope": {"blur_angstrom": [0, 1]}})) == {"render"}
    # Rendering takes the energy of each sample from the exit waves, which are its input.
    for section, values in (("multislice", {"energy_kev": 60}), ("structure", {"hole_share": 0.1})):
        assert stage_names(changed({**SMALL, section: values})) == {"simulate", "convergence"}
    faster = {"unet": {"dataset": "flakes", "learning_rate": 1e-3}}
    assert changed({**SMALL, "networks": faster}) == {"train unet"}
    assert stage_names(changed({**SMALL, "seed": 2})) == {
        "catalog",
        "simulate",
        "render",
        "train",
        "calibrate",
        "evaluate",
        "convergence",
    }


def test_an_energy_is_a_number_or_a_range():
    one, two = (
        json.loads(specs.simulate_spec(parse_config({**SMALL, "multislice": values}), "flakes"))
        for values in ({}, {"energy_kev": [60, 80]})
    )
    assert one["multislice"]["energy_kev"] == 50.0
    assert two["multislice"]["energy_kev"] == [60.0, 80.0]
    assert Multislice.model_validate(two["multislice"]).energy_kev == (60.0, 80.0)


def test_equal_values_give_equal_specs():
    one = parse_config({"datasets": {"a": {"structure": {"tilt_degrees": [0, 5]}}}})
    two = parse_config({"datasets": {"a": {"structure": {"tilt_degrees": [0.0, 5.0]}}}})
    assert specs.all_specs(one) == specs.all_specs(two)


TRAINED = {
    "datasets": {"a": {"epochs": {"image_size_px": 64}}},
    "networks": {
        "one": {"dataset": "a"},
        "two": {"dataset": "a", "replica": 1},
        "single": {"dataset": "a", "images": 1},
    },
    "evaluations": {"e": {"network": "one", "dataset": "a"}},
}


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"ensembles": {"x": {"networks": ["one"], "dataset": "a"}}}, "at least 2"),
        ({"ensembles": {"x": {"networks": ["one", "one"], "dataset": "a"}}}, "twice"),
        ({"ensembles": {"x": {"networks": ["one", "three"], "dataset": "a"}}}, "not among"),
        ({"ensembles": {"x": {"networks": ["one", "single"], "dataset": "a"}}}, "different"),
        ({"ensembles": {"x": {"networks": ["one", "two"], "dataset": "b"}}}, "not among"),
        ({"comparisons": {"x": {"network": "one", "dataset": "a", "images": 4}}}, "even dist"),
        ({"comparisons": {"x": {"network": "single", "dataset": "a"}}}, "even distances"),
        ({"comparisons": {"x": {"network": "none", "dataset": "a"}}}, "not among"),
        (
            {"evaluations": {"x": {"network": "single", "dataset": "a", "refined_samples": 2}}},
            "'single' takes one image, which does not determine both wave and aberrations",
        ),
        (
            {"evaluations": {"x": {"network": "one", "dataset": "a", "refined_samples": -1}}},
            "greater than or equal to 0",
        ),
        ({"figures": {"x": {"shows": "samples"}}}, "is empty"),
        ({"figures": {"x": {"shows": "samples", "of": ["one"]}}}, "not among the evaluations"),
        ({"figures": {"x": {"shows": "samples", "of": ["e"], "percentile": 3}}}, "add it there"),
        ({"figures": {"x": {"shows": "convergence", "of": ["e"]}}}, "needs no names"),
        ({"figures": {"x": {"shows": "pictures", "of": ["e"]}}}, "histograms"),
    ],
)
def test_studies_that_do_not_fit_are_named(section, said):
    with pytest.raises(ExitwaveError) as error:
        parse_config({**TRAINED, **section})
    assert said in str(error.value)
    assert next(iter(section)) in str(error.value)


def test_a_comparison_needs_images_of_some_size():
    small = {"a": {"epochs": {"image_size_px": 32}}}
    section = {"comparisons": {"x": {"network": "one", "dataset": "a"}}}
    with pytest.raises(ExitwaveError, match="more than 32 px"):
        parse_config({**TRAINED, "datasets": small, **section})


@pytest.mark.parametrize("name", ["demo", "paper", "reduced"])
def test_our_own_configurations_are_valid(name):
    config = load_config(ROOT / "config" / f"{name}.yaml")
    assert config.networks


def test_the_paper_is_remade_whole():
    """Both configurations have every figure of the paper that is made of data."""
    for name in ("paper", "reduced"):
        figures = load_config(ROOT / "config" / f"{name}.yaml").figures
        found = " ".join(entry.paper for entry in figures.values())
        numbers = set(re.findall(r"S?\d+", found))
        assert numbers == {*map(str, range(1, 11)), *(f"S{n}" for n in range(2, 15))}


def test_the_least_image_of_a_comparison_is_that_of_the_reconstruction():
    from exitwave.config.root import LEAST_CLASSICAL_PX
    from exitwave.imaging.detector import GUARD_PX

    assert LEAST_CLASSICAL_PX == 2 * GUARD_PX


def test_the_report_goes_by_the_order_of_the_configuration():
    named = {"z": TRAINED["networks"]["one"], "a": TRAINED["networks"]["two"]}
    config = parse_config({**TRAINED, "networks": named, "evaluations": {}})
    assert json.loads(specs.report_spec(config))["order"]["networks"] == ["z", "a"]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("microscope", "sampling_angstrom", 0.12),
        ("microscope", "defocus_angstrom", -20),
        ("structure", "tilt_degrees", 2.5),
    ],
)
def test_one_number_is_a_range_that_holds_nothing_else(section, key, value):
    one, both = (parse_config({section: {key: each}}) for each in (value, [value, value]))
    assert one == both
    assert getattr(getattr(one, section), key) == (value, value)


def test_specimens_that_shall_fill_the_images_are_large_enough():
    """Also for a data set that images another one's specimens with other pixels."""
    full = {"structure": {"full_share": 0.5, "box_angstrom": 30.0}}
    small = {**full, "epochs": {"image_size_px": 128}, "microscope": {"sampling_angstrom": 0.2}}
    parse_config({"datasets": {"a": small}})
    wide = {"b": {"exit_waves_from": "a", "microscope": {"sampling_angstrom": [0.2, 0.21]}}}
    for datasets in ({"b": {**small, "epochs": {"image_size_px": 144}}}, {"a": small, **wide}):
        with pytest.raises(ExitwaveError, match=r"datasets\.b.*fill the images.*26\.0 Å; enlarge"):
            parse_config({"datasets": datasets})


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"multislice": {"energy_kev": 80}}, "an energy of 50 keV, but here is one of 80 keV"),
        ({"microscope": {"sampling_angstrom": 0.2}}, r"pixels of 0\.1 to 0\.11 Å"),
        (
            {"microscope": {"defocus_range_angstrom": 50}},
            r"steps of the defocus of 49 to 51 Å, but here are some of 2",
        ),
        ({"microscope": {"dose_log10_per_square_angstrom": [1, 3]}}, "a dose of 316"),
        ({"microscope": {"defocus_angstrom": [0, 300]}}, "defoci of -150 to 150 Å"),
    ],
)
@pytest.mark.parametrize("section", ["evaluations", "comparisons", "ensembles"])
def test_a_network_is_asked_before_anything_runs_whether_it_is_for_a_data_set(
    section, other, reason
):
    two = {"one": {"dataset": "a"}, "two": {"dataset": "a", "replica": 1}}
    entry = {"dataset": "b"}
    entry |= {"networks": ["one", "two"]} if section == "ensembles" else {"network": "one"}
    raw = {"datasets": {"a": {}, "b": {}}, "networks": two, section: {"x": entry}}
    parse_config(raw)
    with pytest.raises(ExitwaveError, match=rf"{section}\.x: the network 'one'.*'b'.*{reason}"):
        parse_config({**raw, "datasets": {"a": {}, "b": other}})
