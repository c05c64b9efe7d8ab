"""What a refinement finds of series that a network knows, and of others, and what it costs.

Refines focal series of validation epochs, of which all aberrations are taken as unknown and dose
and camera as known. The floor is the same with all aberrations known. Epochs that the network was
not trained for can be judged by its calibration: the pixel or the energy given can be a wrong one.

    python benchmarks/refinement.py NETWORK VALIDATION.nc ... --series 200
    python benchmarks/refinement.py NETWORK --unknown OTHERS.nc ... --series 20
    python benchmarks/refinement.py NETWORK --unknown MOS2_80_KEV.nc --told-energy-kev 50

NETWORK is the folder of a network with a calibration.json. Prints Markdown.
"""

import argparse
import os
import resource
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from page import machine

from exitwave.config import Microscope
from exitwave.imaging.microscope import MicroscopeDraw
from exitwave.networks.calibration import Calibration, require_calibration
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import Network, load_network
from exitwave.reconstruction.refinement.optics import Beliefs, Unknowns, assumed_microscope
from exitwave.reconstruction.refinement.refine import refine
from exitwave.reconstruction.refinement.verdict import verdict
from exitwave.samples import EpochSample
from exitwave.scoring.metrics import wave_error
from exitwave.scoring.validation_samples import validation_samples

DOSES = ((0, np.inf), (10**3.5, np.inf), (0, 10**3.5), (1e4, np.inf))


@dataclass
class Row:
    """One series: errors of its waves, and how far the parameters are off."""

    formula: str
    dose: float
    network: float
    refined: float
    floor: float
    relative_error: float
    network_relative_error: float
    defocus: float
    cs: float
    astigmatism: float
    coma: tuple[float, float]
    true_coma: float
    scale: float
    believed: bool
    seconds: float

    @property
    def is_found(self) -> bool:
        return self.defocus < 3 and self.cs < 5e3 and self.astigmatism < 2


def measured(
    sample: EpochSample,
    network: Network,
    calibration: Calibration,
    limits: Microscope,
    told: argparse.Namespace,
) -> Row:
    draw = MicroscopeDraw.of(sample.microscope, sample.sampling, limits)
    sampling = told.told_pixel_angstrom or sample.sampling
    energy = told.told_energy_kev or draw.energy_kev
    wave = predict_in_tiles(network, sample.image, sample.sampling, any_pixel=True)
    trained = calibration.limits or limits
    images = sample.image.shape[2]
    assumed, beliefs = assumed_microscope(trained, energy, images, draw.dose, sampling)
    assumed = replace(assumed, mtf_c1=draw.mtf_c1, mtf_c2=draw.mtf_c2, mtf_c3=draw.mtf_c3)
    smear = calibration.smear_angstrom or 0.0
    power = calibration.error_power
    start = time.perf_counter()
    found = refine(sample.image, wave, sampling, assumed, beliefs, power, smear)
    seconds = time.perf_counter() - start
    floor = refine(sample.image, wave, sample.sampling, draw, Beliefs(), power, smear)
    unknowns = Unknowns(images)
    off = unknowns.vector(found.microscope) - unknowns.vector(draw)
    common = off[unknowns.common]
    before, after, known = (
        wave_error(each, sample.wave) for each in (wave, found.wave, floor.wave)
    )
    return Row(
        formula=sample.identity.formula,
        dose=draw.dose,
        network=before.rmse,
        refined=after.rmse,
        floor=known.rmse,
        relative_error=after.relative_error,
        network_relative_error=before.relative_error,
        defocus=float(np.abs(off[unknowns.defocus]).max()),
        cs=abs(float(common[2])),
        astigmatism=float(np.hypot(common[0], common[1])),
        coma=(float(common[3]), float(common[4])),
        true_coma=draw.coma,
        scale=found.scale,
        believed=verdict(found, calibration).is_consistent,
        seconds=seconds,
    )


