"""What differs between the backends of Keras: the only module that calls one of them by name."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

from exitwave.errors import ExitwaveError


def prepare_environment(require_gpu: bool = False) -> None:
    """Set what the backends read when they are first imported; the user's own settings stay."""
    if not require_gpu:
        # TensorFlow reports at length that there is no GPU where none was asked for.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A GPU is often shared: take memory as it is needed, not all at once.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def use_processor() -> None:
    """Keep the backend off the GPUs, which round products to fewer digits; before its import."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


def backend_name() -> str:
    """Return the name of Keras' backend, ``tensorflow`` or ``jax``."""
    import keras

    return str(keras.backend.backend())


def gpus() -> list[Any]:
    """Return the backend's own objects of the GPUs that it sees."""
    if backend_name() == "tensorflow":
        import tensorflow as tf

        return list(tf.config.list_physical_devices("GPU"))
    if backend_name() == "jax":
        import jax

        return [device for device in jax.devices() if device.platform == "gpu"]
    return []


def device_names(kind: str) -> list[str]:
    """Return how the backend calls its devices of a kind, ``gpu`` or ``cpu``."""
    if backend_name() == "tensorflow":
        import tensorflow as tf

        return [device.name for device in tf.config.list_logical_devices(kind.upper())]
    import jax

    try:
        return [f"{device.platform}:{device.id}" for device in jax.devices(kind)]
    except RuntimeError:
        # So it says that it has none.
        return []


def require_gpu() -> None:
    """Raise `ExitwaveError` where the backend sees no GPU."""
    if not gpus():
        raise ExitwaveError(
            f"A GPU is required, but {backend_name()} sees none on {platform.node()}; run where "
            "there is one, install the backend's GPU packages (`make setup "
            f"GPU={backend_name()}`), or do not ask for a GPU."
        )


def device_name() -> str:
    """Return the name of the GPU, or of the processor where there is none."""
    found = gpus()
    if not found:
        return processor_name()
    if backend_name() == "tensorflow":
        import tensorflow as tf

        return str(tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU"))
    return str(found[0].device_kind)


def processor_name() -> str:
    """Return the name of the processor."""
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def make_deterministic(seed: int) -> None:
    """Seed the global generators and, on a processor, make every operation repeatable.

    On a GPU the deterministic variants of the convolutions cost much of its speed, so there two
    trainings of one spec differ in the last digits. JAX is repeatable on a processor as it is.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if backend_name() == "tensorflow" and not gpus():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def compiles_steps(jit_compile: bool) -> bool:
    """Return whether XLA shall compile the training step where the settings say so.

    JAX has no other way worth taking. TensorFlow on a processor has: XLA took three times as long
    there (128 px, 8 to 32 channels), and Keras does not combine it with deterministic operations.
    """
    if backend_name() == "jax":
        return True
    return jit_compile and bool(gpus())


def as_float(variable: Any) -> float:
    """Return the value of a variable or tensor that is one number, on whatever devices it lies."""
    from keras import ops

    return float(ops.convert_to_numpy(variable))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a backend's exception says that the device's memory is used up."""
    text = f"{type(error).__name__} {error}"
    return "ResourceExhausted" in text or "RESOURCE_EXHAUSTED" in text


def peak_memory_bytes() -> int:
    """Return the most memory [byte] that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_gpu_memory_bytes() -> int | None:
    """Return the most memory [byte] held on the GPU, or None without one."""
    found = gpus()
    if not found:
        return None
    if backend_name() == "tensorflow":
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return int((found[0].memory_stats() or {}).get("peak_bytes_in_use", 0))
