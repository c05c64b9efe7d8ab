"""Summaries as the stages write them, for tests of who reads them."""

from typing import Any

from exitwave.summaries.training import TrainingSummary


def training_summary(**changes: Any) -> TrainingSummary:
    """A training of a small network on a processor."""
    values: dict[str, Any] = {
        "parameters": 123456,
        "training_samples": 110,
        "validation_samples": 40,
        "image_size_px": (64, 64),
        "epochs": 30,
        "loss": 2.1e-4,
        "val_loss": 3.4e-4,
        "best_epoch": 28,
        "best_val_loss": 3.2e-4,
        "seconds": 4000.5,
        "waiting_share": 0.01,
        "seconds_per_epoch": 133.3,
        "samples_per_second": 0.83,
        "peak_memory_bytes": 1_500_000_000,
        "backend": "tensorflow",
        "device": "a processor",
        "training_data": ("5a",),
        "validation_data": ("c3",),
    }
    return TrainingSummary(**values | changes)
