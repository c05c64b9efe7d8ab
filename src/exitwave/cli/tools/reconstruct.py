"""``exitwave reconstruct``: the exit wave of a focal series from a microscope."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exitwave.reconstruction.refinement.known import KnownOptics
    from exitwave.stages.classical import ClassicalReconstruction
    from exitwave.stages.reconstruct import Reconstructed

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
        metavar="NETWORK",
        help="folders of trained networks, or files model.onnx of `exitwave export`; where several "
        "disagree, do not trust the wave",
    )
    parser.add_argument(
        "--method",
        choices=("network", "classical"),
        default="network",
        help="by a network, or by a fit to many images of a microscope that is known (classical)",
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
        "--refine",
        action="store_true",
        help="fit aberrations and wave to the images, and say whether to believe the wave; what is "
        "known of the microscope can be given by the next options",
    )
    _add_optics(parser)
    _add_classical(parser)
    parser.add_argument(
        "--formats",
        # Those of `exitwave.reconstruction.other_formats`, which takes long to import.
        choices=("hspy", "zspy", "tiff"),
        nargs="+",
        default=(),
        help="write the wave in these, too: for HyperSpy, or amplitude and phase as TIFF",
    )


def _add_optics(parser: argparse.ArgumentParser) -> None:
    """Add what may be known of the microscope."""
    for name, unit, text in (
        ("cs-micrometre", "NUMBER", "Cs, in place of a fit"),
        ("focal-spread-angstrom", "NUMBER", "focal spread (1/e width), in place of a fit"),
        ("blur-angstrom", "NUMBER", "B of the envelope exp(-B² k² / 2), in place of a fit"),
    ):
        parser.add_argument(f"--{name}", type=float, metavar=unit, help=text)
    for name, text in (
        ("astigmatism", "two-fold astigmatism C12"),
        ("coma", "axial coma C21"),
        ("trefoil", "three-fold astigmatism C23"),
    ):
        parser.add_argument(
            f"--{name}-angstrom",
            type=float,
            nargs=2,
            metavar=("AMPLITUDE", "DEGREES"),
            help=f"{text} and its angle, in place of a fit",
        )
    parser.add_argument(
        "--defocus-is-exact",
        action="store_true",
        help="take the defoci as they were given, in place of a fit",
    )
    parser.add_argument(
        "--mtf-file",
        type=Path,
        metavar="FILE",
        help="the camera's modulation transfer function: frequency over Nyquist's, and value",
    )


def _add_classical(parser: argparse.ArgumentParser) -> None:
    """Add what only the classical method takes."""
    parser.add_argument(
        "--convergence-mrad",
        type=float,
        metavar="NUMBER",
        help="1/e semi-angle of the illumination; classical only",
    )
    parser.add_argument(
        "--foci",
        type=int,
        metavar="N",
        help="average intensities over so many foci of the focal spread; classical only",
    )
    parser.add_argument(
        "--fit",
        # Those of `exitwave.stages.classical`, which takes long to import.
        choices=("shift", "intensity", "defocus"),
        nargs="*",
        help="what is fitted for each frame, by default all; classical only",
    )
    parser.add_argument(
        "--defocus-error-angstrom",
        type=float,
        metavar="NUMBER",
        help="how well the defocus of a frame is known; classical only",
    )
    parser.add_argument(
        "--hold-out",
        type=int,
        metavar="N",
        help="leave so many frames out, and say how well the wave predicts them; classical only",
    )


_KNOWN = (
    "cs_micrometre",
    "focal_spread_angstrom",
    "blur_angstrom",
    "astigmatism_angstrom",
    "coma_angstrom",
    "trefoil_angstrom",
    "mtf_file",
)


_CLASSICAL = ("convergence_mrad", "foci", "fit", "defocus_error_angstrom", "hold_out")


def _require_consistent(options: argparse.Namespace) -> None:
    """Demand options that belong together.

    Raises
    ------
    ExitwaveError
        With one sentence.
    """
    from exitwave.errors import ExitwaveError

    classical = options.method == "classical"
    if classical and (options.network or options.refine or options.force):
        option = "network" if options.network else "refine" if options.refine else "force"
        raise ExitwaveError(f"--{option} is not for --method classical; leave one of them out.")
    if not classical and not options.network:
        raise ExitwaveError(
            "No network was named; give the folder of one that was trained as --network, or "
            "--method classical."
        )
    known = [name for name in _KNOWN if getattr(options, name) is not None]
    known += ["defocus_is_exact"] if options.defocus_is_exact else []
    if known and not classical and not options.refine:
        option = known[0].replace("_", "-")
        raise ExitwaveError(f"--{option} is for a refinement; give --refine, too.")
    given = [name for name in _CLASSICAL if getattr(options, name) is not None]
    if given and not classical:
        option = given[0].replace("_", "-")
        raise ExitwaveError(f"--{option} is for --method classical; give that, too.")


def _known(options: argparse.Namespace) -> KnownOptics | None:
    """Return what is known of the microscope; None where nothing is asked for."""
    from exitwave.errors import ExitwaveError
    from exitwave.reconstruction.refinement.known import KnownOptics

    if not options.refine and options.method != "classical":
        return None
    if options.defocus_is_exact and options.defocus_angstrom is None:
        raise ExitwaveError(
            "--defocus-is-exact was given without defoci; give them by --defocus-angstrom."
        )

    def pair(values: list[float] | None) -> tuple[float, float] | None:
        return None if values is None else (values[0], values[1])

    return KnownOptics(
        defocus=options.defocus_is_exact,
        spherical_aberration_micrometre=options.cs_micrometre,
        astigmatism_angstrom=pair(options.astigmatism_angstrom),
        coma_angstrom=pair(options.coma_angstrom),
        trefoil_angstrom=pair(options.trefoil_angstrom),
        focal_spread_angstrom=options.focal_spread_angstrom,
        blur_angstrom=options.blur_angstrom,
        mtf_file=None if options.mtf_file is None else str(options.mtf_file),
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; 1 where a network was not trained for the series."""
    _require_consistent(options)
    if options.method == "classical":
        return _run_classically(options)
    from exitwave.stages.reconstruct import OutsideDomainError, reconstruct

    try:
        found = reconstruct(
            options.series,
            options.network,
            options.file,
            **_about_series(options),
            align=not options.no_align,
            force=options.force,
            formats=options.formats,
            refine=options.refine,
            known=_known(options),
        )
    except OutsideDomainError as error:
        for sentence in error.args:
            print(f"exitwave: {sentence}", file=sys.stderr)
        print(
            "exitwave: take a network that was trained for such series, or go on with --force.",
            file=sys.stderr,
        )
        return 1
    pictures = [options.file.with_suffix(".png").name]
    pictures += [f"{options.file.stem}_fit.png"] if options.refine else []
    _tell(options.file, found, pictures)
    return 0


