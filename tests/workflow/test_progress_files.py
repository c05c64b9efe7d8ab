"""The progress file of a job lies beside its log, wherever the rules put that."""

import re
from pathlib import Path

import pytest

from exitwave.workflow import layout

RULES = Path(__file__).parents[2] / "workflow/rules"
NAMES = {
    "dataset": "mos2",
    "network": "unet",
    "ensemble": "pair",
    "comparison": "long",
    "shard": "017",
    "epoch": "03",
    "images": "5",
    "split": "training",
}


def rule(stage):
    """The first rule of a stage's file: the log and what the command gets as its output."""
    text = (RULES / f"{stage}.smk").read_text()
    log = layout.log(*re.search(r'ask\.log\("(.*?)", "(.*?)"\)', text).groups())
    output = re.search(r"--output (\S+)", text)[1].strip('"').replace("wildcards.", "")
    if output.startswith("{output"):
        place = re.search(r"output:.*?layout\.([A-Z]+)", text, re.DOTALL)[1]
        output = f"results/{getattr(layout, place)}"
    return f"results/{log}".format(**NAMES), output.format(**NAMES)


@pytest.mark.parametrize(
    "stage",
    [
        "catalog",
        "simulate",
        "render",
        "train",
        "calibrate",
        "evaluate",
        "refine",
        "ensemble",
        "compare",
        "convergence",
    ],
)
def test_beside_the_log(stage):
    log, output = rule(stage)
    for folder in (Path(), Path("/somewhere/else")):
        found = layout.progress_of(stage, folder / output)
        assert found == (folder / log).with_suffix(".json").absolute()


def test_what_is_made_elsewhere_has_none():
    assert layout.progress_of("simulate", Path("/tmp/my waves.nc")) is None
    assert layout.progress_of("train", Path("/tmp/unet")) is None
    assert layout.progress_of("plot", Path("results/networks/unet/figures")) is None
