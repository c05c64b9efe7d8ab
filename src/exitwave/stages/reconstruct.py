"""From a microscope's focal series to its exit wave, by networks that were trained for it.

>>> found = reconstruct(["series.mrc"], ["results/networks/mos2"], "wave.nc", energy_kev=80)
>>> found.wave.shape, found.sampling_angstrom
((2048, 2048), 0.105)
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from exitwave.errors import ExitwaveError
from exitwave.imaging.microscope import ANGSTROM_PER_MICROMETRE
from exitwave.networks.calibration import Calibration, require_calibration
from exitwave.networks.tiles import TILE_PX, predict_in_tiles
from exitwave.networks.trained import (
    Network,
    load_network,
    read_domain,
    read_settings,
)
from exitwave.provenance import attributes as provenance
from exitwave.provenance import inputs
from exitwave.reconstruction.other_formats import write_formats
from exitwave.reconstruction.reading import read_series
from exitwave.reconstruction.refinement.known import KnownOptics
from exitwave.reconstruction.refinement.measured import (
    MeasuredImages,
    MeasuredRefinement,
    refine_measured,
    summary,
)
from exitwave.reconstruction.registration import register
from exitwave.reconstruction.request import (
    Doubt,
    Prepared,
    Request,
    defocus_text,
    doubts_about,
    outside_of,
    prepare,
)
from exitwave.reconstruction.results import Fit, fit_picture, require_output, write_wave

_PRECISION = "float32"
# The paper's, of networks that do not say it [Å].
_SMEAR = 0.15

# An image that is moved by more of its side shows another part of the specimen, or the fit failed.
_FARTHEST = 0.25
_REMEDY = (
    "do not rely on the wave; take a network that was trained for such images or, where they lie "
    "on each other already, --no-align."
)
_NOT_AT_REST = f"The registration did not come to rest: {_REMEDY}"
_TOO_FAR = f"The registration moved an image by more than a quarter of its side: {_REMEDY}"


class OutsideDomainError(ExitwaveError):
    """A series that a network was not trained for; each argument is a sentence."""


@dataclass(frozen=True, kw_only=True)
class Reconstructed:
    """An exit wave and what it was made from.

    Attributes
    ----------
    wave : (y, x) array of complex64
        Relative to the incident wave; of several networks the mean.
    sampling_angstrom : float
        Side of a pixel [Å].
    images : (y, x, frame) array of float32
        What the networks were given, over the mean of the series.
    disagreement : (y, x) array of float32 or None
        Standard deviation of several networks' waves.
    notes : tuple of str
        What was found, used and done, a sentence each.
    warnings : tuple of str
        Why not to rely on the wave: in what the series lies outside of what the networks were
        trained for, a registration that did not come to rest, a doubtful gain reference.
    refined : MeasuredRefinement or None
        Aberrations, residuals and the verdict of a refinement.
    """

    wave: NDArray[np.complex64]
    sampling_angstrom: float
    images: NDArray[np.float32]
    disagreement: NDArray[np.float32] | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    refined: MeasuredRefinement | None = None


def reconstruct(
    series: str | Path | Sequence[str | Path],
    networks: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    pixel_angstrom: float | None = None,
    energy_kev: float | None = None,
    defocus_angstrom: Sequence[float] | None = None,
    defocus_step_angstrom: float | None = None,
    frames: Sequence[int] | None = None,
    frames_per_image: int = 1,
    dark_level: float | None = None,
    dark_reference: str | Path | None = None,
    gain_reference: str | Path | None = None,
    dose_per_square_angstrom: float | None = None,
    align: bool = True,
    force: bool = False,
    tile_px: int = TILE_PX,
    formats: Sequence[str] = (),
    refine: bool = False,
    known: KnownOptics | None = None,
) -> Reconstructed:
    """Reconstruct the exit wave of a focal series, and write it as NetCDF with a picture beside it.

    Parameters
    ----------
    series : path, or sequence of path
        One file with all frames, or several in the order of the frames; see
        `exitwave.reconstruction.reading`.
    networks : path, or sequence of path
        Folders of trained networks, or exports of them to ONNX; of several, the mean of their waves
        is the result, and their disagreement says where not to trust it.
    output : path
        The NetCDF file, ending in .nc.
    pixel_angstrom, energy_kev : float, optional
        In place of what the files say: side of a pixel [Å] and energy of the electrons [keV].
    defocus_angstrom : sequence of float, optional
        Of each image [Å]; positive is underfocus.
    defocus_step_angstrom : float, optional
        From an image to the next [Å], where no more is known.
    frames : sequence of int, optional
        Numbers of the frames that are used, the first being 0; by default all.
    frames_per_image : int
        So many frames that follow each other are one image.
    dark_level : float, optional
        Value of a pixel of a frame without electrons, in the numbers that the file stores; it takes
        the place of the zero that DigitalMicrograph files give.
    dark_reference : path, optional
        The same as an image, instead; see `exitwave.reconstruction.camera.read_camera`.
    gain_reference : path, optional
        Image that frames are multiplied by once the dark level is taken off; pixels without gain
        get the median of their neighbours.
    dose_per_square_angstrom : float, optional
        Electrons of each image, in place of what the files say.
    align : bool
        Register the images, see `exitwave.reconstruction.registration`; that needs their defoci.
    force : bool
        Go on where a network was not trained for the series.
    tile_px : int
        Longest side of a tile, see `exitwave.networks.tiles`.
    formats : sequence of str
        Formats in which the wave is written, too: ``hspy``, ``zspy``, ``tiff``.
    refine : bool
        Fit aberrations and wave to the images, see `exitwave.reconstruction.refinement`; that needs
        one network with a calibration, and the dose.
    known : KnownOptics, optional
        What the refinement need not fit.

    Raises
    ------
    OutsideDomainError
        Where a network was not trained for the series.
    ExitwaveError
        Where a file cannot be read or written, or something is not known that has to be.
    """
    request = Request(
        pixel_angstrom=pixel_angstrom,
        energy_kev=energy_kev,
        defocus_angstrom=(
            None if defocus_angstrom is None else tuple(float(each) for each in defocus_angstrom)
        ),
        defocus_step_angstrom=defocus_step_angstrom,
        frames=None if frames is None else tuple(operator.index(each) for each in frames),
        frames_per_image=operator.index(frames_per_image),
        dose_per_square_angstrom=dose_per_square_angstrom,
        dark_level=dark_level,
        dark_reference=None if dark_reference is None else str(dark_reference),
        gain_reference=None if gain_reference is None else str(gain_reference),
    )
    output, paths = Path(output), _paths(series)
    formats = [formats] if isinstance(formats, str) else formats
    require_output(output, formats, [*paths, *request.references.values()])
    folders = _paths(networks)
    _require_networks(folders)
    calibration = _calibration(folders, refine)
    taken = {read_settings(folder).images for folder in folders}
    if len(taken) > 1:
        raise ExitwaveError(
            f"The networks take series of {', '.join(map(str, sorted(taken)))} images; give "
            "networks that take the same number."
        )
    measured = read_series(paths)
    domains = [(str(folder), read_domain(folder)) for folder in folders]
    prepared = prepare(measured, request, taken.pop(), domains[0][1])
    outside = outside_of(domains, prepared.conditions)
    if outside and not force:
        raise OutsideDomainError(*outside)
    notes = [*measured.notes, *prepared.notes]
    warnings = [Doubt("Outside of what the network was trained for", each) for each in outside]
    warnings += prepared.doubts
    images = prepared.images
    # In 16 bits the wave would depend on the tiles.
    loaded = [load_network(folder, precision=_PRECISION) for folder in folders]
    if align and prepared.defocus is not None and images.shape[-1] > 1:
        registered = _registered(loaded[0], prepared, tile_px, force)
        images, prepared = registered.images, replace(prepared, titles=registered.titles)
        notes += registered.notes
        warnings += registered.warnings
    waves = [
        predict_in_tiles(network, images, prepared.pixel, tile_px, f"wave of {network.name}", force)
        for network in loaded
    ]
    wave = np.asarray(np.mean(waves, axis=0), dtype=np.complex64)
    refined = None
    if calibration is not None:
        refined = _refined(loaded[0], replace(prepared, images=images), calibration, known, tile_px)
        wave, images = refined.refinement.wave, refined.images
        foci = refined.refinement.microscope.defocus
        prepared = replace(prepared, titles=_fitted_titles(foci))
        notes += [*refined.notes, refined.verdict.sentence]
        warnings += [Doubt("The refinement is doubtful", each) for each in refined.doubts]
        if not refined.verdict.is_consistent:
            warnings.append(Doubt("Not to be believed", refined.verdict.sentence))
            notes.pop()
    images = images / np.float32(images.mean(dtype=np.float64))
    disagreement = None
    if len(waves) > 1:
        square = sum(np.abs(each - wave) ** 2 for each in waves)
        disagreement = np.asarray(np.sqrt(square / (len(waves) - 1)), dtype=np.float32)
    found = Reconstructed(
        wave=wave,
        sampling_angstrom=prepared.pixel,
        images=images,
        disagreement=disagreement,
        notes=tuple(notes),
        warnings=tuple(warning.sentence for warning in warnings),
        refined=refined,
    )
    settings = {**vars(request), "align": align, "force": force, "tile_px": tile_px}
    if refine:
        settings |= {"refine": True, "known": vars(known or KnownOptics())}
    made_from = inputs.of_networks(folders)
    made_from["series"] = [inputs.of_file(path) for path in paths]
    made_from |= {name: [inputs.of_file(path)] for name, path in request.references.items()}
    attributes = {
        **provenance.attributes("", made_from),
        "settings": json.dumps(settings),
        "notes": "\n".join(found.notes),
        "warnings": "\n".join(found.warnings),
    }
    if refined is not None:
        attributes["refinement"] = json.dumps(summary(refined))
    heading = ". ".join(dict.fromkeys(warning.heading for warning in warnings))
    _write(found, output, formats, prepared, attributes, heading)
    return found


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return paths of which there may be one."""
    return [Path(given)] if isinstance(given, (str, Path)) else [Path(path) for path in given]


