"""What bfloat16, float16 and TF32 cost in accuracy: the same trainings in each precision.

Makes the data set ``mos2`` of config/reduced.yaml and trains its network in float32, in Keras'
policies mixed_bfloat16 and mixed_float16 (with loss scaling), and in TF32, from the same initial
weights, with the same samples in the same order, for several replicas. Each training is a process
of its own, which leaves a small result; what a folder holds is not made again.

On a processor Keras' policies run as they are: JAX multiplies bfloat16 and float16 and adds up in
float32, as the matrix units of GPUs do, and rounds the result. TF32, which processors lack, is
emulated: all operands of the convolutions, forward and backward, are rounded to 10 bits of
mantissa. With --gpu the device computes as it does.

    python benchmarks/precision.py FOLDER --epochs 36      # prints Markdown, hours on two cores
    python benchmarks/precision.py FOLDER --epochs 36 --write     # and puts it into the page
    python benchmarks/precision.py FOLDER --network NETWORK       # also applies a trained network
"""

import argparse
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gpu import NAME, epochs_of, prepare
from page import PAGE, ROOT, machine, spread, write_section

from exitwave.config import Config, parse_config
from exitwave.files.atomic import write_text
from exitwave.workflow import specs

PRECISIONS = {
    "float32": "float32",
    "TF32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
"""The Keras policy of each."""
TITLES = {
    name: policy if policy.startswith("mixed") else name for name, policy in PRECISIONS.items()
}
TF32_EXPONENT, TF32_MANTISSA = 8, 10


def configuration(policy: str, replica: int, options: argparse.Namespace) -> Config:
    """The data set and the network of config/reduced.yaml, in one precision."""
    reduced = yaml.safe_load((ROOT / "config/reduced.yaml").read_text())
    common = {name: reduced[name] for name in ("structure", "multislice", "microscope", "epochs")}
    network = reduced["networks"][NAME] | {
        "precision": policy,
        "replica": replica,
        "epochs": options.epochs,
        "training_share": options.share,
        "validate_every": options.epochs,
    }
    return parse_config(
        {
            **common,
            "datasets": {NAME: reduced["datasets"][NAME]},
            "networks": {NAME: network},
            "evaluations": {NAME: {"network": NAME, "dataset": NAME}},
        }
    )


def full_size(samples: int) -> Config:
    """Series like those that the full-size network was trained on, from another seed."""
    dataset = {
        "materials": {"selection": "name=2H-MoS2"},
        "split": {"by": "samples", "training_samples": 1, "validation_samples": samples},
        "shards": 1,
        "epochs": {"training_epochs": 1},
    }
    return parse_config({"seed": 2, "datasets": {NAME: dataset}})


def make_data(folder: Path, config: Config, cores: int) -> None:
    """Make the epochs of a data set, where they are not there yet."""
    done = folder / "data.json"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    dataset = config.datasets[NAME]
    options = argparse.Namespace(
        samples=dataset.split.training_samples,
        epochs=dataset.epochs.training_epochs,
        cores=cores,
        gpus=0,
        waves_on_cores=True,
    )
    took = prepare(folder, config, options)
    write_text(done, json.dumps({name: took[name] for name in took if name.startswith("seconds")}))


# In a process of its own, with JAX


def set_arithmetic(precision: str, gpu: bool) -> None:
    """Let JAX's float32 convolutions compute in TF32 where that is the precision, and else not."""
    import jax

    if gpu:
        # By itself JAX takes TF32 for float32 there.
        tf32 = "tensorfloat32" if precision == "TF32" else "highest"
        jax.config.update("jax_default_matmul_precision", tf32)
    elif precision == "TF32":
        jax.lax.conv_general_dilated = emulated_tf32(jax.lax.conv_general_dilated)


def emulated_tf32(convolution: Callable[..., Any]) -> Callable[..., Any]:
    """A convolution whose operands are rounded to TF32, those of its gradients as well."""
    import jax

    def rounded(array: Any) -> Any:
        return jax.lax.reduce_precision(array, TF32_EXPONENT, TF32_MANTISSA)

    def emulated(image: Any, kernel: Any, *words: Any, **options: Any) -> Any:
        def linear(image: Any, kernel: Any) -> Any:
            return convolution(image, kernel, *words, **options)

        @jax.custom_vjp
        def apply(image: Any, kernel: Any) -> Any:
            return linear(rounded(image), rounded(kernel))

        def forward(image: Any, kernel: Any) -> tuple[Any, tuple[Any, Any]]:
            operands = rounded(image), rounded(kernel)
            return linear(*operands), operands

        def backward(operands: tuple[Any, Any], cotangent: Any) -> tuple[Any, ...]:
            _, transposed = jax.vjp(linear, *operands)
            return tuple(transposed(rounded(cotangent)))

        apply.defvjp(forward, backward)
        return apply(image, kernel)

    return emulated


def train(folder: Path, precision: str, replica: int, options: argparse.Namespace) -> None:
    """Train and evaluate one network, and leave its result."""
    from exitwave.stages.evaluate import evaluate_network
    from exitwave.stages.train import train_network

    set_arithmetic(precision, options.gpu)
    config = configuration(PRECISIONS[precision], replica, options)
    run = run_of(folder, options)
    output = run / "networks" / f"{precision}_{replica}"
    validation = epochs_of(folder, "validation")
    train_network(
        specs.train_spec(config, NAME),
        training=epochs_of(folder, "training"),
        validation=validation,
        output=output,
        gpus=int(options.gpu),
    )
    evaluation = run / "evaluations" / output.name
    evaluate_network(specs.evaluate_spec(config, NAME), output, validation, evaluation)
    scores = json.loads((evaluation / "summary.json").read_text())
    training = json.loads((output / "training.json").read_text())
    columns = ("rmse", "relative_error", "found_share")
    result = {
        **{column: scores["statistics"][column]["median"] for column in columns},
        "val_loss": training["val_loss"],
        "samples": scores["samples"],
        "training_samples": training["training_samples"],
        "image_size_px": training["image_size_px"],
        "seconds": training["seconds"],
        "device": training["device"],
    }
    write_text(result_of(folder, precision, replica, options), json.dumps(result, indent=1))


def apply(folder: Path, precision: str, options: argparse.Namespace) -> None:
    """Apply a trained network in one precision, and leave its waves and their errors."""
    from exitwave.networks.architectures import build_network
    from exitwave.networks.trained import TrainedNetwork, load_network, predict_waves
    from exitwave.scoring.metrics import wave_error
    from exitwave.scoring.validation_samples import validation_samples

    set_arithmetic(precision, options.gpu)
    loaded = load_network(options.network)
    settings = loaded.settings.model_copy(update={"precision": PRECISIONS[precision]})
    model = build_network(settings, settings.images)
    model.set_weights(loaded.model.get_weights())
    network = TrainedNetwork(model, settings)
    waves, errors = [], []
    with validation_samples(epochs_of(folder / "full_size", "validation")) as samples:
        for index in range(len(samples)):
            sample = samples[index]
            (wave,) = predict_waves(network, sample.image[np.newaxis], sample.sampling, 1)
            waves.append(wave)
            errors.append(wave_error(wave, sample.wave).rmse)
            print(f"applied {precision}: {index + 1} of {len(samples)}", file=sys.stderr)
    path = applied_of(folder, precision, options)
    np.savez(
        path, waves=np.stack(waves), rmse=np.array(errors), trained_in=loaded.settings.precision
    )


# What all of them gave


def run_of(folder: Path, options: argparse.Namespace) -> Path:
    """Where all trainings of the same length lie."""
    where = "gpu" if options.gpu else "cpu"
    return folder / f"{where}_{options.epochs}_epochs_of_{100 * options.share:g}_percent"


def result_of(folder: Path, precision: str, replica: int, options: argparse.Namespace) -> Path:
    return run_of(folder, options) / "results" / f"{precision}_{replica}.json"


def applied_of(folder: Path, precision: str, options: argparse.Namespace) -> Path:
    where = "gpu" if options.gpu else "cpu"
    return folder / f"{where}_applied_{options.network.name}_{precision}.npz"


def child(title: str, words: Sequence[object], options: argparse.Namespace) -> None:
    """Run this script in a process of its own, and say how long it took."""
    sys.stderr.write(f"{title}\n")
    start = time.perf_counter()
    environment = {
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # All seeds of one precision run the same program.
        "JAX_COMPILATION_CACHE_DIR": str(options.folder.resolve() / "compiled"),
    }
    if not options.gpu:
        # Else XLA leaves out some roundings between operations that it computes in float32, which
        # on a processor are all.
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_allow_excess_precision=false"
        environment |= {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}
    command = [sys.executable, __file__, *sys.argv[1:], *map(str, words)]
    if subprocess.run(command, env=os.environ | environment).returncode:
        raise SystemExit(f"{title}: failed; the same command goes on from here.")
    sys.stderr.write(f"{title}: {time.perf_counter() - start:.0f} s\n")


def mean_and_range(values: Sequence[float], form: str) -> str:
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def report(folder: Path, options: argparse.Namespace) -> str:
    found = {
        precision: [
            json.loads(result_of(folder, precision, replica, options).read_text())
            for replica in range(options.seeds)
        ]
        for precision in options.precisions
    }
    one = found["float32"][0]
    how = "the GPU's own arithmetic" if options.gpu else "TF32 emulated"
    epochs, seeds = count(options.epochs, "epoch"), count(options.seeds, "seed")
    lines = [
        f"Network `{NAME}` of `config/reduced.yaml`, {epochs} of {one['training_samples']} series "
        f"of {one['image_size_px'][0]} px, {seeds} (`replica`); {one['samples']} validation "
        f"samples; {how}. Means over the seeds, in brackets the least and the most; the ratios are "
        "those of pairs with the same seed.",
        "",
        f"{machine(*versions())}; {one['device']}.",
        "",
        "| precision | median RMSE of the wave | relative to float32 | median of Eq. (A.1) "
        "| median share of peaks found | validation loss relative to float32 |",
        "|---|---|---|---|---|---|",
    ]

    def ratios(precision: str, name: str) -> list[float]:
        pairs = zip(found[precision], found["float32"], strict=True)
        return [own[name] / plain[name] for own, plain in pairs]

    for precision, results in found.items():
        cells = [
            mean_and_range([result["rmse"] for result in results], ".4f"),
            mean_and_range(ratios(precision, "rmse"), ".3f"),
            mean_and_range([result["relative_error"] for result in results], ".4f"),
            mean_and_range([result["found_share"] for result in results], ".3f"),
            mean_and_range(ratios(precision, "val_loss"), ".3f"),
        ]
        lines.append(f"| {TITLES[precision]} | {' | '.join(cells)} |")
    if options.network:
        lines += ["", *applied_lines(folder, options)]
    return "\n".join(lines)


def applied_lines(folder: Path, options: argparse.Namespace) -> list[str]:
    """The table of a trained network, applied in each precision."""
    found = {
        precision: dict(np.load(applied_of(folder, precision, options))) for precision in PRECISIONS
    }
    plain = found["float32"]
    series, size, _ = plain["waves"].shape
    lines = [
        f"One network of full size, trained in {plain['trained_in']}, applied in each precision to"
        f" {series} series of {size} px from another seed. Medians over the series, in brackets the"
        " least and the most.",
        "",
        "| applied in | RMSE of the wave | relative to float32 | RMSE between its wave and that of "
        "float32 |",
        "|---|---|---|---|",
    ]
    for precision, own in found.items():
        apart = np.sqrt(np.mean(np.abs(own["waves"] - plain["waves"]) ** 2, axis=(1, 2)))
        cells = [
            spread(list(own["rmse"]), ".4f"),
            spread(list(own["rmse"] / plain["rmse"]), ".4f"),
            "-" if precision == "float32" else spread(list(apart), ".1e"),
        ]
        lines.append(f"| {TITLES[precision]} | {' | '.join(cells)} |")
    return lines


def count(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number != 1)}"


