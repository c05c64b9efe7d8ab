"""Commands that people call: each says something about configurations, files or a run."""

from __future__ import annotations

from exitwave.cli.command import Command
from exitwave.cli.tools import (
    check,
    digest,
    doctor,
    efficiency,
    export,
    materials,
    plan,
    provenance,
    reconstruct,
    spec,
    status,
)

COMMANDS: tuple[Command, ...] = (
    plan,
    status,
    efficiency,
    doctor,
    spec,
    check,
    digest,
    export,
    materials,
    provenance,
    reconstruct,
)
"""In the order of the help."""
