"""Samples: what one sample of each kind of store holds, as typed values with units."""

from exitwave.samples.epochs import EPOCH, EpochSample
from exitwave.samples.exit_waves import EXIT_WAVES, ExitWaveSample

__all__ = ["EPOCH", "EXIT_WAVES", "EpochSample", "ExitWaveSample"]
