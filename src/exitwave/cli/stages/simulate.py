"""``exitwave simulate``: the exit waves of one shard."""

from __future__ import annotations

import argparse
from pathlib import Path

from exitwave.cli.options import add_gpu, add_output, add_spec, add_workers, device

HELP = "compute the exit waves of one shard over Dask workers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_spec(parser)
    parser.add_argument("--manifest", type=Path, required=True, help="the shard's manifest")
    add_output(parser, "the store to write, {shard}.nc")
    add_workers(parser)
    parser.add_argument(
        "--worker-jobs", type=int, default=0, metavar="N", help="Slurm jobs like this one that help"
    )
    add_gpu(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from exitwave.tasks.forkserver import begin_imports

    begin_imports("exitwave.stages.simulate", options.workers)
    from exitwave.stages.simulate import simulate_exit_waves

    simulate_exit_waves(
        options.spec,
        options.manifest,
        options.output,
        options.workers,
        device(options),
        options.worker_jobs,
    )
