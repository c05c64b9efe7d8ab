"""The card of an exported network: what it is for, what it takes and gives, how to check it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from exitwave import __version__
from exitwave.config import NetworkSettings
from exitwave.config.constraints import size_factor
from exitwave.networks.architectures import ARCHITECTURES
from exitwave.networks.domain import TrainingDomain
from exitwave.networks.normalization import LOCAL_SIGMA_ANGSTROM
from exitwave.networks.portable import FILE_NAME, IS_NORMALIZED, SAMPLING, SERIES, WAVE
from exitwave.networks.trained import Network
from exitwave.provenance import attributes as provenance

_UNITS = {
    "_per_square_angstrom": "per Å²",
    "_micrometre": "µm",
    "_angstrom": "Å",
    "_kev": "keV",
}
_WORDS = {
    "energy": "energy of the electrons",
    "sampling": "side of a pixel",
    "defocus": "defocus; positive is underfocus",
    "defocus_step": "step of the defocus from an image to the next",
    "dose": "electrons in each image",
}


@dataclass(frozen=True)
class Checked:
    """One comparison of ONNX Runtime with Keras.

    Attributes
    ----------
    size : tuple of (int, int)
        Of the images, (y, x) [pixel].
    difference, amplitude : float
        The largest difference of the waves, and their largest amplitude.
    """

    size: tuple[int, int]
    difference: float
    amplitude: float


def network_card(
    network: Network, content: Mapping[str, Any], checked: Sequence[Checked], tolerance: float
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    network : Network
        The network that was exported.
    content : mapping
        What its ``network.json`` holds.
    checked : sequence of Checked
        How far ONNX Runtime and Keras differed, for each series of the test tensors.
    tolerance : float
        How far they may differ, relative to the largest amplitude or to 1.
    """
    settings = network.settings
    lines = [
        f"# {network.name}: exit waves from focal series of {settings.images} images",
        "",
        f"A neural network (`{settings.architecture}`) that reconstructs the exit wave of a "
        "specimen from a focal series of high-resolution transmission electron micrographs. "
        f"`{FILE_NAME}` computes in float32 with [ONNX Runtime](https://onnxruntime.ai) 1.10 or "
        "later, normalises the images itself, and holds as metadata what exitwave has to know of "
        "it.",
        "",
        *_domain(network.domain),
        *_signature(settings, network.domain),
        *_check(settings, checked, tolerance),
        *_origin(content),
    ]
    return "\n".join(lines) + "\n"


def _domain(domain: TrainingDomain | None) -> list[str]:
    lines = [
        "## What it is for",
        "",
        "It was trained on simulated series of the following. Outside of that it shows crisp "
        "atoms, too, but not those of the specimen.",
        "",
    ]
    rows = _rows(domain) if domain is not None else []
    if domain is None or domain.energy_kev is None:
        lines += [
            "Its folder does not say for which energy, defocus and dose it was trained, as those "
            "of version 0.1: ask who trained it.",
            "",
        ]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| {words} | {value} |" for words, value in rows), ""]
    return lines


def _rows(domain: TrainingDomain) -> list[tuple[str, str]]:
    rows = []
    for name in (each.name for each in fields(domain) if each.name != "images"):
        value = getattr(domain, name)
        if not value:
            continue
        if isinstance(value[0], str):
            rows.append((name, ", ".join(value)))
            continue
        suffix = next((each for each in _UNITS if name.endswith(each)), "")
        bare = name.removesuffix(suffix)
        low, high = (f"{limit:.4g}".replace("-", "−") for limit in value)
        span = low if low == high else f"{low} to {high}"
        words = _WORDS.get(bare, bare.replace("_", " "))
        rows.append((words, f"{span} {_UNITS.get(suffix, '')}".strip()))
    return rows