def _require_networks(folders: Sequence[Path]) -> None:
    if not folders:
        raise ExitwaveError("No network was named; give the folder of one that was trained.")
    for place, folder in enumerate(folders):
        if folder.resolve() in {other.resolve() for other in folders[:place]}:
            raise ExitwaveError(
                f"The network {folder} is named twice, and would agree with itself; name each once."
            )


def _calibration(folders: Sequence[Path], refine: bool) -> Calibration | None:
    """Return what a refinement needs to know of the network."""
    if not refine:
        return None
    if len(folders) > 1:
        raise ExitwaveError(
            f"A refinement begins with one network's wave, but {len(folders)} were named; name one."
        )
    calibration = require_calibration(folders[0])
    if calibration.scale_log_mean is None:
        raise ExitwaveError(
            f"The network {folders[0]} takes one image, which cannot give both a wave and a "
            "microscope; take a network of more images for --refine."
        )
    return calibration


def _refined(
    network: Network,
    prepared: Prepared,
    calibration: Calibration,
    known: KnownOptics | None,
    tile_px: int,
) -> MeasuredRefinement:
    dose = prepared.conditions.dose_per_square_angstrom
    if dose is None:
        raise ExitwaveError(
            "--refine weighs the images by their noise, but the files do not say how many "
            "electrons they hold; give --dose-per-square-angstrom."
        )

    def predict(part: NDArray[np.float32]) -> NDArray[np.complex64]:
        return predict_in_tiles(network, part, prepared.pixel, tile_px, "refining", any_pixel=True)

    series = MeasuredImages(
        images=prepared.images,
        pixel=prepared.pixel,
        energy=prepared.energy,
        defocus=prepared.defocus,
        is_absolute=prepared.conditions.defocus_angstrom is not None,
        dose=dose[0],
    )
    return refine_measured(series, predict, calibration, known or KnownOptics())


