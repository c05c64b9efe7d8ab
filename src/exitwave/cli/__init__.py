"""The command line: one command for each stage, and some to look at files.

Modules are imported when their command runs, since TensorFlow and abTEM take seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from exitwave import __version__
from exitwave.errors import ExitwaveError

DESCRIPTION = """\
exitwave makes data sets of simulated HRTEM focal series and the exit waves behind them, and
trains and evaluates networks that reconstruct exit waves.

Snakemake calls these commands in turn; each also works alone:

  catalog ─► simulate ─► render ─► train ─► evaluate ─► report
"""

EPILOG = """\
A --spec is the JSON that determines a stage's result; every file that exitwave writes holds its
own, and `exitwave spec` prints those of a configuration. Begin with

  snakemake                                  the demo, from the materials to the report
  exitwave check results/monolayers/exit_waves/*   are these files whole and as they should be?
  exitwave doctor --profile slurm            is everything here that a run needs?
  exitwave status                            how far is the run?
  exitwave efficiency                        did its jobs ask for too much, or too little?
  exitwave provenance results/networks/*     how were they made, and what makes them again?
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    0, or 2 after a sentence on what is wrong; `exitwave doctor` that finds problems returns 1.
    """
    options = _parser().parse_args(arguments)
    keep_out_of_the_home_folder()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("exitwave").setLevel(logging.INFO)
    try:
        with _only_writer(options):
            status = options.run(options)
    except ExitwaveError as error:
        print(f"exitwave: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("exitwave: interrupted; finished samples are kept.", file=sys.stderr)  # noqa: T201
        return 130
    return status or 0


def _only_writer(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Return the lock of what the command makes; commands that only look at files need none."""
    if not hasattr(options, "output"):
        return contextlib.nullcontext()
    from exitwave.files.lock import one_writer

    return one_writer(options.output)


def keep_out_of_the_home_folder() -> None:
    """Give Keras and Matplotlib a folder for their settings beside the installed packages.

    By themselves they write to the home folder and read it: what a user has set there, such as
    another order of the axes, must not change a result.
    """
    base = sys.prefix if os.access(sys.prefix, os.W_OK) else tempfile.gettempdir()
    for variable, name in (("KERAS_HOME", "keras"), ("MPLCONFIGDIR", "matplotlib")):
        os.environ.setdefault(variable, str(Path(base, "exitwave-settings", name)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exitwave",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"exitwave {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=globals()[f"_{name}"])
        return added

    catalog = command("catalog", "choose materials, split them and draw the list of samples")
    _add_spec(catalog)
    _add_output(catalog, "folder of the catalog")

    simulate = command("simulate", "compute the exit waves of one shard over Dask workers")
    _add_spec(simulate)
    simulate.add_argument("--manifest", type=Path, required=True, help="the shard's manifest")
    _add_output(simulate, "the store to write, {shard}.nc")
    _add_workers(simulate)
    simulate.add_argument(
        "--worker-jobs", type=int, default=0, metavar="N", help="Slurm jobs like this one that help"
    )
    _add_gpu(simulate)

    render = command("render", "draw microscopes and image the exit waves: one epoch")
    _add_spec(render)
    _add_output(render, "the epoch to write, {epoch}.nc")
    _add_workers(render)
    render.add_argument("stores", type=Path, nargs="+", help="all exit-wave stores of a data set")

    train = command("train", "train a network on pre-generated epochs")
    _add_spec(train)
    train.add_argument("--training", type=Path, nargs="+", required=True, metavar="EPOCH")
    train.add_argument("--validation", type=Path, nargs="+", required=True, metavar="EPOCH")
    _add_output(train, "folder of the network")
    _add_gpu(train)

    evaluate = command("evaluate", "hold a network's exit waves against the truth")
    _add_spec(evaluate)
    evaluate.add_argument("--network", type=Path, required=True, help="folder of the network")
    _add_output(evaluate, "folder of the evaluation")
    evaluate.add_argument("epochs", type=Path, nargs="+", help="validation epochs")

    ensemble = command("ensemble", "do networks disagree where they err?")
    _add_spec(ensemble)
    ensemble.add_argument("--networks", type=Path, nargs="+", required=True, metavar="FOLDER")
    _add_output(ensemble, "folder of the ensemble")
    ensemble.add_argument("epochs", type=Path, nargs="+", help="validation epochs")

    compare = command("compare", "hold a network against classical reconstruction")
    _add_spec(compare)
    compare.add_argument("--network", type=Path, required=True, help="folder of the network")
    _add_output(compare, "folder of the comparison")
    _add_workers(compare)
    compare.add_argument("epochs", type=Path, nargs="+", help="validation epochs of long series")

    convergence = command("convergence", "compare multislice settings: error and time of each")
    _add_spec(convergence)
    _add_output(convergence, "folder of the study")
    _add_workers(convergence)
    _add_gpu(convergence)

    plot = command("plot", "draw the figures of any result")
    plot.add_argument(
        "kind", choices=("dataset", "network", "evaluation", "comparison", "convergence")
    )
    plot.add_argument(
        "paths",
        type=Path,
        nargs="+",
        help="epochs of a data set, or the folder of a network, an evaluation (of several for a "
        "comparison) or a study of convergence",
    )
    plot.add_argument("--labels", nargs="+", help="names in the legend of a comparison")
    _add_output(plot, "folder of the figures")

    figure = command("figure", "draw a figure that a configuration asks for by name")
    _add_spec(figure)
    _add_output(figure, "folder of the figure")
    figure.add_argument("sources", type=Path, nargs="+", help="folders of what it shows, in order")

    report = command("report", "explain all results of a configuration in one HTML file")
    _add_spec(report)
    _add_results(report)
    _add_output(report, "the HTML file")

    card = command("card", "write the card of a data set: what it is and how to load it")
    _add_spec(card)
    card.add_argument("--dataset", required=True, metavar="NAME", help="in the configuration")
    _add_results(card)
    _add_output(card, "the card, README.md in the folder of the data set")
    card.add_argument("epochs", type=Path, nargs="+", help="all epochs of the data set")

    plan = command("plan", "say before a run what it will do, why, and what that costs")
    plan.add_argument("--configfile", type=Path, nargs="+", default=[Path("config/demo.yaml")])
    plan.add_argument("--results", type=Path, default=Path("results"), help="folder of the run")
    plan.add_argument("--json", action="store_true", help="for machines")

    crate = command("crate", "describe a finished run as an RO-Crate")
    crate.add_argument(
        "--configuration", required=True, metavar="JSON", type=_text, help="of the run"
    )
    crate.add_argument("--checkout", type=Path, default=Path(), help="folder of the Snakefile")
    _add_output(crate, "ro-crate-metadata.json in the folder of the results")

    check = command("check", "say whether stores are complete and agree with their checksums")
    check.add_argument("files", type=Path, nargs="+")

    digest = command("digest", "print a digest of the content of stores, whatever the order")
    digest.add_argument("files", type=Path, nargs="+")

    provenance = command("provenance", "say how a result was made, and what makes it again")
    provenance.add_argument(
        "files", type=Path, nargs="+", metavar="FILE", help="a store, or the folder of a result"
    )

    status = command("status", "say how far a run is, from the files of its results")
    _add_results(status)
    _add_configfile(status)
    status.add_argument("--watch", type=float, metavar="SECONDS", help="again after so many")

    efficiency = command("efficiency", "what jobs asked for, what they used, and what would do")
    _add_results(efficiency)

    doctor = command("doctor", "say whether this machine, its cluster and its disk are fit")
    doctor.add_argument("--profile", default="", help="name or folder of the profile to be used")
    _add_configfile(doctor)
    _add_results(doctor)

    spec = command("spec", "print the specs of all stages of a configuration")
    spec.add_argument("configs", type=Path, nargs="+", help="YAML files, the later over the first")
    return parser


def _add_spec(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--spec", required=True, metavar="JSON", type=_text, help="what determines the result"
    )


def _text(given: str) -> str:
    """Take a JSON text, or the text of @FILE."""
    from exitwave.workflow.handover import argument_text

    try:
        return argument_text(given)
    except ExitwaveError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_output(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--output", type=Path, required=True, help=text)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of all results"
    )


def _add_configfile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="what is to be made, as snakemake's"
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )


def _add_gpu(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpu", type=int, default=0, help="1: compute on a GPU, and fail where there is none"
    )


def _catalog(options: argparse.Namespace) -> None:
    from exitwave.stages.catalog import build_catalog

    build_catalog(options.spec, options.output)


def _simulate(options: argparse.Namespace) -> None:
    from exitwave.stages.simulate import simulate_exit_waves

    simulate_exit_waves(
        options.spec,
        options.manifest,
        options.output,
        options.workers,
        "gpu" if options.gpu else "cpu",
        options.worker_jobs,
    )


def _render(options: argparse.Namespace) -> None:
    from exitwave.stages.render import render_epoch

    render_epoch(options.spec, options.stores, options.output, options.workers)


def _train(options: argparse.Namespace) -> None:
    from exitwave.stages.train import train_network

    train_network(
        options.spec,
        options.training,
        options.validation,
        options.output,
        require_gpu=bool(options.gpu),
    )


def _evaluate(options: argparse.Namespace) -> None:
    from exitwave.stages.evaluate import evaluate_network

    evaluate_network(options.spec, options.network, options.epochs, options.output)


def _ensemble(options: argparse.Namespace) -> None:
    from exitwave.stages.ensemble import judge_ensemble

    judge_ensemble(options.spec, options.networks, options.epochs, options.output)


def _compare(options: argparse.Namespace) -> None:
    from exitwave.stages.compare import compare_reconstructions

    compare_reconstructions(
        options.spec, options.network, options.epochs, options.output, options.workers
    )


def _convergence(options: argparse.Namespace) -> None:
    from exitwave.stages.convergence import measure_convergence

    measure_convergence(
        options.spec, options.output, options.workers, "gpu" if options.gpu else "cpu"
    )


def _plot(options: argparse.Namespace) -> None:
    from exitwave.figures import evaluations as plots

    if options.kind == "dataset":
        plots.plot_dataset(options.paths, options.output)
    elif options.kind == "comparison":
        labels = options.labels or [str(path) for path in options.paths]
        if len(labels) != len(options.paths):
            raise ExitwaveError(
                f"--labels names {len(labels)} of {len(options.paths)} evaluations; name each."
            )
        plots.plot_comparison(dict(zip(labels, options.paths, strict=True)), options.output)
    else:
        draw = {
            "network": plots.plot_history,
            "evaluation": plots.plot_evaluation,
            "convergence": plots.plot_convergence,
        }[options.kind]
        for path in options.paths:
            draw(path, options.output)


def _figure(options: argparse.Namespace) -> None:
    from exitwave.stages.figure import draw_figure

    draw_figure(options.spec, options.sources, options.output)


def _report(options: argparse.Namespace) -> None:
    from exitwave.stages.report import report_results

    report_results(options.spec, options.results, options.output)


def _card(options: argparse.Namespace) -> None:
    from exitwave.stages.card import write_card

    write_card(options.spec, options.dataset, options.results, options.epochs, options.output)


def _plan(options: argparse.Namespace) -> None:
    from exitwave.config import load_config
    from exitwave.runs.plan import as_json, plan, plan_table

    steps = plan(load_config(*options.configfile), options.results)
    print(as_json(steps) if options.json else plan_table(steps))  # noqa: T201


def _crate(options: argparse.Namespace) -> None:
    from exitwave.stages.crate import write_crate

    write_crate(options.configuration, options.output, options.checkout)


def _check(options: argparse.Namespace) -> None:
    from exitwave.files.store import check_store

    damaged = []
    for path in options.files:
        try:
            schema = check_store(path)
        except ExitwaveError as error:
            damaged.append(str(error))
        else:
            print(f"{path}: complete, {schema.kind}")  # noqa: T201
    if damaged:
        raise ExitwaveError(" ".join(damaged))


def _digest(options: argparse.Namespace) -> None:
    from exitwave.files.store import content_digest

    for path in options.files:
        print(f"{content_digest(path)}  {path}")  # noqa: T201


def _provenance(options: argparse.Namespace) -> None:
    from exitwave.provenance.remake import description

    print("\n\n".join(description(path) for path in options.files))  # noqa: T201


def _status(options: argparse.Namespace) -> None:
    from exitwave.runs.status import watch_status

    watch_status(options.results, options.configfile, options.watch)


def _efficiency(options: argparse.Namespace) -> None:
    from exitwave.runs.efficiency import efficiency_text

    print(efficiency_text(options.results))  # noqa: T201


def _doctor(options: argparse.Namespace) -> int:
    from exitwave.doctor.examine import examine

    return examine(options.profile, options.configfile, options.results)


def _spec(options: argparse.Namespace) -> None:
    from exitwave.config import load_config
    from exitwave.workflow import specs

    for name, spec in specs.all_specs(load_config(*options.configs)).items():
        print(f"{name}\t{spec}")  # noqa: T201