def versions() -> list[str]:
    return [f"{name} {importlib.metadata.version(name.lower())}" for name in ("Keras", "JAX")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what is made and measured lies here")
    parser.add_argument("--epochs", type=int, default=36, help="of each training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings in each precision")
    parser.add_argument(
        "--precisions", nargs="+", default=[*PRECISIONS], choices=PRECISIONS, help="beside float32"
    )
    parser.add_argument("--gpu", action="store_true", help="train on a GPU, in its own arithmetic")
    parser.add_argument("--network", type=Path, help="a trained network to apply in each precision")
    parser.add_argument("--series", type=int, default=8, help="that the trained network is given")
    parser.add_argument("--share", type=float, default=1.0, help="of the samples, for a rehearsal")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--train", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--apply", choices=PRECISIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # With it all others are compared.
    options.precisions = [*dict.fromkeys(["float32", *options.precisions])]
    folder = options.folder
    if options.apply:
        apply(folder, options.apply, options)
        return
    if options.train:
        logging.basicConfig(format="{}, seed {}: %(message)s".format(*options.train))
        logging.getLogger("exitwave").setLevel(logging.INFO)
        train(folder, options.train[0], int(options.train[1]), options)
        return
    make_data(folder, configuration("float32", 0, options), options.cores)
    # Seed after seed, so that what a stopped run leaves are pairs.
    wanted = [
        (f"{precision}, seed {replica}", ["--train", precision, replica])
        for replica in range(options.seeds)
        for precision in options.precisions
        if not result_of(folder, precision, replica, options).exists()
    ]
    if options.network:
        make_data(folder / "full_size", full_size(options.series), options.cores)
        wanted += [
            (f"{options.network.name}, {precision}", ["--apply", precision])
            for precision in PRECISIONS
            if not applied_of(folder, precision, options).exists()
        ]
    with ThreadPoolExecutor(options.jobs) as jobs:
        for _ in jobs.map(lambda job: child(*job, options), wanted):
            pass
    text = report(folder, options)
    print(text)
    if options.write:
        write_section("Precision", "precision", text)


if __name__ == "__main__":
    main()