class _Registration(NamedTuple):
    images: NDArray[np.float32]
    titles: tuple[str, ...]
    notes: list[str]
    warnings: list[Doubt]


def _registered(
    network: Network, prepared: Prepared, tile_px: int, any_pixel: bool
) -> _Registration:
    assert prepared.defocus is not None
    smear = network.domain.target_smear_angstrom if network.domain is not None else None

    def predict(part: NDArray[np.float32]) -> NDArray[np.complex64]:
        return predict_in_tiles(network, part, prepared.pixel, tile_px, "registering", any_pixel)

    found = register(
        prepared.images,
        predict,
        prepared.pixel,
        prepared.energy,
        prepared.defocus,
        _SMEAR if smear is None else smear[0],
    )
    optics = found.optics
    shifts = ", ".join(f"({y:+.2f}, {x:+.2f})" for y, x in optics.shifts / prepared.pixel)
    microscope = optics.microscope
    notes = [f"The images were registered: they were moved back by (y, x) {shifts} px."]
    notes.append(
        "Fitted with that: defocus "
        f"{', '.join(f'{each:.1f}' for each in microscope.defocus)} Å, Cs "
        f"{microscope.spherical_aberration / ANGSTROM_PER_MICROMETRE:.2f} µm, C12 "
        f"{microscope.astigmatism:.1f} Å at {np.degrees(microscope.astigmatism_angle):.0f}°, C21 "
        f"{microscope.coma:.0f} Å at {np.degrees(microscope.coma_angle):.0f}°; computed and "
        f"measured images differ by {100 * np.sqrt(optics.misfit):.0f} % of their contrast."
    )
    warnings = doubts_about(microscope, network.name, network.domain)
    farthest = float(np.max(np.abs(optics.shifts))) / (prepared.pixel * min(found.images.shape[:2]))
    if not found.at_rest:
        warnings.append(Doubt("The registration did not come to rest", _NOT_AT_REST))
    elif farthest > _FARTHEST:
        warnings.append(Doubt("The registration moved images too far", _TOO_FAR))
    return _Registration(found.images, _fitted_titles(microscope.defocus), notes, warnings)


