"""The demo: from the built-in table of materials to a network that has learned something."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from factory import exitwave
from rocrate.rocrate import ROCrate

import exitwave as package
from exitwave.files.reader import StoreReader

pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def evaluation(demo):
    return demo.results / "evaluations/small_unet/monolayers"


def test_every_stage_shows_its_progress(demo):
    for word in ("samples in", "to compute with", "a second", "epoch 1/"):
        assert word in demo.said, word


def test_every_store_is_complete(demo):
    made = demo.results / "monolayers"
    stores = [
        str(path) for kind in ("exit_waves", "epochs/*/*") for path in made.glob(f"{kind}/*.nc")
    ]
    dataset = demo.config["datasets"]["monolayers"]
    assert len(stores) == dataset["shards"] + dataset["epochs"]["training_epochs"] + 1
    done = exitwave("check", *stores)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("complete") == len(stores)


def test_the_labelled_view_serves_a_newcomer(demo):
    waves = package.open_exit_waves(
        demo.results / "monolayers/exit_waves/000.nc", complex_values=True
    )
    assert np.iscomplexobj(waves["exit_wave"])
    epoch = package.open_epoch(
        demo.results / "monolayers/epochs/3_images/validation/00.nc", complex_values=True
    )
    assert epoch["image"].dims == ("sample", "y", "x", "frame")
    assert epoch.sizes["frame"] == 3


def test_no_set_of_elements_is_on_both_sides(demo):
    with (
        StoreReader(demo.results / "monolayers/epochs/3_images/training/00.nc") as training,
        StoreReader(demo.results / "monolayers/epochs/3_images/validation/00.nc") as validation,
    ):
        sides = [
            {frozenset(sample["atom_number"]) for sample in reader}
            for reader in (training, validation)
        ]
    # A flake of few atoms can lose all of one element, so single elements may occur twice.
    assert not {s for s in sides[0] if len(s) > 1} & {s for s in sides[1] if len(s) > 1}


def test_the_network_reconstructs_materials_it_has_not_seen(evaluation):
    samples = pd.read_csv(evaluation / "samples.csv")
    network = samples["rmse_imag"].median()
    assert samples["exchanged_rmse_imag"].median() / network >= 2
    assert network / samples["vacuum_rmse_imag"].median() <= 0.65
    assert samples["found_share"].median() >= 0.6
    # Peaks strewn at random over the specimen would find far fewer.
    assert samples["random_found_share"].median() < 0.35


def test_the_summary_agrees_with_the_rows(evaluation):
    samples = pd.read_csv(evaluation / "samples.csv")
    summary = json.loads((evaluation / "summary.json").read_text())
    assert summary["samples"] == len(samples)
    for column in ("rmse_imag", "vacuum_rmse_real", "found_share"):
        assert summary["statistics"][column]["median"] == pytest.approx(
            samples[column].median(), rel=1e-4
        )


def test_refining_brings_the_waves_nearer_to_the_truth(evaluation):
    rows = pd.read_csv(evaluation / "refinement/samples.csv")
    assert len(rows) == 12
    refined, network = rows["refined_rmse"].median(), rows["network_rmse"].median()
    assert refined < 0.95 * network
    assert rows["distance_defocus_angstrom"].median() < 10


def test_the_report_is_one_page_without_outside_references(demo):
    text = (demo.results / "report.html").read_text()
    for attribute in ('src="http', "src='http", 'rel="stylesheet"', "@import"):
        assert attribute not in text
    assert text.count("data:image/png;base64") >= 8
    for heading in ("Data sets", "Networks", "Evaluations", "Refined by the physics"):
        assert heading in text


def test_the_crate_names_every_file_and_how_it_was_made(demo):
    demo.must_run("crate")
    crate = ROCrate(demo.results)
    files = {entity.id: entity for entity in crate.get_by_type("File")}
    for name, entity in files.items():
        if name != "workflow/Snakefile":
            content = (demo.results / name).read_bytes()
            assert entity["sha256"] == hashlib.sha256(content).hexdigest()
            assert int(entity["contentSize"]) == len(content)
    stores = {
        f"monolayers/{path}" for path in ("exit_waves/000.nc", "epochs/3_images/training/00.nc")
    }
    assert {*stores, "networks/small_unet/model.keras", "report.html"} <= files.keys()
    assert crate.mainEntity.id == "workflow/Snakefile"
    actions = {action["name"]: action for action in crate.get_by_type("CreateAction")}
    training = actions["train networks/small_unet"]
    read = {entity.id for entity in training["object"]}
    assert "monolayers/epochs/3_images/training/05.nc" in read
    assert "networks/small_unet/model.keras" in {entity.id for entity in training["result"]}
    assert training["description"].startswith("exitwave train --spec ")
    # Results in the folder of another one are their own.
    calibration = "networks/small_unet/calibration.json"
    folder = "evaluations/small_unet/monolayers"
    assert calibration not in {entity.id for entity in training["result"]}
    assert [entity.id for entity in actions[f"calibrate {calibration}"]["result"]] == [calibration]
    refinement = actions[f"refine {folder}/refinement"]
    assert calibration in {entity.id for entity in refinement["object"]}
    assert {entity.id for entity in refinement["result"]} == {
        f"{folder}/refinement/{name}" for name in ("samples.csv", "summary.json", "examples.npz")
    }
    evaluation = actions[f"evaluate {folder}"]
    assert not any("refinement" in entity.id for entity in evaluation["result"])


def test_a_finished_run_has_nothing_to_do(demo):
    done = demo.run("--dry-run")
    assert "Nothing to be done" in done.stdout, done.stdout[-3000:]
