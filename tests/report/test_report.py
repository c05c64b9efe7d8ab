"""The report: complete, well formed, and readable without anything outside it."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from report_files import FAILED, ReportFiles, write_files

from exitwave.durations import duration
from exitwave.errors import ExitwaveError
from exitwave.report.blocks import Cell, Table, anchor, byte_size, count
from exitwave.report.costs import cost_table
from exitwave.stages.report import write_report
from exitwave.tasks.progress import JobProgress

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects what a test asks about, and fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, name: str) -> list[str]:
        return [found[name] or "" for kind, found in self.tags if kind == tag and name in found]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return write_files(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def report(files: ReportFiles, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, config_yaml="seed: 3 # <&>\n", **vars(files))
    return path


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    parser = Page()
    parser.feed(report.read_text(encoding="utf-8"))
    parser.close()
    return parser


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    identifiers = page.attributes("section", "id")
    assert len(identifiers) == len(set(identifiers))
    targets = [address.removeprefix("#") for address in page.attributes("a", "href")]
    assert set(targets) == set(identifiers)


def test_nothing_is_loaded_from_outside(report: Path, page: Page) -> None:
    for name in ("src", "href", "data", "poster", "srcset", "action"):
        for tag in {tag for tag, _ in page.tags}:
            for address in page.attributes(tag, name):
                assert address.startswith(("data:image/png;base64,", "#"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    text = report.read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)


def test_all_chapters_are_there(page: Page) -> None:
    assert set(page.attributes("section", "id")) == {
        "what-this-is",
        "results",
        "data-sets",
        "dataset-flakes",
        "networks",
        "network-small",
        "evaluations",
        "evaluation-small-on-flakes",
        "cost",
        "configuration",
        "versions",
        "citation",
    }


def test_all_figures_are_there_with_texts(page: Page) -> None:
    images = [found for tag, found in page.tags if tag == "img"]
    # comparison; samples, parameters; history; histograms, argand, two percentiles
    assert len(images) == 8
    assert all(len(found["alt"] or "") > 20 for found in images)
    numbers = [int(number) for number in re.findall(r"Figure (\d+)\.", page.text)]
    assert numbers == list(range(1, 9))


def test_numbers_are_those_of_the_files(files: ReportFiles, page: Page) -> None:
    folder = files.evaluations["small_on_flakes"].folder
    samples = pd.read_csv(folder / "samples.csv")
    for column in ("rmse_real", "rmse_imag", "exchanged_rmse_imag", "blurred_0.6_rmse_real"):
        assert f"{samples[column].median():.4f}" in page.text
    assert f"{100 * samples['found_share'].median():.1f} %" in page.text
    assert f"{samples['largest_displacement_pm'].median():.1f} pm" in page.text
    ratio = json.loads((folder / "summary.json").read_text())["ratios"]["vacuum_rmse_imag"]
    assert f"× {ratio:.2f}" in page.text


def test_what_was_left_out_is_told(page: Page) -> None:
    assert "more than 8 atoms in the cell" in page.text
    assert "Of 9 rows of the source, 7 matched the selection, 4 were accepted" in page.text
    assert "2 lack “gap”" in page.text
    assert FAILED.reason in page.text
    assert "1 specimen that could not be made" in page.text


def test_foreign_text_is_escaped(report: Path, page: Page) -> None:
    assert "Au<b>&" in page.text
    assert "<b>&," not in report.read_text(encoding="utf-8")
    assert "seed: 3 # <&>" in page.text


def test_the_sides_and_the_network_are_described(page: Page) -> None:
    assert "no element set lies on both sides" in page.text
    assert "Mo-S" in page.text
    assert "3 levels (8, 16, 32 feature channels)" in page.text
    assert "123\u202f456 parameters" in page.text
    assert "1 h 06 min" in page.text


def test_cost_is_summed_by_rule(files: ReportFiles) -> None:
    table = cost_table(files.benchmarks)
    assert table is not None
    rows = [[cell.text for cell in row if isinstance(cell, Cell)] for row in table.rows]
    assert rows == [
        ["catalog", "1", "0.5 s", "0.5 s", "–", "–"],
        ["simulate", "2", "1 h 40 min", "1 h 06 min", "3 h 15 min", "1.57 GB"],
        ["all", "3", "1 h 40 min", "1 h 06 min", "3 h 15 min", "1.57 GB"],
    ]


def test_the_speed_of_jobs_stands_in_the_table_of_costs(files: ReportFiles, tmp_path: Path) -> None:
    for number, state in enumerate(["done", "done", "done", "failed"]):
        job = JobProgress(1, "simulate", f"flakes.{number}", state, 0, 9, samples_per_second=number)
        path = tmp_path / f"simulate/flakes.{number}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(job)))
    table = cost_table(files.benchmarks, tmp_path)
    assert table is not None
    assert table.head[-1] == "samples per second"
    last = [row[-1] for row in table.rows]
    assert [cell.text for cell in last if isinstance(cell, Cell)] == ["–", "1.5", "–"]
    without = cost_table(files.benchmarks, tmp_path / "none")
    assert without is not None
    assert len(without.head) == 6


def test_a_report_without_networks(files: ReportFiles, tmp_path: Path) -> None:
    bare = dataclasses.replace(files, networks={}, evaluations={}, benchmarks=tmp_path)
    path = tmp_path / "report.html"
    write_report(path, config_yaml="", **{**vars(bare), "comparison": None})
    parser = Page()
    parser.feed(path.read_text(encoding="utf-8"))
    assert {"results", "networks", "evaluations", "cost"}.isdisjoint(
        parser.attributes("section", "id")
    )
    assert "dataset-flakes" in parser.attributes("section", "id")


def test_a_missing_file_is_told(files: ReportFiles, tmp_path: Path) -> None:
    lost = dataclasses.replace(files.networks["small"], folder=tmp_path / "lost")
    with pytest.raises(ExitwaveError, match=r"network\.json cannot be read"):
        write_report(
            tmp_path / "report.html",
            config_yaml="",
            **{**vars(files), "networks": {"small": lost}},
        )
    assert not (tmp_path / "report.html").exists()


def test_texts_of_numbers() -> None:
    assert [duration(value) for value in (0.512, 59.9, 61, 3600, 1e7)] == [
        "0.51 s",
        "1 min 00 s",
        "1 min 01 s",
        "1 h 00 min",
        "2\u202f777 h 46 min",
    ]
    assert [byte_size(value) for value in (12, 1.5e6, 3e12)] == ["12 B", "1.5 MB", "3 TB"]
    assert [count(number, "wave") for number in (0, 1, 2000)] == [
        "0 waves",
        "1 wave",
        "2\u202f000 waves",
    ]
    assert anchor("data set", "MoS2_c") == "data-set-mos2-c"
    table = Table("", ("a", "b", "c"), (("1", "2 px", "x"), ("1", Cell("–"), "3")))
    assert table.numeric == (False, True, False)