def _fitted_titles(foci: Sequence[float]) -> tuple[str, ...]:
    return tuple(
        f"Image {place}: Δf = {defocus_text(focus)}, fitted"
        for place, focus in enumerate(foci, start=1)
    )


def _write(
    found: Reconstructed,
    output: Path,
    formats: Sequence[str],
    prepared: Prepared,
    attributes: Mapping[str, str],
    heading: str,
) -> None:
    from exitwave.figures.fit import plot_fit
    from exitwave.figures.reconstruction import plot_reconstruction
    from exitwave.figures.style import drawing

    wave, sampling = found.wave, found.sampling_angstrom
    fit = None
    if (refined := found.refined) is not None:
        of = refined.refinement
        fit = Fit(
            measured=of.measured,
            computed=of.computed,
            residual=of.residual,
            pixel=of.pixel,
            network_wave=refined.network_wave,
        )
    write_wave(output, wave, sampling, found.images, attributes, found.disagreement, fit)
    write_formats(formats, output, wave, sampling, prepared.energy, attributes)
    with drawing():
        plot_reconstruction(
            wave,
            found.images,
            prepared.titles,
            sampling,
            output.with_suffix(""),
            heading,
            found.disagreement,
        )
        if fit is not None and refined is not None:
            plot_fit(
                fit.measured,
                fit.computed,
                fit.residual,
                prepared.titles,
                fit.pixel,
                refined.verdict.sentence,
                fit_picture(output),
            )