def _run_classically(options: argparse.Namespace) -> int:
    from exitwave.stages.classical import reconstruct_classically

    given = {name: value for name in _CLASSICAL if (value := getattr(options, name)) is not None}
    found = reconstruct_classically(
        options.series,
        options.file,
        **_about_series(options),
        known=_known(options),
        align=not options.no_align,
        formats=options.formats,
        **given,
    )
    _tell(options.file, found, [options.file.with_suffix(".png").name])
    return 0


_ABOUT_SERIES = (
    "pixel_angstrom",
    "energy_kev",
    "defocus_angstrom",
    "defocus_step_angstrom",
    "frames",
    "frames_per_image",
    "dark_level",
    "dark_reference",
    "gain_reference",
    "dose_per_square_angstrom",
)


def _about_series(options: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(options, name) for name in _ABOUT_SERIES}


def _tell(
    file: Path, found: Reconstructed | ClassicalReconstruction, pictures: Sequence[str]
) -> None:
    for sentence in found.notes:
        print(sentence)
    for sentence in found.warnings:
        print(f"Warning: {sentence}")
    height, width = found.wave.shape
    print(
        f"{file}: wave of {height} x {width} px of {found.sampling_angstrom:.4g} Å, and "
        f"{' and '.join(pictures)}."
    )
