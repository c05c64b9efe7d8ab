"""How far results differ between processors and libraries: in which bits, and by how much.

Within one machine and lock, content is bit-identical (the tests see to that). Here the same exit
wave, focal series and training are computed by processes that are made to use other instruction
sets, other libraries or another number of threads, and are compared with this machine's own.

    python benchmarks/reproducibility.py                      # prints Markdown, some minutes
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]

# Settings of processes that may change bits.
VARIANTS = {
    "again": {},
    "OpenBLAS for processors with SSE only": {"OPENBLAS_CORETYPE": "Nehalem"},
    "OpenBLAS for processors with AVX": {"OPENBLAS_CORETYPE": "Sandybridge"},
    "OpenBLAS for AMD's Zen": {"OPENBLAS_CORETYPE": "Zen"},
    "NumPy without AVX2": {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"},
    "TensorFlow without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "TensorFlow with one thread": {"EXITWAVE_BENCHMARK_THREADS": "1"},
    "Keras on JAX": {"KERAS_BACKEND": "jax"},
}


def compute(target: Path) -> None:
    """In a process of its own: a wave by either method, a series, and a small training."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from small_dataset import configuration, make_exit_waves

    from exitwave.config import Microscope, Multislice, Structure, parse_config
    from exitwave.imaging.focal_series import render_series
    from exitwave.imaging.microscope import draw_microscope
    from exitwave.materials.material import read_materials
    from exitwave.multislice.exit_wave import exit_wave
    from exitwave.networks.trained import load_network
    from exitwave.specimens.build import build_specimen
    from exitwave.stages.render import render_epoch
    from exitwave.stages.train import train_network
    from exitwave.workflow import specs

    if threads := os.environ.get("EXITWAVE_BENCHMARK_THREADS"):
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(int(threads))
        tensorflow.config.threading.set_inter_op_parallelism_threads(int(threads))
    material = read_materials("monolayers", "name=2H-MoS2", 8)[0][0]
    specimen = build_specimen(material, Structure(), 1, "benchmark", 0)
    wave = exit_wave(specimen, Multislice())
    draw = draw_microscope(Microscope(), 50.0, 3, np.random.default_rng(1))
    series = render_series(wave, 0.1, draw, 352, 0.15, 1e-3, np.random.default_rng(2))
    folder = target.parent / target.stem
    store = make_exit_waves(folder, configuration())[0]
    config = parse_config(
        {
            "datasets": {"small": configuration().datasets["small"].model_dump(mode="json")},
            "networks": {"unet": {"dataset": "small", "channels": [4, 8], "epochs": 20}},
        }
    )
    for split in ("training", "validation"):
        spec = specs.render_spec(config, "small", 3, split, 0)
        render_epoch(spec, [store], folder / f"{split}.nc")
    train_network(
        specs.train_spec(config, "unet"),
        [folder / "training.nc"],
        [folder / "validation.nc"],
        folder / "network",
    )
    network = load_network(folder / "network")
    np.savez(
        target,
        wave=wave,
        abtem=exit_wave(specimen, Multislice(method="abtem")),
        image=series.image,
        weights=np.concatenate([value.ravel() for value in network.model.get_weights()]),
    )


def differences(one: dict, other: dict) -> list[str]:
    found = []
    for name in ("wave", "abtem"):
        error = np.sum(np.abs(other[name] - one[name]) ** 2) / np.sum(np.abs(one[name] - 1) ** 2)
        found.append("same bits" if np.array_equal(one[name], other[name]) else f"{error:.0e}")
    unlike = np.mean(one["image"] != other["image"])
    largest = np.abs(one["image"] - other["image"]).max()
    found.append("same bits" if not unlike else f"{unlike:.1%} of pixels, up to {largest:.0e}")
    change = np.abs(other["weights"] - one["weights"]).max() / np.abs(one["weights"]).max()
    found.append("same bits" if change == 0 else f"{change:.0e}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compute", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compute:
        compute(options.compute)
        return
    with tempfile.TemporaryDirectory() as temporary:
        results = {}
        for number, (label, settings) in enumerate({"": {}, **VARIANTS}.items()):
            target = Path(temporary, f"{number}.npz")
            subprocess.run(
                [sys.executable, __file__, "--compute", str(target)],
                check=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **settings},
            )
            with np.load(target) as values:
                results[label] = dict(values)
    print("| process | wave (`fourier`) | wave (`abtem`) | image | weights after 20 epochs |")
    print("|---|---|---|---|---|")
    for label in VARIANTS:
        print(f"| {label} | {' | '.join(differences(results[''], results[label]))} |")


if __name__ == "__main__":
    main()
