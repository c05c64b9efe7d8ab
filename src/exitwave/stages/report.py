"""One self-contained HTML file that explains all data sets, networks and evaluations.

>>> write_report(Path("results/report.html"), config_yaml=text, datasets={"mos2": files}, ...)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from exitwave.config import Config
from exitwave.files.atomic import write_text
from exitwave.provenance import attributes as provenance
from exitwave.report.blocks import Numbering, Section, Table, anchor, count
from exitwave.report.costs import cost_table
from exitwave.report.datasets import dataset_section
from exitwave.report.files import DatasetFiles, EvaluationFiles, NetworkFiles
from exitwave.report.networks import evaluation_section, network_section, results_tables
from exitwave.report.papers import PAPER
from exitwave.report.studies import (
    comparisons_table,
    ensembles_table,
    figures_chapter,
    paper_table,
    resources_table,
)
from exitwave.workflow import layout
from exitwave.workflow.specs import ReportSpec, read_spec

__all__ = ["DatasetFiles", "EvaluationFiles", "NetworkFiles", "report_results", "write_report"]


def report_results(spec: str, results: Path, output: Path) -> None:
    """Write the report on all results of a configuration.

    Parameters
    ----------
    spec : str
        See `exitwave.workflow.specs.report_spec`.
    results : Path
        Folder of the results, laid out as `exitwave.workflow.layout` says.
    output : Path
        The HTML file.
    """
    config = read_spec(spec, ReportSpec).configuration()
    datasets = {}
    for name, dataset in config.datasets.items():
        catalog = results / layout.catalog(layout.source(config, name))
        shards = layout.shard_names(catalog)
        datasets[name] = DatasetFiles(
            label=dataset.label or name,
            catalog=catalog,
            exit_waves=[results / path for path in layout.stores(config, name, shards)],
            epochs=[results / path for path in layout.all_epochs(config, name)],
            figures=layout.own_figures(results / name),
        )
    networks = {
        name: NetworkFiles(
            label=network.label or name,
            dataset=network.dataset,
            folder=results / layout.network(name),
            figures=layout.own_figures(results / layout.network(name)),
        )
        for name, network in config.networks.items()
    }
    refined = layout.refined(config)
    evaluations = {
        name: EvaluationFiles(
            label=entry.label or name,
            network=entry.network,
            dataset=entry.dataset,
            folder=results / layout.evaluation(config, name),
            figures=layout.own_figures(results / layout.evaluation(config, name)),
            refinement=results / layout.refinement(config, name) if name in refined else None,
        )
        for name, entry in config.evaluations.items()
    }
    write_report(
        output,
        config_yaml=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=100),
        datasets=datasets,
        networks=networks,
        evaluations=evaluations,
        benchmarks=results / layout.BENCHMARKS,
        logs=results / layout.LOGS,
        comparison=results / layout.OVERVIEW if evaluations and not config.figures else None,
        studies=(config, results),
    )


def write_report(
    output: Path,
    *,
    config_yaml: str,
    datasets: Mapping[str, DatasetFiles],
    networks: Mapping[str, NetworkFiles],
    evaluations: Mapping[str, EvaluationFiles],
    benchmarks: Path,
    logs: Path | None = None,
    comparison: Path | None = None,
    studies: tuple[Config, Path] | None = None,
    title: str = "Exit waves: data sets, networks, evaluations",
) -> None:
    """Write the report.

    Parameters
    ----------
    output : Path
        The HTML file; pictures and style are inside it.
    config_yaml : str
        The whole configuration.
    datasets, networks, evaluations : mapping
        Files by the names of the configuration, in the order of the report.
    benchmarks : Path
        Folder of Snakemake's benchmarks, ``{rule}/{job}.tsv``.
    logs : Path, optional
        Folder of the jobs' progress files, ``{rule}/{job}.json``.
    comparison : Path, optional
        Folder that `exitwave plot comparison` wrote.
    studies : (Config, Path), optional
        A configuration and the folder of its results, for figures, ensembles, comparisons and
        the paper's numbers.
    title : str
        Title of the report.

    Raises
    ------
    ExitwaveError
        Where a file that should be shown cannot be read.
    """
    numbering = Numbering()
    dataset_labels = {name: files.label or name for name, files in datasets.items()}
    network_labels = {name: files.label or name for name, files in networks.items()}
    chapters = (
        _introduction(datasets, networks, evaluations),
        _results(
            evaluations,
            results_tables(evaluations, network_labels, dataset_labels) if evaluations else (),
            comparison,
            numbering,
            studies,
        ),
        figures_chapter(*studies, numbering) if studies else None,
        _chapter("Data sets", *(dataset_section(*entry, numbering) for entry in datasets.items())),
        _chapter(
            "Networks",
            *(network_section(*entry, dataset_labels, numbering) for entry in networks.items()),
        ),
        _chapter(
            "Evaluations",
            *(evaluation_section(*entry, numbering) for entry in evaluations.items()),
        ),
        _cost(benchmarks, logs),
        _configuration(config_yaml),
        _versions(),
        _citation(),
    )
    environment = Environment(
        loader=PackageLoader("exitwave.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    now = datetime.now(UTC)
    html = environment.get_template("report.html").render(
        title=title,
        chapters=[chapter for chapter in chapters if chapter is not None],
        date=f"{now.day} {now:%B %Y, %H:%M} UTC",
        commit=provenance.git_commit(),
    )
    write_text(output, html)


def _chapter(title: str, *sections: Section) -> Section | None:
    return Section(title, anchor(title), sections=sections) if sections else None


def _introduction(
    datasets: Mapping[str, DatasetFiles],
    networks: Mapping[str, NetworkFiles],
    evaluations: Mapping[str, EvaluationFiles],
) -> Section:
    return Section(
        "What this is",
        "what-this-is",
        paragraphs=(
            "A high-resolution transmission electron microscope records the intensity of the "
            "electron wave that leaves a specimen, blurred by its lenses, and loses the phase. "
            "The networks in this report reconstruct the whole complex wave, the exit wave Ψ, "
            "from a short series of images at different defocus. They were trained on nothing "
            "but simulations: flakes of two-dimensional materials with defects and tilt, exit "
            "waves by the multislice method, and images of a microscope whose aberrations, dose "
            "and camera were drawn at random for every series.",
            f"Shown here are {count(len(datasets), 'data set')}, "
            f"{count(len(networks), 'network')} and {count(len(evaluations), 'evaluation')}. "
            "Every number was computed on specimens that the network has not been trained on. "
            "Waves are relative to the incident one: vacuum is Ψ = 1.",
        ),
    )


def _results(
    evaluations: Mapping[str, EvaluationFiles],
    errors: Sequence[Table],
    comparison: Path | None,
    numbering: Numbering,
    studies: tuple[Config, Path] | None,
) -> Section | None:
    if not evaluations:
        return None
    tables: list[Table | None] = [*errors]
    if studies:
        drawn = (paper_table, ensembles_table, comparisons_table, resources_table)
        tables += [table(*studies) for table in drawn]
    return Section(
        "Results at a glance",
        "results",
        paragraphs=(
            "An error means little by itself, since most of a picture is vacuum, which is easy. "
            "So each network stands beside other guesses: the same predictions compared with the "
            "exit waves of other samples (exchanged targets, the paper's null hypothesis), an "
            "empty picture (vacuum), and the true wave folded with Gaussians, which knows every "
            "specimen but not its fine detail. A multiple above 1 means that the network is the "
            "better one. The paper, with its own data sets, reports an RMSE of 0.0062 (MoS₂), "
            "0.0122 (MoS₂ on graphene) and 0.0263 (C2DB) for its median samples.",
        ),
        tables=tuple(table for table in tables if table is not None),
        pictures=numbering.pictures(comparison) if comparison is not None else (),
    )


def _cost(benchmarks: Path, logs: Path | None) -> Section | None:
    table = cost_table(benchmarks, logs)
    return None if table is None else Section("Cost", "cost", tables=(table,))


def _configuration(config_yaml: str) -> Section:
    return Section(
        "Configuration",
        "configuration",
        paragraphs=("Everything that determines the results, with all defaults written out.",),
        code=config_yaml,
    )


def _versions() -> Section:
    made = provenance.attributes("{}")
    versions = json.loads(made["package_versions"])
    rows = tuple((name, version) for name, version in sorted(versions.items()))
    return Section(
        "Versions",
        "versions",
        paragraphs=(f"Conventions of all files. {made['conventions']}",),
        facts=(
            ("exitwave", made["exitwave_version"]),
            ("git commit", made["git_commit"]),
            ("processor", made["processor"]),
        ),
        tables=(
            Table("Packages that wrote this report", ("package", "version"), rows, folded=True),
        ),
    )


def _citation() -> Section:
    return Section(
        "How to cite, licence",
        "citation",
        paragraphs=(
            f"The method is that of {PAPER}. Please cite it, and exitwave as its CITATION.cff "
            "says; for materials taken from a database, please also cite that database.",
            "exitwave is free software under the GNU General Public License, version 3 or later. "
            "The licence of the data is for those who made them to choose; structures taken from "
            "a database stay under the terms of that database.",
        ),
    )
