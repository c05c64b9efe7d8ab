"""Commands that Snakemake's rules call: each makes one result."""

from __future__ import annotations

from exitwave.cli.command import Command
from exitwave.cli.stages import (
    calibrate,
    card,
    catalog,
    compare,
    convergence,
    crate,
    ensemble,
    evaluate,
    figure,
    plot,
    refine,
    render,
    report,
    simulate,
    train,
)

COMMANDS: tuple[Command, ...] = (
    catalog,
    simulate,
    render,
    train,
    calibrate,
    evaluate,
    refine,
    ensemble,
    compare,
    convergence,
    plot,
    figure,
    report,
    card,
    crate,
)
"""In the order of the help."""
