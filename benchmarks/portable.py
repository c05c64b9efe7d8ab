"""How far an exported network is from Keras, and how fast each is.

    python benchmarks/portable.py results/networks/mine --sizes 352 512

The series are those of a model crystal (`exitwave.exports.model_series`). Both compute in float32
on the processor, by as many threads as OMP_NUM_THREADS says.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exitwave.exports.model_series import model_sampling, model_series
from exitwave.exports.network import export_network
from exitwave.networks.portable import FILE_NAME
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import load_keras_network, load_network, predict_waves


def timed(
    compute: Callable[..., NDArray[np.complex64]], *given: Any
) -> tuple[NDArray[np.complex64], float]:
    """Return a result and the seconds of the second call, since the first one may compile."""
    compute(*given)
    start = time.perf_counter()
    return compute(*given), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[352, 512], metavar="PX")
    parser.add_argument("--tile-px", type=int, default=384)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        export_network(options.network, Path(folder, "export"))
        file = Path(folder, "export", FILE_NAME)
        print(f"export {time.perf_counter() - start:.1f} s, {file.stat().st_size / 1e6:.1f} MB")
        start = time.perf_counter()
        portable = load_network(file)
        print(f"loading {time.perf_counter() - start:.2f} s")
        network = load_keras_network(options.network, precision="float32")
        pixel = model_sampling(network.domain)
        for size in options.sizes:
            image = model_series(network, (size, size), 0)
            keras, keras_s = timed(predict_waves, network, image, pixel)
            plain, plain_s = timed(portable.from_intensities, image, pixel)
            tiled = predict_in_tiles(portable, image[0], pixel, options.tile_px)
            print(
                f"{size} px: largest difference from Keras {np.abs(plain - keras).max():.1e}, in "
                f"tiles {np.abs(tiled - keras[0]).max():.1e}, of waves up to "
                f"{np.abs(keras).max():.3f}; ONNX Runtime {plain_s:.2f} s, Keras {keras_s:.2f} s"
            )


if __name__ == "__main__":
    main()