def _signature(settings: NetworkSettings, domain: TrainingDomain | None) -> list[str]:
    factor = size_factor(settings.channels)
    reach = ARCHITECTURES[settings.architecture].reach_px(settings)
    is_local = settings.normalization == "local"
    has_steps = domain is not None and domain.defocus_step_angstrom is not None
    lines = [
        "## Inputs and output",
        "",
        "| | name | type and shape | meaning |",
        "|---|---|---|---|",
        f"| input | `{SERIES}` | float32 (sample, y, x, {settings.images}) | focal series in any "
        "unit of intensity that is 0 without electrons |",
    ]
    if is_local:
        lines.append(f"| input | `{SAMPLING}` | float32 () | side of a pixel [Å] |")
    lines += [
        f"| optional input | `{IS_NORMALIZED}` | bool () | the series were normalised before "
        "(default: false); ONNX Runtime remarks that it is no constant, which is as it should be |",
        f"| output | `{WAVE}` | float32 (sample, y, x, 2) | real and imaginary part of the exit "
        "wave, over the incident wave: vacuum is (1, 0) |",
        "",
        f"- **Size.** y and x are multiples of {factor} px, otherwise free. A pixel of the wave "
        f"depends on pixels of the images up to {reach} px away; nearer to the border it depends "
        "on that, too.",
        "- **Order.** y runs along rows, x along columns. The images are registered, of one "
        "intensity scale, and in the order of the training"
        + (": see the step of the defocus above." if has_steps else "."),
        "- **Signs.** The wave is that below the specimen, ψ ∝ exp(+2πi k·r), with phases above 0 "
        "where atoms are; arctan2(imaginary, real) is its phase [rad]. Positive defocus is "
        "underfocus.",
        _normalization(is_local),
        "",
    ]
    return lines


def _normalization(is_local: bool) -> str:
    if is_local:
        return (
            "- **Normalisation,** inside the graph: each series is divided by its mean; at each "
            "pixel the mean of its neighbourhood, over all images, is taken off, and the rest "
            "divided by the standard deviation there. The neighbourhood is a Gaussian of "
            f"{LOCAL_SIGMA_ANGSTROM:g} Å. For an image in tiles do so with the whole image, and "
            f"set `{IS_NORMALIZED}`."
        )
    return (
        "- **Normalisation,** inside the graph: each series is divided by its mean, over all "
        "images and pixels. For an image in tiles divide by the mean of the whole image, and set "
        f"`{IS_NORMALIZED}`."
    )


def _check(settings: NetworkSettings, checked: Sequence[Checked], tolerance: float) -> list[str]:
    sampling = f', "{SAMPLING}": tensors["{SAMPLING}"]' if settings.normalization == "local" else ""
    found = "; ".join(
        f"{each.size[0]} x {each.size[1]} px: {each.difference:.1e}, with amplitudes of the wave "
        f"up to {each.amplitude:.3g}"
        for each in checked
    )
    return [
        "## Check it",
        "",
        f"`test_tensors.npz` holds a series of each size and the wave that Keras made of it in "
        "float32. The images are those of a model crystal, with defocus and noise: they test the "
        "computation, not how good the network is. Largest difference of ONNX Runtime when this "
        f"was written: {found}. With more than {tolerance:g} of the largest amplitude, or of 1, it "
        "would not have been written.",
        "",
        "```python",
        "import numpy as np",
        "import onnxruntime",
        "",
        f'session = onnxruntime.InferenceSession("{FILE_NAME}", '
        'providers=["CPUExecutionProvider"])',
        'tensors = np.load("test_tensors.npz")',
        f"for number in range({len(checked)}):",
        f'    given = {{"{SERIES}": tensors[f"series_{{number}}"]{sampling}}}',
        f'    wave = session.run(["{WAVE}"], given)[0]',
        '    print(abs(wave - tensors[f"wave_{number}"]).max())',
        "```",
        "",
        f"With exitwave: `exitwave reconstruct series.dm4 --network {FILE_NAME} --output wave.nc`, "
        "which reads the microscope's file, registers the images, and refuses series that the "
        "network was not trained for.",
        "",
    ]


def _origin(content: Mapping[str, Any]) -> list[str]:
    made = {
        "trained": content.get("created"),
        "trained by exitwave": content.get("exitwave_version"),
        "of commit": content.get("git_commit"),
        "exported by exitwave": __version__,
        "from commit": provenance.git_commit(),
    }
    stores = json.loads(content.get("inputs") or "{}")
    lines = ["## Licence and provenance", ""]
    lines += [
        "exitwave is free software under the GNU General Public License, version 3 or later. The "
        "licence of this network is for those who trained it to choose; ask them. Please cite "
        "exitwave as its CITATION.cff says.",
        "",
        *(f"- {words}: {value}" for words, value in made.items() if value),
    ]
    for group, entries in stores.items():
        listed = ", ".join(f"`{entry['path']}` ({entry['digest'][:12]})" for entry in entries)
        lines.append(f"- {group} data: {listed}")
    if content.get("spec"):
        lines += ["", "The spec that it was trained by:", "", "```json", content["spec"], "```"]
    return lines
