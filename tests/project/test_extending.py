"""The examples of docs/extending.md work from end to end."""

from __future__ import annotations

import csv
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from epoch_files import SAMPLING, make_series, write_epoch

from exitwave.cli import main, tools
from exitwave.config import Network, Structure, parse_config
from exitwave.config.sections import figures, networks, structure
from exitwave.errors import ExitwaveError
from exitwave.figures.style import read_captions
from exitwave.materials.material import read_materials
from exitwave.networks.trained import load_network, predict_waves
from exitwave.samples import EPOCH
from exitwave.specimens.build import SUPPORT, build_specimen
from exitwave.stages.figure import draw_figure
from exitwave.stages.train import train_network
from exitwave.workflow import specs

PAGE = Path(__file__).parents[2] / "docs/extending.md"
FILE = re.compile(
    r"^`src/(exitwave/[\w/]+)\.py`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)
LINE = re.compile(
    r"^In `(\w+)` of `src/(exitwave/[\w/]+)\.py`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE
)
MOST_LINES = 40

Add = Callable[[str], None]


def section(title: str) -> str:
    """Return what the page says under a title."""
    _, after = PAGE.read_text().split(f"\n## {title}\n")
    return after.split("\n## ")[0]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Do what a section of the page says, for this test alone."""
    added = []

    def do(title: str) -> None:
        text = section(title)
        for path, code in FILE.findall(text):
            assert len(code.splitlines()) <= MOST_LINES, path
            folder, name = path.rsplit("/", 1)
            package = importlib.import_module(folder.replace("/", "."))
            (tmp_path / "added").mkdir(exist_ok=True)
            (tmp_path / "added" / f"{name}.py").write_text(code)
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "added")])
            added.append((package, name))
        importlib.invalidate_caches()
        for mapping, path, line in LINE.findall(text):
            module = importlib.import_module(path.replace("/", "."))
            for name, entry in eval(f"{{{line.strip()}}}", vars(module)).items():
                monkeypatch.setitem(getattr(module, mapping), name, entry)

    yield do
    for package, name in added:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def test_a_support(add: Add) -> None:
    with pytest.raises(ExitwaveError, match="'boron_nitride' is not known here"):
        parse_config({"structure": {"support": "boron_nitride"}})
    add("A support")
    assert set(structure.SUPPORTS) >= {"none", "graphene", "boron_nitride"}
    config = parse_config({"structure": {"support": "boron_nitride"}})
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    specimen = build_specimen(material, config.structure, 1, "example", 0)
    supporting = specimen.atoms.components == SUPPORT
    assert set(specimen.numbers[supporting]) == {5, 7}
    flake = specimen.positions[~supporting]
    assert specimen.positions[supporting, 2].mean() > flake[:, 2].mean()
    # What others draw stays as it was.
    graphene = build_specimen(material, Structure(support="graphene"), 1, "example", 0)
    np.testing.assert_array_equal(
        specimen.numbers[~supporting], graphene.numbers[graphene.atoms.components != SUPPORT]
    )


def test_a_kind_of_figure(add: Add, tmp_path: Path) -> None:
    add("A kind of figure")
    assert figures.SHOWN["last_losses"].section == "networks"
    config = parse_config(
        {
            "datasets": {"flakes": {}},
            "networks": {name: {"dataset": "flakes", "label": "U-Net"} for name in ("a", "b")},
            "figures": {"losses": {"shows": "last_losses", "of": ["a", "b"]}},
        }
    )
    for name, loss in (("a", 0.25), ("b", 0.125)):
        (tmp_path / name).mkdir()
        history = f"epoch,loss,val_loss\n1,1.0,1.0\n2,1.0,{loss}\n"
        (tmp_path / name / "history.csv").write_text(history)
    spec = specs.figure_spec(config, "losses")
    draw_figure(spec, [tmp_path / "a", tmp_path / "b"], tmp_path / "figures")
    assert (tmp_path / "figures/last_losses.png").stat().st_size > 5000
    caption = read_captions(tmp_path / "figures")["last_losses"]
    assert caption.text.endswith("U-Net 0.25; U-Net 0.125.")


def test_an_export_format(add: Add, tmp_path: Path) -> None:
    add("An export format")
    dataset = tmp_path / "results/small"
    write_epoch(dataset / "epochs/3_images/validation/00.nc", samples=3)
    assert main(["export", str(dataset), "--to", "csv", "--output", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out/epochs/3_images/validation/00"
    with (folder / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_key"] for row in rows] == [f"specimen {i} epoch 0" for i in range(3)]
    assert {float(row["sampling"]) for row in rows} == {SAMPLING}
    index = json.loads((folder / "index.json").read_text())
    assert list(index["files"]) == ["samples.csv"]
    assert set(index["variables"]) > {variable.name for variable in EPOCH.having(()).variables}


def test_an_architecture(add: Add, tmp_path: Path) -> None:
    add("An architecture")
    assert "plain" in networks.ARCHITECTURES
    network = Network(dataset="any", architecture="plain", channels=(2, 4), epochs=1, batch_size=2)
    config = parse_config(
        {"datasets": {"any": {}}, "networks": {"net": network.model_dump(mode="json")}}
    )
    spec = specs.train_spec(config, "net")
    assert '"architecture":"plain"' in spec
    data = {side: [write_epoch(tmp_path / f"{side}.nc")] for side in ("training", "validation")}
    train_network(spec, **data, output=tmp_path / "net")
    trained = load_network(tmp_path / "net")
    assert trained.settings.architecture == "plain"
    assert [layer.name for layer in trained.model.layers if layer.get_weights()] == [
        f"convolution_{number}" for number in range(3)
    ]
    wave = predict_waves(trained, make_series(0, 16, 3)[0][None], SAMPLING)
    assert wave.shape == (1, 16, 16)


def test_a_command(
    add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add("A command")
    count = importlib.import_module("exitwave.cli.tools.count")
    monkeypatch.setattr(tools, "COMMANDS", (*tools.COMMANDS, count))
    path = write_epoch(tmp_path / "00.nc", samples=2)
    assert main(["count", str(path)]) == 0
    assert capsys.readouterr().out == f"2  {path}\n"


def test_the_page_names_every_seam() -> None:
    """A registry without a section would be found by nobody."""
    source = PAGE.parents[1] / "src/exitwave"
    folders = {
        path.parent.relative_to(source).as_posix()
        for path in source.rglob("__init__.py")
        if "import Registry" in path.read_text()
    }
    rows = re.findall(r"^\| \[an? [\w ]+\]\(#[\w-]+\) \| `([\w/]+)`", PAGE.read_text(), re.M)
    assert folders == set(rows) - {"cli/tools"}