def known_table(rows: list[Row]) -> None:
    print(
        "| dose [e/Å²] | series | found | RMSE, network | refined | floor | refined / network "
        "| largest | believed |\n|---|---|---|---|---|---|---|---|---|"
    )
    for low, high in DOSES:
        part = [row for row in rows if low <= row.dose < high]
        if not part:
            continue
        network, refined, floor = (
            np.array([getattr(row, name) for row in part])
            for name in ("network", "refined", "floor")
        )
        range_ = "all" if low == 0 and high == np.inf else f"{low:.0f} to {high:.0f}"
        print(
            f"| {range_} | {len(part)} | {np.mean([row.is_found for row in part]):.1%} "
            f"| {np.median(network):.4f} | {np.median(refined):.4f} | {np.median(floor):.4f} "
            f"| {np.median(refined / network):.3f} (floor {np.median(floor / network):.3f}) "
            f"| {np.max(refined / network):.3f} | {np.mean([row.believed for row in part]):.1%} |"
        )
    away = {
        "defocus [Å]": [row.defocus for row in rows],
        "Cs [µm]": [row.cs / 1e4 for row in rows],
        "C12 [Å]": [row.astigmatism for row in rows],
        "C21 [Å]": [float(np.hypot(*row.coma)) for row in rows],
    }
    print("\n| off by | median | 95 % | largest |\n|---|---|---|---|")
    for name, values in away.items():
        print(
            f"| {name} | {np.median(values):.3g} | {np.quantile(values, 0.95):.3g} "
            f"| {np.max(values):.3g} |"
        )


def unknown_table(rows: list[Row], limit: float) -> None:
    print(
        f"Waves count as wrong from an Eq. (A.1) of {limit:.4f} on, three times the median of "
        "what the network knows.\n\n| material | series | Eq. (A.1), network | refined "
        "| refined / network | scale, median | wrong | of these caught |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row.formula].append(row)
    for name, part in [*sorted(parts.items()), ("all", rows)]:
        wrong = [row for row in part if row.relative_error > limit]
        caught = sum(not row.believed for row in wrong)
        ratio = np.median([row.refined / row.network for row in part])
        print(
            f"| {name} | {len(part)} "
            f"| {np.median([row.network_relative_error for row in part]):.3f} "
            f"| {np.median([row.relative_error for row in part]):.3f} | {ratio:.2f} "
            f"| {np.median([row.scale for row in part]):.2f} | {len(wrong)} | {caught} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path)
    parser.add_argument("epochs", type=Path, nargs="*", help="of what the network knows")
    parser.add_argument("--unknown", type=Path, nargs="+", default=(), help="of what it does not")
    parser.add_argument("--series", type=int, default=40, help="of each epoch at most")
    parser.add_argument("--told-energy-kev", type=float)
    parser.add_argument("--told-pixel-angstrom", type=float)
    parser.add_argument(
        "--wrong-from", type=float, help="Eq. (A.1) of wrong waves, without epochs of known ones"
    )
    options = parser.parse_args()
    network = load_network(options.network, precision="float32")
    calibration = require_calibration(options.network)
    limits = calibration.limits or Microscope()

    def rows(paths: list[Path]) -> list[Row]:
        found = []
        for path in paths:
            with validation_samples([path]) as samples:
                count = min(options.series, len(samples))
                places = np.linspace(0, len(samples) - 1, count).astype(int)
                found += [
                    measured(samples[int(place)], network, calibration, limits, options)
                    for place in places
                ]
        return found

    print(f"{machine()}; {os.environ.get('OMP_NUM_THREADS', 'all')} threads.\n")
    limit = options.wrong_from
    if options.epochs:
        known = rows(options.epochs)
        known_table(known)
        limit = limit or 3 * float(np.median([row.relative_error for row in known]))
        print(f"\nSeconds of a series: {np.median([row.seconds for row in known]):.1f} (median).\n")
    if options.unknown:
        assert limit is not None, "give epochs of what the network knows, or --wrong-from"
        unknown_table(rows(list(options.unknown)), limit)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nPeak memory, the network's included: {peak:.2f} GiB.")


if __name__ == "__main__":
    main()
