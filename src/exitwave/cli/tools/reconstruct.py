"""``exitwave reconstruct``: the exit wave of a focal series from a microscope."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HELP = "reconstruct the exit wave of a focal series from a microscope"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "series", type=Path, nargs="+", help="one file with all frames, or several in their order"
    )
    parser.add_argument(
        "--network",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="trained networks; where several disagree, do not trust the wave",
    )
    # Not `add_output`: no other command makes the same file, so it needs no lock nor progress file.
    parser.add_argument(
        "--output", dest="file", type=Path, required=True, help="the wave, a .nc file"
    )
    for name, text in (
        ("pixel-angstrom", "side of a pixel, in place of what the files say"),
        ("energy-kev", "energy of the electrons, in place of what the files say"),
        ("defocus-step-angstrom", "from an image to the next; positive is towards underfocus"),
    ):
        parser.add_argument(f"--{name}", type=float, metavar="NUMBER", help=text)
    parser.add_argument(
        "--defocus-angstrom",
        type=float,
        nargs="+",
        metavar="NUMBER",
        help="of each image; positive is underfocus",
    )
    parser.add_argument(
        "--frames", type=int, nargs="+", metavar="N", help="frames to use, the first being 0"
    )
    parser.add_argument(
        "--frames-per-image", type=int, default=1, metavar="N", help="frames that are summed"
    )
    parser.add_argument(
        "--dark-level", type=float, default=0.0, metavar="NUMBER", help="of the camera"
    )
    parser.add_argument(
        "--no-align", action="store_true", help="take the images as they lie, without registering"
    )
    parser.add_argument(
        "--force", action="store_true", help="go on where a network was not trained for the series"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 where a network was not trained for the series."""
    from exitwave.stages.reconstruct import OutsideDomainError, reconstruct

    try:
        found = reconstruct(
            options.series,
            options.network,
            options.file,
            pixel_angstrom=options.pixel_angstrom,
            energy_kev=options.energy_kev,
            defocus_angstrom=options.defocus_angstrom,
            defocus_step_angstrom=options.defocus_step_angstrom,
            frames=options.frames,
            frames_per_image=options.frames_per_image,
            dark_level=options.dark_level,
            align=not options.no_align,
            force=options.force,
        )
    except OutsideDomainError as error:
        for sentence in error.args:
            print(f"exitwave: {sentence}", file=sys.stderr)
        print(
            "exitwave: take a network that was trained for such series, or go on with --force.",
            file=sys.stderr,
        )
        return 1
    for sentence in (*found.notes, *found.warnings):
        print(sentence)
    height, width = found.wave.shape
    print(
        f"{options.file}: wave of {height} x {width} px of {found.sampling_angstrom:.4g} Å, and "
        f"{options.file.with_suffix('.png').name}."
    )
    return 0
