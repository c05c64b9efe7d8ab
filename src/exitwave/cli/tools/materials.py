"""``exitwave materials``: which materials a source has."""

from __future__ import annotations

import argparse

HELP = "list the materials of the built-in table, or of a database or a file with structures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "source",
        nargs="?",
        default="monolayers",
        help="an ASE database, or a .cif, .xyz or POSCAR file (default: the built-in table)",
    )
    parser.add_argument(
        "--selection",
        default="",
        help="only those that an ASE selection matches, such as 'natoms<=8'",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import numpy as np

    from exitwave.config.constraints import BUILT_IN
    from exitwave.materials.material import read_materials
    from exitwave.materials.monolayers import monolayers

    known = {}
    if options.source == BUILT_IN:
        known = {entry.name: f"{entry.prototype}; {entry.source}" for entry in monolayers()}
    materials, rejected, _ = read_materials(options.source, options.selection)
    rows = [("name", "formula", "atoms", "a, b [Å]", "angle", "height [Å]", "")]
    for material in materials:
        a, b = (np.array(vector) for vector in material.cell[:2])
        lengths = np.linalg.norm(a), np.linalg.norm(b)
        angle = np.degrees(np.arccos(a @ b / np.prod(lengths)))
        rows.append(
            (
                material.label or material.identifier,
                material.formula,
                str(len(material.numbers)),
                f"{lengths[0]:.3f}, {lengths[1]:.3f}",
                f"{angle:.1f}°",
                f"{material.thickness:.2f}",
                known.get(material.label, ""),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True))
        print("  ".join((*cells, row[-1])).rstrip())
    for entry in rejected:
        print(f"rejected: row {entry.row} {entry.label or entry.formula}: {entry.reason}")
    total = f"{len(materials)} material" + ("" if len(materials) == 1 else "s")
    print(total + (f", {len(rejected)} rejected" if rejected else ""))
