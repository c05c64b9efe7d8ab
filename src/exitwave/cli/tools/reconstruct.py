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
        metavar="NETWORK",
        help="folders of trained networks, or files model.onnx of `exitwave export`; where several "
        "disagree, do not trust the wave",
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
    dark = parser.add_mutually_exclusive_group()
    dark.add_argument(
        "--dark-level",
        type=float,
        metavar="NUMBER",
        help="number that the file stores where a frame has no electrons",
    )
    dark.add_argument(
        "--dark-reference",
        type=Path,
        metavar="FILE",
        help="the same as an image, which is taken off each frame",
    )
    parser.add_argument(
        "--gain-reference",
        type=Path,
        metavar="FILE",
        help="image of the camera's gain, about 1, which frames are multiplied by",
    )
    parser.add_argument(
        "--dose-per-square-angstrom",
        type=float,
        metavar="NUMBER",
        help="electrons of each image, in place of what the files say",
    )
    parser.add_argument(
        "--no-align", action="store_true", help="take the images as they lie, without registering"
    )
    parser.add_argument(
        "--force", action="store_true", help="go on where a network was not trained for the series"
    )
    parser.add_argument(
        "--formats",
        # Those of `exitwave.reconstruction.other_formats`, which takes long to import.
        choices=("hspy", "zspy", "tiff"),
        nargs="+",
        default=(),
        help="write the wave in these, too: for HyperSpy, or amplitude and phase as TIFF",
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
            dark_reference=options.dark_reference,
            dose_per_square_angstrom=options.dose_per_square_angstrom,
            gain_reference=options.gain_reference,
            align=not options.no_align,
            force=options.force,
            formats=options.formats,
        )
    except OutsideDomainError as error:
        for sentence in error.args:
            print(f"exitwave: {sentence}", file=sys.stderr)
        print(
            "exitwave: take a network that was trained for such series, or go on with --force.",
            file=sys.stderr,
        )
        return 1
    for sentence in found.notes:
        print(sentence)
    for sentence in found.warnings:
        print(f"Warning: {sentence}")
    height, width = found.wave.shape
    print(
        f"{options.file}: wave of {height} x {width} px of {found.sampling_angstrom:.4g} Å, and "
        f"{options.file.with_suffix('.png').name}."
    )
    return 0
