"""Architectures of networks: one file for each that ``networks.*.architecture`` may name.

>>> from exitwave.config import NetworkSettings
>>> network = build_network(NetworkSettings(architecture="unet", channels=(8, 16, 32)), images=3)
>>> network.output_shape
(None, None, None, 2)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exitwave.config import NetworkSettings
from exitwave.registry import Registry

if TYPE_CHECKING:
    import keras

OUTPUT_CHANNELS = 2
"""Of every architecture: Re - 1 and Im of the exit wave."""


class Architecture(Protocol):
    """What the module of an architecture defines."""

    def build_network(self, settings: NetworkSettings, images: int, seed: int) -> keras.Model:
        """Build a network with freshly drawn weights.

        Parameters
        ----------
        settings : NetworkSettings
            Channels, scales, precision and replica; an architecture may leave some of them aside.
        images : int
            Images in a focal series.
        seed : int
            Root seed of the initial weights. They depend on it, on the replica and on the names of
            the layers only: not on the backend, nor on what was built or drawn before.

        Returns
        -------
        keras.Model
            From normalised series ``(sample, y, x, frame)`` to ``(Re - 1, Im)`` of the exit wave,
            ``(sample, y, x, 2)``, in float32 whatever the precision of the layers between. ``y``
            and ``x`` are multiples of `exitwave.config.constraints.size_factor`: whatever the
            architecture, the images may be halved once less than there are ``channels``.
        """

    def reach_px(self, settings: NetworkSettings) -> int:
        """Return how far from a pixel of the wave lie the pixels of the images that it depends on.

        Tiles that overlap by it give the same wave as a whole image. Too large a number only costs
        time.
        """


ARCHITECTURES: Registry[Architecture] = Registry(__name__, "architecture", Architecture)


def build_network(settings: NetworkSettings, images: int, seed: int = 1) -> keras.Model:
    """Build the network that the settings name; see `Architecture.build_network`."""
    return ARCHITECTURES[settings.architecture].build_network(settings, images, seed)
