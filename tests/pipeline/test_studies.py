"""Ensembles, comparisons with classical reconstruction, figures by name and data set cards, made by
Snakemake from end to end on a tiny factory."""

import copy
import json
import re
import subprocess
import sys

import pytest
from factory import TINY, Factory, exitwave

from exitwave.figures.style import read_captions

STUDIES = {
    "networks": {
        "unet": TINY["networks"]["unet"],
        "other": {**TINY["networks"]["unet"], "replica": 1, "training_share": 0.5},
    },
    "ensembles": {"two": {"networks": ["unet", "other"], "dataset": "tiny", "bins": 5}},
    "comparisons": {
        "classical": {
            "network": "unet",
            "dataset": "tiny",
            "images": 3,
            "samples": 3,
            "iterations": 3,
            "high_pass_px": 2.0,
            "paper_network_rmse": 0.013,
            "paper_classical_rmse": 0.061,
        }
    },
    "evaluations": {
        "unet": {
            "network": "unet",
            "dataset": "tiny",
            "paper_rmse": 0.0062,
            "paper_largest_displacement_pm": 7.0,
        }
    },
    "figures": {
        "fig_1": {"shows": "samples", "of": ["unet"], "paper": "Fig. 1"},
        "fig_4": {"shows": "histograms", "of": ["unet"], "paper": "Fig. 4"},
        "fig_5": {"shows": "argand", "of": ["unet"], "paper": "Fig. 5"},
        "fig_7": {"shows": "disagreement", "of": ["two"], "paper": "Figs. 7 and 8"},
        "told": {"shows": "calibration", "of": ["two"], "title": "Do they tell"},
        "fig_10": {
            "shows": "comparison",
            "of": ["classical"],
            "percentile": 25.0,
            "paper": "Fig. 10",
        },
        "fig_s3a": {"shows": "training_size", "of": ["other", "unet"], "paper": "Fig. S3 (a)"},
        "fig_s3b": {"shows": "history", "of": ["unet", "other"], "paper": "Fig. S3 (b)"},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    config = {**copy.deepcopy(TINY), **copy.deepcopy(STUDIES)}
    # Classical reconstruction needs some room about the edge that the camera blurs.
    config["datasets"]["tiny"]["epochs"]["image_size_px"] = 48
    config["datasets"]["tiny"]["paper_simulation_core_hours"] = 66.0
    factory = Factory(tmp_path_factory.mktemp("studies"), config)
    factory.must_run()
    return factory


def test_every_figure_has_a_folder_with_pictures_and_captions(made):
    for name in STUDIES["figures"]:
        folder = made.results / "figures" / name
        captions = read_captions(folder)
        assert captions, name
        for picture, caption in captions.items():
            assert (folder / f"{picture}.png").stat().st_size > 5000
            assert (folder / f"{picture}.svg").stat().st_size > 5000
            assert caption.text
            assert caption.alternative


def test_the_report_has_an_index_by_the_papers_numbers(made):
    page = (made.results / "report.html").read_text()
    for entry in STUDIES["figures"].values():
        assert entry.get("paper", entry.get("title")) in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
    for text in ("Index by the paper", "Ensembles.", "classical reconstruction", "lack atoms"):
        assert text in page
    # Beside the paper's numbers and its Table A.2.
    for text in ("0.0062", "0.061", "7 pm", "66 h"):
        assert text in page


def test_the_studies_say_how_they_were_made(made):
    for folder in ("ensembles/two", "comparisons/classical"):
        summary = json.loads((made.results / folder / "summary.json").read_text())
        assert summary["samples"] >= 3
        assert summary["exitwave_version"]
        done = exitwave("provenance", str(made.results / folder))
        assert f"exitwave {'ensemble' if 'two' in folder else 'compare'} --spec" in done.stdout


def test_the_card_tells_what_the_data_are_and_its_five_lines_load_them(made):
    card = (made.results / "tiny/README.md").read_text()
    for heading in (
        "## Files",
        "## Load it",
        "## Parameters as drawn",
        "## Known bad samples",
        "## Cost",
        "## Settings",
        "## Licence and citation",
    ):
        assert heading in card
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    assert len(code.strip().splitlines()) == 5
    code += "assert images.shape[:2] == wave.shape and len(defocus) == images.shape[2]\n"
    subprocess.run([sys.executable, "-c", code], cwd=made.results / "tiny", check=True)


def test_another_title_reruns_nothing_but_the_report(made):
    made.config["figures"]["fig_1"]["title"] = "Another title"
    made.config["comparisons"]["classical"]["paper_network_rmse"] = 0.014
    planned = made.planned()
    assert set(planned) == {"all", "report"}


def test_another_percentile_redraws_one_figure(made):
    made.config["figures"]["fig_5"]["percentile"] = 75.0
    assert made.planned()["draw_figure"] == 1
    made.config["figures"]["fig_5"]["percentile"] = 50.0


def test_more_iterations_compare_anew_and_train_nothing(made):
    made.config["comparisons"]["classical"]["iterations"] = 4
    planned = made.planned()
    assert planned["compare_reconstructions"] == 1
    assert not {"train_network", "evaluate_network", "judge_ensemble", "render_epoch"} & set(
        planned
    )
    made.config["comparisons"]["classical"]["iterations"] = 3
