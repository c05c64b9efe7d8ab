"""How far a network's waves are off, by frequency and dose: what a refinement lets them change.

The errors of a wave lie where its own power lies, on the spots of a crystal and on its flake, so
they are given as a share of the power that the network's wave has there: that keeps for other
materials, too.

>>> power = ErrorPower.measured(errors)
>>> power.shares(np.array([0.5, 1.0]), dose=1e4)[0]      # of the real part's error
array([0.02, 0.2])
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]
Wave = NDArray[np.complexfloating]

# Power is the mean over so much of frequency space (standard deviation) [1/Å].
_SMOOTH = 0.02
# To this share it is the mean over all directions: a wave may lack a spot altogether.
_ROUND = 0.1
_FREQUENCIES = (0.05, *np.arange(0.15, 1.2, 0.1), 1.275, 1.425, 1.6, 1.8, 2.05, 2.4, 2.9, 3.95)
_DOSES = 10.0 ** np.arange(2.25, 6.0, 0.5)
# Samples count for a dose by how near theirs is: standard deviation of log10.
_NEAR = 0.25


@dataclass(frozen=True)
class ErrorPower:
    """Power of the error of a network's waves over the smoothed power of the waves themselves.

    Attributes
    ----------
    frequencies : (frequency,) array
        [1/Å]
    doses : (dose,) array
        Electrons per Å² of an image.
    real, imag : (dose, frequency) array
        Share of the wave's power that the error of either part has.
    """

    frequencies: Floats
    doses: Floats
    real: Floats
    imag: Floats

    def shares(self, frequency: Floats, dose: float) -> tuple[Floats, Floats]:
        """Return the shares of real and imaginary part at frequencies [1/Å] and a dose [e/Å²].

        Between the table's they are interpolated, logarithms linearly in frequency and in that of
        the dose, and beyond they stay.
        """
        place = np.interp(np.log(dose), np.log(self.doses), np.arange(len(self.doses)))
        low = min(int(place), len(self.doses) - 2) if len(self.doses) > 1 else 0
        found = []
        for table in (np.log(self.real), np.log(self.imag)):
            row = table[low]
            if len(self.doses) > 1:
                row = row + (place - low) * (table[low + 1] - row)
            found.append(np.exp(np.interp(frequency, self.frequencies, row)))
        return found[0], found[1]

    @classmethod
    def uniform(cls, share: float) -> ErrorPower:
        """Return the same share at all frequencies and doses."""
        table = np.full((1, 1), share)
        return cls(np.ones(1), np.ones(1), table, table)

    @classmethod
    def measured(cls, samples: Iterable[tuple[Wave, Wave, float, float]]) -> ErrorPower:
        """Measure it.

        Parameters
        ----------
        samples : iterable of (wave, truth, sampling, dose)
            A network's wave (y, x) and the true one, side of a pixel [Å] and electrons per Å².
        """
        edges = np.array(
            [0.0, *(np.array(_FREQUENCIES[1:]) + np.array(_FREQUENCIES[:-1])) / 2, np.inf]
        )
        rows: list[tuple[float, Floats]] = []
        for wave, truth, sampling, dose in samples:
            size = [2 * side for side in wave.shape]
            ky, kx = (np.fft.fftfreq(side, sampling) for side in size)
            frequency = np.hypot(ky[:, np.newaxis], kx[np.newaxis, :])
            ring = np.digitize(frequency.ravel(), edges) - 1
            error = wave - truth
            steps = [1 / (side * sampling) for side in size]
            powers = (
                np.abs(np.fft.fft2(error.real, size)) ** 2,
                np.abs(np.fft.fft2(error.imag, size)) ** 2,
                smoothed(np.abs(np.fft.fft2(wave - 1, size)) ** 2, (steps[0], steps[1])),
            )
            sums = [np.bincount(ring, power.ravel(), len(_FREQUENCIES)) for power in powers]
            rows.append((np.log10(dose), np.array(sums)))
        doses = np.array([row[0] for row in rows])
        near = np.exp(-(((np.log10(_DOSES)[:, np.newaxis] - doses) / _NEAR) ** 2) / 2)
        # Doses that no sample has take after the nearest one.
        near += 1e-6 * np.exp(-np.abs(np.log10(_DOSES)[:, np.newaxis] - doses))
        summed = np.einsum("ds,spf->pdf", near, np.array([row[1] for row in rows]))
        power = np.maximum(summed[2], np.finfo(np.float64).tiny)
        shares = [np.maximum(summed[part] / power, 1e-8) for part in (0, 1)]
        return cls(np.array(_FREQUENCIES), _DOSES, shares[0], shares[1])

    def as_json(self) -> dict[str, object]:
        """Return what is stored."""
        return {
            "frequencies_per_angstrom": [round(float(each), 6) for each in self.frequencies],
            "doses_per_square_angstrom": [float(f"{each:.6g}") for each in self.doses],
            "real": [[float(f"{each:.4g}") for each in row] for row in self.real],
            "imag": [[float(f"{each:.4g}") for each in row] for row in self.imag],
        }

    @classmethod
    def from_json(cls, stored: dict[str, object]) -> ErrorPower:
        """Return what `as_json` gave.

        Raises
        ------
        ValueError
            Where it is something else.
        """
        names = ("frequencies_per_angstrom", "doses_per_square_angstrom", "real", "imag")
        try:
            values = [np.array(stored[name], dtype=np.float64) for name in names]
        except (KeyError, TypeError, ValueError):
            raise ValueError("its table of error power is unusable") from None
        frequencies, doses, real, imag = values
        if real.shape != (len(doses), len(frequencies)) or imag.shape != real.shape:
            raise ValueError("its table of error power has other sizes than its axes")
        if not (np.all(real > 0) and np.all(imag > 0)):
            raise ValueError("its table of error power has values that are not above 0")
        return cls(frequencies, doses, real, imag)


def smoothed(power: Floats, step: tuple[float, float]) -> Floats:
    """Return the power (ky, kx), in the order of the FFT, as a mean over its neighbourhood.

    Parameters
    ----------
    power : (ky, kx) array
        On all frequencies of a transform.
    step : (float, float)
        From a frequency to the next, along y and x [1/Å].
    """
    near = gaussian_filter(power, [_SMOOTH / each for each in step], mode="wrap")
    ky, kx = (
        np.fft.fftfreq(side) * side * each for side, each in zip(power.shape, step, strict=True)
    )
    ring = np.rint(np.hypot(ky[:, np.newaxis], kx[np.newaxis, :]) / (2 * _SMOOTH)).astype(np.intp)
    count = np.bincount(ring.ravel())
    around = np.bincount(ring.ravel(), near.ravel()) / np.maximum(count, 1)
    return np.asarray((1 - _ROUND) * near + _ROUND * around[ring], dtype=np.float64)
