"""Export a network for programs that have neither Keras nor exitwave.

Into the folder of the export it writes

| file | content |
|---|---|
| ``model.onnx`` | the network with its normalisation and the content of its ``network.json`` |
| ``test_tensors.npz`` | focal series of two sizes, and the waves that Keras makes of them |
| ``README.md`` | its card: what it is for, inputs and outputs, how to check it |

The waves of ONNX Runtime are compared with those of Keras before the folder gets its name.

>>> export_network(Path("results/networks/mos2"), Path("portable"))
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exitwave.config.constraints import size_factor
from exitwave.errors import ExitwaveError
from exitwave.exports.model_series import model_sampling, model_series
from exitwave.exports.network_card import Checked, network_card
from exitwave.files.atomic import replacing_folder
from exitwave.networks import backend
from exitwave.networks.conversion import as_onnx
from exitwave.networks.portable import (
    CONTENT,
    FILE_NAME,
    NAME,
    PortableNetwork,
    load_portable,
)
from exitwave.networks.trained import (
    MODEL_NAME,
    SETTINGS_NAME,
    TrainedNetwork,
    load_keras_network,
    predict_waves,
    read_content,
)

logger = logging.getLogger(__name__)

TENSORS, CARD = "test_tensors.npz", "README.md"

TOLERANCE = 1e-5
"""By how much two programs may differ, relative to the largest amplitude or to vacuum's, 1."""

# Not alike, and one not square, so that an exchanged axis shows [pixel].
_SIZES = ((128, 128), (96, 160))


def is_network(folder: Path) -> bool:
    """Return whether a folder holds a trained network."""
    return any((folder / name).exists() for name in (MODEL_NAME, SETTINGS_NAME))


def export_network(folder: Path, output: Path) -> None:
    """Write a network as ONNX, with test tensors and a card.

    Parameters
    ----------
    folder : Path
        Folder of a trained network.
    output : Path
        Folder of the export; one of an earlier export is replaced.

    Raises
    ------
    ExitwaveError
        Where there is no network, a layer has no counterpart, the folder of the export holds
        something else, or ONNX Runtime and Keras differ.
    """
    _require_free(output)
    backend.use_processor()
    # Whatever the precision of the training: 16 bits differ from program to program.
    network = load_keras_network(folder, precision="float32")
    content = read_content(folder)
    metadata = {CONTENT: json.dumps(content, sort_keys=True), NAME: network.name}
    written = as_onnx(network.model, network.settings, metadata)
    sampling = model_sampling(network.domain)
    with replacing_folder(output) as temporary:
        (temporary / FILE_NAME).write_bytes(written)
        portable = load_portable(temporary / FILE_NAME, network.settings, network.domain)
        checked = []
        tensors = {"sampling_angstrom": np.array(sampling, dtype=np.float32)}
        for number, size in enumerate(_SIZES):
            image = model_series(network, _of_multiples(size, network), number)
            wave = predict_waves(network, image, sampling)
            checked.append(_compared(portable, image, wave, sampling))
            tensors[f"series_{number}"] = image
            tensors[f"wave_{number}"] = np.stack([wave.real, wave.imag], axis=-1)
        np.savez(temporary / TENSORS, allow_pickle=False, **tensors)
        card = network_card(network, content, checked, TOLERANCE)
        (temporary / CARD).write_text(card, encoding="utf-8")
    for each in checked:
        logger.info(
            "%d x %d px: ONNX Runtime and Keras differ by %.1e at most.",
            *each.size,
            each.difference,
        )


def _require_free(output: Path) -> None:
    """Refuse to replace anything but an earlier export."""
    if not output.exists():
        return
    if not output.is_dir():
        raise ExitwaveError(f"{output} is a file, but --output names a folder; give another name.")
    others = {path.name for path in output.iterdir()} - {FILE_NAME, TENSORS, CARD}
    if others:
        raise ExitwaveError(
            f"{output} holds {min(others)}, which is no part of an exported network; give a new "
            "folder as --output, or that of an earlier export."
        )


def _of_multiples(size: tuple[int, int], network: TrainedNetwork) -> tuple[int, int]:
    """Return a size that is large enough and that the network takes [pixel]."""
    factor = size_factor(network.settings.channels)
    return -(-size[0] // factor) * factor, -(-size[1] // factor) * factor


def _compared(
    portable: PortableNetwork,
    image: NDArray[np.float32],
    wave: NDArray[np.complex64],
    sampling: float,
) -> Checked:
    """Return how far ONNX Runtime is from Keras; refuse more than the tolerance."""
    difference = float(np.abs(portable.from_intensities(image, sampling) - wave).max())
    amplitude = float(np.abs(wave).max())
    size = (image.shape[1], image.shape[2])
    if not difference <= TOLERANCE * max(amplitude, 1.0):
        raise ExitwaveError(
            f"For images of {size[0]} x {size[1]} px ONNX Runtime and Keras differ by "
            f"{difference:.1e}, but at most {TOLERANCE * max(amplitude, 1.0):.1e} was expected; "
            "please report it with the network's folder, and use the network with exitwave."
        )
    return Checked(size, difference, amplitude)
