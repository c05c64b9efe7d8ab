"""The command line: one file for each command, its parser and its handler together.

``stages/`` holds the commands that Snakemake's rules call, ``tools/`` those for people. Commands
import their modules when they run, since TensorFlow and abTEM take seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence

from exitwave import __version__
from exitwave.cli import stages, tools
from exitwave.cli.command import Command
from exitwave.cli.settings import isolate_user_settings
from exitwave.errors import ExitwaveError
from exitwave.tasks.memory import keep_freed_memory

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
  exitwave check results/monolayers/exit_waves/*.nc   are these files whole and as they should be?
  exitwave doctor --profile slurm            is everything that a run needs here?
  exitwave status                            how far is the run?
  exitwave efficiency                        did its jobs ask for too much, or too little?
  exitwave provenance results/networks/*     how were they made, and what makes them again?
  exitwave export results/monolayers --to numpy --output arrays    the data for other programs
  exitwave export results/networks/mine --to onnx --output mine_onnx   a network for them
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    0, or 2 after a sentence on what is wrong; `exitwave doctor` that finds problems returns 1.
    """
    keep_freed_memory()
    isolate_user_settings()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("exitwave").setLevel(logging.INFO)
    try:
        options = _parser().parse_args(arguments)
        with _only_writer(options), _progress(options):
            status: int | None = options.run(options)
    except ExitwaveError as error:
        print(f"exitwave: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("exitwave: interrupted; finished samples are kept.", file=sys.stderr)
        return 130
    return status or 0


def _only_writer(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Return the lock of what the command makes; commands that only look at files need none."""
    if not hasattr(options, "output"):
        return contextlib.nullcontext()
    from exitwave.files.lock import one_writer

    return one_writer(options.output)


def _progress(options: argparse.Namespace) -> contextlib.AbstractContextManager[object]:
    """Return the progress of a job; it says also how the job fails, and begins before its imports.

    Its file lies in the folder of the results. Made by hand anywhere else, a result has none.
    """
    if not hasattr(options, "output"):
        return contextlib.nullcontext()
    from exitwave.tasks.progress import Progress
    from exitwave.workflow.layout import progress_of

    path = progress_of(options.command, options.output)
    return Progress() if path is None else Progress(path, options.command, path.stem)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="exitwave",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"exitwave {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for command in (*stages.COMMANDS, *tools.COMMANDS):
        added = commands.add_parser(name(command), help=command.HELP, description=command.HELP)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser


def name(command: Command) -> str:
    """Return the name of a command, which is its file's."""
    return command.__name__.rpartition(".")[2]
