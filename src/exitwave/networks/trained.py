"""A trained network as a folder: written once, then loaded and used without its configuration.

``model.keras`` holds architecture and weights, ``network.json`` what is needed to use them: the
normalisation, the number of images, what it was trained for (`exitwave.networks.domain`), and its
provenance.

>>> network = load_network(Path("results/networks/mos2"))
>>> waves = predict_waves(network, images, sampling_angstrom=0.105)

For images larger than those of a training see `exitwave.networks.tiles`. What `exitwave export`
writes of a network is loaded and used in the same way, without Keras.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exitwave.config import NetworkSettings
from exitwave.config.conditions import Conditions
from exitwave.config.constraints import size_factor
from exitwave.errors import ExitwaveError
from exitwave.files.atomic import replacing, write_text
from exitwave.networks import backend, portable
from exitwave.networks.architectures import ARCHITECTURES, build_network
from exitwave.networks.domain import (
    TrainingDomain,
    as_json,
    from_json,
    require_domain,
)
from exitwave.networks.normalization import normalize_series

if TYPE_CHECKING:
    import keras

MODEL_NAME = "model.keras"
SETTINGS_NAME = "network.json"

# The earliest time that a zip archive can hold.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class Network(Protocol):
    """A network that can be used, whatever computes it."""

    @property
    def settings(self) -> NetworkSettings:
        """What it was trained with."""

    @property
    def name(self) -> str:
        """Its name, for messages."""

    @property
    def domain(self) -> TrainingDomain | None:
        """What it was trained for; None where it is not recorded."""

    def apply(self, series: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return the waves (sample, y, x) of normalised series (sample, y, x, frame)."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network and the settings that it was trained with."""

    model: keras.Model
    settings: NetworkSettings
    name: str = ""
    domain: TrainingDomain | None = None
    """None where it is not recorded, as by version 0.1."""
    traced: dict[tuple[int, ...], object] = field(default_factory=dict, compare=False, repr=False)
    """Keras' functions of the model by the size of the images [pixel] that they are for."""

    def apply(self, series: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return the waves (sample, y, x) of normalised series (sample, y, x, frame)."""
        size = series.shape[1:3]
        if size not in self.traced:
            # TensorFlow's function of one size would be traced at the second for images of any
            # size, for which bilinear upsampling has no graph.
            self.model.make_predict_function(force=True)
            self.traced[size] = self.model.predict_function
        self.model.predict_function = self.traced[size]
        parts = np.asarray(self.model.predict_on_batch(series))
        return np.asarray(1 + parts[..., 0] + 1j * parts[..., 1], dtype=np.complex64)


def save_network(
    folder: Path,
    model: keras.Model,
    settings: NetworkSettings,
    origin: Mapping[str, str],
    sampling_angstrom: tuple[float, float] | None = None,
    domain: TrainingDomain | None = None,
) -> None:
    """Write a network into its folder.

    Parameters
    ----------
    folder : Path
        Folder of the network.
    model : keras.Model
        Its state is written byte for byte the same wherever the weights are the same.
    settings : NetworkSettings
        Settings of the network.
    origin : mapping
        How it was made, see `exitwave.provenance.attributes`.
    sampling_angstrom : tuple of (float, float), optional
        Smallest and largest side of a pixel that it was trained with [Å].
    domain : TrainingDomain, optional
        What it was trained for.
    """
    with replacing(folder / MODEL_NAME) as temporary:
        model.save(temporary)
        _remove_times(temporary)
    values = settings.part(NetworkSettings).model_dump(mode="json")
    content: dict[str, object] = {"network": values, **origin}
    if sampling_angstrom is not None:
        content["sampling_angstrom"] = sampling_angstrom
    if domain is not None:
        content["domain"] = as_json(domain)
    write_text(folder / SETTINGS_NAME, json.dumps(content, indent=1, sort_keys=True))


def _remove_times(archive: Path) -> None:
    """Take out of Keras' archive when it was written."""
    with zipfile.ZipFile(archive) as file:
        contents = {name: file.read(name) for name in sorted(file.namelist())}
    metadata = json.loads(contents["metadata.json"])
    metadata["date_saved"] = ""
    contents["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in contents.items():
            file.writestr(zipfile.ZipInfo(name, _NO_TIME), content)


def load_network(path: str | Path, precision: str | None = None) -> Network:
    """Load a trained network.

    Parameters
    ----------
    path : str or Path
        Its folder, or ``model.keras`` in it; or an export to ONNX, its folder or the file, for
        which neither Keras nor one of its backends is imported.
    precision : str, optional
        Keras' precision policy to compute with; by default that of the training. An export
        computes in float32.

    Raises
    ------
    ExitwaveError
        Where there is none, or one of its files is damaged.
    """
    path = Path(path)
    if (file := portable.find_portable(path)) is not None:
        return portable.load_portable(file, read_settings(file), read_domain(file), precision)
    return load_keras_network(path, precision)


def load_keras_network(path: Path, precision: str | None = None) -> TrainedNetwork:
    """Load a trained network with Keras; see `load_network`."""
    is_file = path.is_file() or path.name == MODEL_NAME
    folder = path.parent if is_file else path
    for name in (MODEL_NAME, SETTINGS_NAME):
        if not (folder / name).exists():
            raise _none_in(folder, name)
    settings, domain = read_settings(folder), read_domain(folder)
    backend.prepare_environment()
    import keras

    # Layers of its own are known to Keras once its module is imported.
    _ = ARCHITECTURES[settings.architecture]
    try:
        model = keras.saving.load_model(folder / MODEL_NAME, compile=False)
    # Zip, HDF5, JSON and Keras each fail in their own way on a damaged file.
    except Exception as error:
        raise _damaged(folder / MODEL_NAME, error) from error
    if precision is not None and precision != settings.precision:
        settings = settings.model_copy(update={"precision": precision})
        weights = model.get_weights()
        model = build_network(settings, settings.images)
        model.set_weights(weights)
    return TrainedNetwork(model, settings, folder.resolve().name, domain)


def read_content(folder: Path) -> dict[str, Any]:
    """Return what ``network.json`` holds, or an export to ONNX in its place.

    Raises
    ------
    ExitwaveError
        Where the file is missing or damaged.
    """
    if (file := portable.find_portable(folder)) is not None:
        return portable.read_content(file)
    if folder.name == MODEL_NAME:
        folder = folder.parent
    path = folder / SETTINGS_NAME
    if not path.exists():
        raise _none_in(folder, SETTINGS_NAME)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"a mapping was expected, not {type(content).__name__}")
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    return content


def read_settings(folder: Path) -> NetworkSettings:
    """Return the settings that the network in a folder, or in an ONNX file, was trained with.

    Raises
    ------
    ExitwaveError
        Where ``network.json`` is missing or damaged.
    """
    path = portable.find_portable(folder) or folder / SETTINGS_NAME
    try:
        return NetworkSettings.model_validate(read_content(folder)["network"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error


def read_domain(folder: Path) -> TrainingDomain | None:
    """Return what such a network was trained for; None where it is not recorded.

    Raises
    ------
    ExitwaveError
        Where ``network.json`` is missing or damaged.
    """
    path = portable.find_portable(folder) or folder / SETTINGS_NAME
    content = read_content(folder)
    stored = content.get("domain")
    if stored is None and "sampling_angstrom" in content:
        # All that version 0.1 wrote down.
        stored = {
            "images": read_settings(folder).images,
            "sampling_angstrom": content["sampling_angstrom"],
        }
    try:
        return None if stored is None else from_json(stored)
    except ValueError as error:
        raise _damaged(path, error) from error


def _none_in(folder: Path, missing: str) -> ExitwaveError:
    return ExitwaveError(
        f"{folder} holds no trained network, since {missing} is missing; check the path, or run "
        "snakemake to train it."
    )


def _damaged(path: Path, error: Exception) -> ExitwaveError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    remedy = "remove it and run snakemake again, which trains the network again"
    if path.suffix.lower() == ".onnx":
        remedy = "write it again by `exitwave export FOLDER --to onnx`"
    return ExitwaveError(f"{path} is damaged or of another version ({reason[0]}); {remedy}.")


def predict_waves(
    network: Network,
    image: NDArray[np.floating],
    sampling_angstrom: ArrayLike,
    batch_size: int | None = None,
) -> NDArray[np.complex64]:
    """Reconstruct exit waves from focal series.

    Parameters
    ----------
    network : Network
        From `load_network`.
    image : array of shape (sample, y, x, frame)
        Focal series in any unit of intensity, as in an epoch file.
    sampling_angstrom : float or array of shape (sample,)
        Side of a pixel [Å].
    batch_size : int, optional
        Series that the network takes at once; by default as many as in its training.

    Returns
    -------
    array of shape (sample, y, x)
        Exit waves relative to the incident wave.

    Raises
    ------
    ExitwaveError
        Where the network cannot take images of this number or size, or was trained with others of
        their pixels.
    """
    image = np.asarray(image)
    settings = network.settings
    _check_images(image.shape, settings)
    require_pixels(network, sampling_angstrom)
    series = normalize_series(image, settings.normalization, sampling_angstrom)
    wave = np.empty(image.shape[:3], np.complex64)
    step = batch_size or settings.batch_size
    for first in range(0, len(image), step):
        batch = slice(first, first + step)
        wave[batch] = network.apply(series[batch])
    return wave


def require_pixels(network: Network, sampling_angstrom: ArrayLike) -> None:
    """Raise `ExitwaveError` where a network was trained with other pixels [Å]."""
    samplings = np.asarray(sampling_angstrom)
    pixels = (float(samplings.min()), float(samplings.max()))
    require_domain(
        network.name,
        network.domain,
        Conditions(images=network.settings.images, sampling_angstrom=pixels),
        "resample them to pixels of its training, or take a network that was trained for them",
    )


def _check_images(shape: tuple[int, ...], settings: NetworkSettings) -> None:
    if len(shape) != 4 or shape[3] != settings.images:
        raise ExitwaveError(
            f"The images have the shape {shape}, but the network takes (sample, y, x, "
            f"{settings.images}); give series of {settings.images} images."
        )
    factor = size_factor(settings.channels)
    if any(side % factor or not side for side in shape[1:3]):
        raise ExitwaveError(
            f"The images have {shape[1]} x {shape[2]} px, but the network takes multiples of "
            f"{factor} px; crop them to {shape[1] // factor * factor} x "
            f"{shape[2] // factor * factor} px."
        )
