"""A network as one ONNX file: used by ONNX Runtime alone, without Keras or one of its backends.

The file holds the graph with its normalisation (`exitwave.networks.conversion`) and, as metadata,
the content of ``network.json``, so that nothing else is needed.

>>> network = load_portable(Path("portable/model.onnx"))
>>> network.from_intensities(counts, sampling_angstrom=0.105).shape
(1, 352, 352)
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.domain import TrainingDomain

if TYPE_CHECKING:
    import onnxruntime

FILE_NAME = "model.onnx"
"""What an export calls the file."""

SERIES, SAMPLING, IS_NORMALIZED, WAVE = "series", "sampling_angstrom", "is_normalized", "wave"
"""Inputs and output of the graph."""

CONTENT, NAME, DIGEST = "exitwave.network", "exitwave.name", "exitwave.sha256"
"""Keys of the metadata: the content of ``network.json``, the network's name, the file's SHA-256."""

NO_DIGEST = "0" * 64
"""Stands for the digest while it is computed."""

# How the file says, in Protocol Buffers, that a text of 64 characters follows.
_MARK = DIGEST.encode() + b"\x12\x40"


@dataclass(frozen=True)
class PortableNetwork:
    """A network that ONNX Runtime computes on the processor; see `TrainedNetwork`."""

    session: onnxruntime.InferenceSession
    settings: NetworkSettings
    name: str = ""
    domain: TrainingDomain | None = None

    def apply(self, series: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Return the waves (sample, y, x) of normalised series (sample, y, x, frame)."""
        # Of normalised series the graph does not use the side of a pixel.
        return self._run(series, 1.0, {IS_NORMALIZED: np.array(True)})

    def from_intensities(
        self, image: NDArray[np.floating], sampling_angstrom: float
    ) -> NDArray[np.complex64]:
        """Return the waves of focal series in any unit, which the graph normalises itself.

        This is what another program computes; within exitwave,
        `exitwave.networks.trained.predict_waves` also compares the series with the training.

        Parameters
        ----------
        image : array of shape (sample, y, x, frame)
            As many frames as the network takes, of sides that are multiples of its factor.
        sampling_angstrom : float
            Side of a pixel [Å]; only local normalisation uses it.

        Returns
        -------
        array of shape (sample, y, x)
            Exit waves relative to the incident wave.
        """
        return self._run(image, sampling_angstrom, {})

    def _run(
        self, series: NDArray[np.floating], sampling: float, given: dict[str, NDArray[Any]]
    ) -> NDArray[np.complex64]:
        given[SERIES] = np.ascontiguousarray(series, dtype=np.float32)
        if self.settings.normalization == "local":
            given[SAMPLING] = np.array(sampling, dtype=np.float32)
        parts = self.session.run([WAVE], given)[0]
        return np.asarray(parts[..., 0] + 1j * parts[..., 1], dtype=np.complex64)


def find_portable(path: Path) -> Path | None:
    """Return the ONNX file that a path names, itself or by its folder; None where it names none.

    A folder with a network of Keras counts as such, whatever else lies there.
    """
    if path.suffix.lower() == ".onnx":
        return path
    is_export = (path / FILE_NAME).exists() and not (path / "model.keras").exists()
    return path / FILE_NAME if is_export else None


def load_portable(
    file: Path,
    settings: NetworkSettings,
    domain: TrainingDomain | None,
    precision: str | None = None,
) -> PortableNetwork:
    """Load a network; `exitwave.networks.trained.load_network` does so by the path alone.

    Parameters
    ----------
    file : Path
        The ONNX file.
    settings : NetworkSettings
        What it was trained with; the precision is that of the file.
    domain : TrainingDomain or None
        What it was trained for.
    precision : str, optional
        No other than ``"float32"``.

    Raises
    ------
    ExitwaveError
        Where the file is none of exitwave's, or another precision than float32 is wanted.
    """
    if precision not in (None, "float32"):
        raise ExitwaveError(
            f"{file} computes in float32, not in {precision}; leave the precision out, or take the "
            "network's own folder."
        )
    session = _session(file, _threads())
    name = session.get_modelmeta().custom_metadata_map[NAME]
    return PortableNetwork(
        session, settings.model_copy(update={"precision": "float32"}), name, domain
    )


def read_content(file: Path) -> dict[str, Any]:
    """Return what ``network.json`` held when the file was written.

    Raises
    ------
    ExitwaveError
        Where the file is missing, damaged or none of exitwave's.
    """
    metadata = _session(file, 1).get_modelmeta().custom_metadata_map
    content: dict[str, Any] = json.loads(metadata[CONTENT])
    return content


def sealed(content: bytes) -> bytes:
    """Return the content of a file with its digest in the place of `NO_DIGEST`."""
    start = content.rindex(_MARK) + len(_MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:start] + digest + content[start + len(digest) :]


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """Return what runs the graph, once its file is known to be whole and one of exitwave's."""
    import onnxruntime

    try:
        content = file.read_bytes()
    except OSError as error:
        raise ExitwaveError(
            f"{file} cannot be read ({error.strerror}); give a network's folder, or the "
            f"{FILE_NAME} that `exitwave export FOLDER --to onnx` writes."
        ) from error
    _require_whole(file, content)
    options = onnxruntime.SessionOptions()
    # What it says beyond errors concerns its own developers.
    options.log_severity_level = 3
    # By itself it binds threads to cores, also to those that a job was not given.
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # Its exceptions have no class in common.
    except Exception as error:
        raise _damaged(file, str(error).strip().splitlines()[-1]) from error
    if not {CONTENT, NAME, DIGEST} <= session.get_modelmeta().custom_metadata_map.keys():
        raise ExitwaveError(
            f"{file} is an ONNX file, but none that exitwave wrote: its metadata do not say how "
            "the network was trained; give one that `exitwave export FOLDER --to onnx` writes."
        )
    return session


def _require_whole(file: Path, content: bytes) -> None:
    start = content.rfind(_MARK) + len(_MARK)
    if start < len(_MARK):
        return  # Another's file, or the end of ours is missing: ONNX Runtime knows.
    stop = start + len(NO_DIGEST)
    expected = content[start:stop]
    digest = hashlib.sha256(content[:start] + NO_DIGEST.encode() + content[stop:]).hexdigest()
    if digest.encode() != expected:
        raise _damaged(file, "its content differs from its checksum")


def _damaged(file: Path, reason: str) -> ExitwaveError:
    return ExitwaveError(
        f"{file} is damaged or was changed ({reason}); copy it again, or write it again by "
        "`exitwave export FOLDER --to onnx`."
    )


def _threads() -> int:
    """Return the number of threads: what OMP_NUM_THREADS says, or the cores of this process."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    if named.isdigit() and int(named):
        return int(named)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
