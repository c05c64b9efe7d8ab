"""The reconstruction network: a U-Net with the residual blocks of FusionNet.

It follows Appendix A.1 of Larsen et al. (arXiv 2112.14308). The encoding path alternates blocks of
convolutions with 2 x 2 max pooling, the decoding path with bilinear upsampling, and the last output
of every encoding level is concatenated to the decoding level of the same resolution (long skip).
Within a block the output of the first convolution is added to the input of the last (short skip).
The paper says between which layers the short skip runs but not how it joins them: FusionNet
(arXiv 1612.05360), where the blocks come from, adds; only the long skips were changed to
concatenation. The network is fully convolutional: trained on images of 128 px, it takes 352 px.

>>> from exitwave.config import NetworkSettings
>>> network = build_network(NetworkSettings(channels=(8, 16, 32)), images=3)
>>> network.output_shape
(None, None, None, 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exitwave.config import NetworkSettings
from exitwave.networks.architectures import OUTPUT_CHANNELS
from exitwave.networks.initial_weights import draw_kernel

if TYPE_CHECKING:
    import keras


def build_network(settings: NetworkSettings, images: int, seed: int = 1) -> keras.Model:
    """Build the U-Net; see `exitwave.networks.architectures.Architecture.build_network`."""
    import keras

    layers = _Layers(settings, seed)
    series = keras.Input((None, None, images), name="series")
    # In float32: a bfloat16 image, which is about 1 everywhere, would lose its contrast here.
    # Locally normalised images have a mean of 0 already.
    offset = -settings.image_scale if settings.normalization == "mean" else 0.0
    tensor = keras.layers.Rescaling(
        settings.image_scale, offset, dtype="float32", name="image_scale"
    )(series)

    long_skips = []
    *levels, bridge = settings.channels
    for level, channels in enumerate(levels):
        tensor = layers.block(tensor, channels, f"down_{level}")
        long_skips.append(tensor)
        tensor = keras.layers.MaxPooling2D(2, dtype=layers.policy, name=f"pool_{level}")(tensor)
    tensor = layers.block(tensor, bridge, "bridge")
    for level, channels in reversed(list(enumerate(levels))):
        tensor = keras.layers.UpSampling2D(
            2, interpolation="bilinear", dtype=layers.policy, name=f"upsample_{level}"
        )(tensor)
        tensor = keras.layers.Concatenate(dtype=layers.policy, name=f"long_skip_{level}")(
            [tensor, long_skips[level]]
        )
        tensor = layers.block(tensor, channels, f"up_{level}")

    tensor = layers.convolution(tensor, OUTPUT_CHANNELS, 1, "output", dtype="float32")
    wave = keras.layers.Rescaling(1 / settings.target_scale, dtype="float32", name="target_scale")(
        tensor
    )
    return keras.Model(series, wave, name="exit_wave_network")


def reach_px(settings: NetworkSettings) -> int:
    """Return how far the network sees; see `exitwave.networks.architectures.Architecture.reach_px`.

    Per level, in its own pixels: a block reaches as far as its kernels, once on the way down and
    once on the way up; pooling adds a pixel of the level above, bilinear upsampling one of the
    level below.
    """
    block = settings.convolutions * (settings.kernel_px // 2)
    *levels, bridge = range(len(settings.channels))
    within = sum(2 * block * 2**level for level in levels) + block * 2**bridge
    between = sum(3 * 2**level for level in levels)
    return int(within + between)


@dataclass(frozen=True)
class _Layers:
    """Makes the layers that carry weights."""

    settings: NetworkSettings
    seed: int

    @property
    def policy(self) -> str:
        return self.settings.precision

    def block(self, tensor: Any, channels: int, name: str) -> Any:
        """Apply a block of convolutions with its short skip."""
        import keras

        count = self.settings.convolutions
        first = None
        for number in range(1, count + 1):
            # In a block of two, the output of the first *is* the input of the last.
            if number == count and count > 2:
                tensor = keras.layers.Add(dtype=self.policy, name=f"{name}_short_skip")(
                    [tensor, first]
                )
            tensor = self._unit(tensor, channels, f"{name}_{number}")
            first = tensor if number == 1 else first
        return tensor

    def _unit(self, tensor: Any, channels: int, name: str) -> Any:
        """Apply a convolution, batch normalisation where it is wanted, and a PReLU."""
        import keras

        normalize = self.settings.batch_normalization
        tensor = self.convolution(
            tensor,
            channels,
            self.settings.kernel_px,
            f"{name}_convolution",
            dtype=self.policy,
            use_bias=not normalize,  # the shift of the batch normalisation takes its place
        )
        if normalize:
            tensor = keras.layers.BatchNormalization(
                dtype=self.policy, name=f"{name}_normalization"
            )(tensor)
        # One slope a channel: slopes for each pixel would fix the size of the images.
        return keras.layers.PReLU(shared_axes=(1, 2), dtype=self.policy, name=f"{name}_prelu")(
            tensor
        )

    def convolution(
        self,
        tensor: Any,
        channels: int,
        kernel_px: int,
        name: str,
        *,
        dtype: str,
        use_bias: bool = True,
    ) -> Any:
        """Apply a convolution whose weights are drawn by its name."""
        import keras

        layer = keras.layers.Conv2D(
            channels,
            kernel_px,
            padding="same",
            use_bias=use_bias,
            kernel_initializer="zeros",
            dtype=dtype,
            name=name,
        )
        result = layer(tensor)
        draw_kernel(layer, self.settings, self.seed)
        return result
