"""A Keras network as an ONNX graph that normalises focal series itself.

Keras' own export cannot be used: it goes through TensorFlow, which has no bilinear upsampling of
images of any size. A network consists of a dozen kinds of layers, though, each of which is one or
two operations of ONNX (https://onnx.ai/onnx/operators/).

| input or output | shape | meaning |
|---|---|---|
| ``series`` | (sample, y, x, frame) | focal series in any unit of intensity |
| ``sampling_angstrom`` | () | side of a pixel [Å]; of networks with local normalisation only |
| ``is_normalized`` | () | optional: whether the series were normalised before; false by default |
| ``wave`` | (sample, y, x, 2) | real and imaginary part of the wave relative to the incident one |

>>> content = as_onnx(model, settings, {"exitwave.name": "mos2"})
>>> Path("model.onnx").write_bytes(content)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exitwave import __version__
from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.networks.architectures import OUTPUT_CHANNELS
from exitwave.networks.normalization import LEAST_SPREAD, LOCAL_SIGMA_ANGSTROM
from exitwave.networks.portable import (
    DIGEST,
    IS_NORMALIZED,
    NO_DIGEST,
    SAMPLING,
    SERIES,
    WAVE,
    sealed,
)

if TYPE_CHECKING:
    import keras
    import onnx

# Old enough for ONNX Runtime 1.10, since DigitalMicrograph comes with an old Python.
_OPSET = 15
_IR_VERSION = 8


def as_onnx(model: keras.Model, settings: NetworkSettings, metadata: Mapping[str, str]) -> bytes:
    """Return the content of an ONNX file that computes what a network does, in float32.

    Parameters
    ----------
    model : keras.Model
        A functional model, as an architecture builds it; each layer is applied once.
    settings : NetworkSettings
        Its normalisation and number of images.
    metadata : mapping of str to str
        What the file says of the network beside its graph.

    Raises
    ------
    ExitwaveError
        Where a layer, or one of its options, has no counterpart here.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph()
    normalized = graph.add(
        "If",
        [IS_NORMALIZED],
        then_branch=onnx.parser.parse_graph(_AS_IT_IS),
        else_branch=onnx.parser.parse_graph(_normalization(settings.normalization)),
    )
    # ONNX has channels before rows and columns, Keras behind them.
    parts = _converted(graph, model, graph.add("Transpose", [normalized], perm=[0, 3, 1, 2]))
    behind = graph.add("Transpose", [parts], perm=[0, 2, 3, 1])
    vacuum = graph.constant("vacuum", np.array([1.0, 0.0]))
    graph.add("Add", [behind, vacuum], WAVE)

    inputs = [_tensor(SERIES, ["sample", "y", "x", settings.images])]
    if settings.normalization == "local":
        inputs.append(_tensor(SAMPLING, []))
    inputs.append(helper.make_tensor_value_info(IS_NORMALIZED, TensorProto.BOOL, []))
    # An input with a value need not be given.
    graph.values.append(helper.make_tensor(IS_NORMALIZED, TensorProto.BOOL, [], [False]))
    written = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "exit_wave_network",
            inputs,
            [_tensor(WAVE, ["sample", "y", "x", OUTPUT_CHANNELS])],
            graph.values,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="exitwave",
        producer_version=__version__,
    )
    helper.set_model_props(written, {**metadata, DIGEST: NO_DIGEST})
    onnx.checker.check_model(written, full_check=True)
    return sealed(written.SerializeToString(deterministic=True))


class _Graph:
    """The nodes of a graph and the values that they are given."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []

    def add(self, operation: str, inputs: list[str], name: str = "", **options: Any) -> str:
        """Add a node, and return the name of its result."""
        from onnx import helper

        name = name or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, inputs, [name], name=name, **options))
        return name

    def constant(self, name: str, value: NDArray[np.floating]) -> str:
        """Add numbers in float32, and return their name."""
        from onnx import numpy_helper

        values = np.ascontiguousarray(value, dtype=np.float32)
        self.values.append(numpy_helper.from_array(values, name))
        return name


def _tensor(name: str, shape: list[str | int]) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


_AS_IT_IS = f"""as_it_is () => (float[sample, y, x, frame] given) {{
    given = Identity ({SERIES})
}}"""


def _normalization(method: str) -> str:
    """Return `exitwave.networks.normalization` as the text of a graph; type 11 is a double."""
    over_mean = f"""
        wide = Cast <to = 11> ({SERIES})
        mean = ReduceMean <axes = [1, 2, 3]> (wide)
        mean_single = Cast <to = 1> (mean)
        scaled = Div ({SERIES}, mean_single)
    """
    if method == "mean":
        return f"over_mean () => (float[sample, y, x, frame] scaled) {{ {over_mean} }}"
    return f"""local () => (float[sample, y, x, frame] local) {{
        {over_mean}
        one = Constant <value = float {{1.0}}> ()
        deviation = Sub (scaled, one)
        deviation_wide = Cast <to = 11> (deviation)
        level = ReduceMean <axes = [3], keepdims = 0> (deviation_wide)
        square = Mul (deviation, deviation)
        square_wide = Cast <to = 11> (square)
        power = ReduceMean <axes = [3], keepdims = 0> (square_wide)

        sigma_angstrom = Constant <value = double {{{LOCAL_SIGMA_ANGSTROM}}}> ()
        sampling = Cast <to = 11> ({SAMPLING})
        sigma = Div (sigma_angstrom, sampling)
        half = Constant <value = double {{-0.5}}> ()
        zero = Constant <value = double {{0.0}}> ()
        step = Constant <value = double {{1.0}}> ()
        first = Constant <value_ints = [0]> ()
        second = Constant <value_ints = [1]> ()
        third = Constant <value_ints = [3]> ()
        shape = Shape ({SERIES})
        {_weights("rows", 1)}
        {_weights("columns", 2)}
        columns_turned = Transpose <perm = [1, 0]> (columns)

        level_rows = MatMul (rows, level)
        level_smooth = MatMul (level_rows, columns_turned)
        power_rows = MatMul (rows, power)
        power_smooth = MatMul (power_rows, columns_turned)
        level_square = Mul (level_smooth, level_smooth)
        variance = Sub (power_smooth, level_square)
        least = Constant <value = double {{{LEAST_SPREAD**2!r}}}> ()
        at_least = Max (variance, least)
        spread = Sqrt (at_least)
        level_single = Cast <to = 1> (level_smooth)
        spread_single = Cast <to = 1> (spread)
        level_of_frames = Unsqueeze (level_single, third)
        spread_of_frames = Unsqueeze (spread_single, third)
        flat = Sub (deviation, level_of_frames)
        local = Div (flat, spread_of_frames)
    }}"""


def _weights(name: str, axis: int) -> str:
    """Return how the pixels along an axis are weighed in the neighbourhood of each other."""
    return f"""
        {name}_axis = Constant <value_int = {axis}> ()
        {name}_size = Gather (shape, {name}_axis)
        {name}_count = Cast <to = 11> ({name}_size)
        {name}_place = Range (zero, {name}_count, step)
        {name}_down = Unsqueeze ({name}_place, second)
        {name}_across = Unsqueeze ({name}_place, first)
        {name}_distance = Sub ({name}_down, {name}_across)
        {name}_ratio = Div ({name}_distance, sigma)
        {name}_square = Mul ({name}_ratio, {name}_ratio)
        {name}_exponent = Mul ({name}_square, half)
        {name}_gaussian = Exp ({name}_exponent)
        {name}_sum = ReduceSum ({name}_gaussian, second)
        {name} = Div ({name}_gaussian, {name}_sum)
    """


def _converted(graph: _Graph, model: keras.Model, series: str) -> str:
    """Add the layers of a model in their order, and return the name of its output."""
    import keras

    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise ExitwaveError(
            "The network is no functional model of Keras, which is all that can be exported to "
            "ONNX; build it from keras.Input, as docs/extending.md shows."
        )
    # By the identity of Keras' tensors: layers say which they take and which they make.
    names = {id(model.inputs[0]): series}
    for layer in model.operations:
        kind = type(layer).__name__
        if kind == "InputLayer":
            continue
        known = {*_LAYERS, *_IDLE}
        if type(layer) is not getattr(keras.layers, kind, None) or kind not in known:
            raise ExitwaveError(
                f"The network's layer {layer.name} is a {kind}, which cannot be exported to ONNX; "
                f"use one of {', '.join(sorted(known))}, or add it to "
                "exitwave/networks/conversion.py."
            )
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise _unknown(layer, "data_format")
        taken, made = layer.input, layer.output
        taken = taken if isinstance(taken, list) else [taken]
        # Of a layer that is applied twice Keras shows the first time only.
        if any(id(each) not in names for each in taken):
            raise ExitwaveError(
                f"The network's layer {layer.name} takes the result of one that is applied more "
                "than once, which cannot be exported to ONNX; give each place a layer of its own."
            )
        inputs = [names[id(each)] for each in taken]
        names[id(made)] = inputs[0] if kind in _IDLE else _LAYERS[kind](graph, layer, inputs)
    return names[id(model.outputs[0])]


def _unknown(layer: keras.layers.Layer, option: str) -> ExitwaveError:
    return ExitwaveError(
        f"The network's layer {layer.name} has {option} = {getattr(layer, option)!r}, which cannot "
        "be exported to ONNX; choose another, or add it to exitwave/networks/conversion.py."
    )


def _array(variable: Any) -> NDArray[np.float32]:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable), dtype=np.float32)


def _by_channel(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return numbers that vary along Keras' last axis so that they vary along ONNX's channels."""
    return values if values.size == 1 else values.reshape(-1, 1, 1)


def _convolution(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    inputs = [*inputs, graph.constant(f"{layer.name}/kernel", _kernel(layer))]
    if layer.use_bias:
        inputs.append(graph.constant(f"{layer.name}/bias", _array(layer.bias)))
    padding: dict[str, Any] = {"pads": [0, 0, 0, 0]}
    if layer.padding == "same" and set(layer.strides) == {1}:
        # An odd row or column lies at the end, as in TensorFlow.
        missing = [
            (size - 1) * dilation
            for size, dilation in zip(layer.kernel_size, layer.dilation_rate, strict=True)
        ]
        padding = {"pads": [*(all_ // 2 for all_ in missing), *(-(-all_ // 2) for all_ in missing)]}
    elif layer.padding == "same":
        padding = {"auto_pad": "SAME_UPPER"}
    result = graph.add(
        "Conv",
        inputs,
        layer.name,
        strides=list(layer.strides),
        dilations=list(layer.dilation_rate),
        group=layer.groups,
        **padding,
    )
    return _activation(graph, layer, [result])


def _kernel(layer: keras.layers.Layer) -> NDArray[np.float32]:
    """Return a kernel as (output, input, y, x), where Keras has (y, x, input, output)."""
    return _array(layer.kernel).transpose(3, 2, 0, 1)


_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus"}


def _activation(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    name = layer.get_config()["activation"]
    if name == "linear":
        return inputs[0]
    if name not in _ACTIVATIONS:
        raise _unknown(layer, "activation")
    return graph.add(_ACTIVATIONS[name], inputs, f"{layer.name}/{name}")


def _prelu(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if list(layer.shared_axes or ()) != [1, 2]:
        raise _unknown(layer, "shared_axes")
    slope = graph.constant(f"{layer.name}/slope", _by_channel(_array(layer.alpha)))
    return graph.add("PRelu", [*inputs, slope], layer.name)


def _relu(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    for option, plain in (("max_value", None), ("negative_slope", 0), ("threshold", 0)):
        if getattr(layer, option) != plain:
            raise _unknown(layer, option)
    return graph.add("Relu", inputs, layer.name)


def _leaky_relu(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    return graph.add("LeakyRelu", inputs, layer.name, alpha=float(layer.negative_slope))


def _batch_normalization(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if layer.axis not in (-1, 3):
        raise _unknown(layer, "axis")
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    scale = _array(layer.gamma) if layer.scale else np.ones_like(mean)
    shift = _array(layer.beta) if layer.center else np.zeros_like(mean)
    values = {"scale": scale, "shift": shift, "mean": mean, "variance": variance}
    named = [graph.constant(f"{layer.name}/{name}", value) for name, value in values.items()]
    return graph.add(
        "BatchNormalization", [*inputs, *named], layer.name, epsilon=float(layer.epsilon)
    )


def _rescaling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    result = inputs[0]
    for operation, name, value in (
        ("Mul", "scale", np.asarray(layer.scale, np.float32)),
        ("Add", "offset", np.asarray(layer.offset, np.float32)),
    ):
        constant = graph.constant(f"{layer.name}/{name}", _by_channel(value))
        result = graph.add(operation, [result, constant], f"{layer.name}/{operation}")
    return result


def _add(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    return graph.add("Sum", inputs, layer.name)


def _concatenate(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if layer.axis not in (-1, 3):
        raise _unknown(layer, "axis")
    return graph.add("Concat", inputs, layer.name, axis=1)


def _pooling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    operation = {"MaxPooling2D": "MaxPool", "AveragePooling2D": "AveragePool"}[type(layer).__name__]
    if layer.padding != "valid":
        raise _unknown(layer, "padding")
    return graph.add(
        operation,
        inputs,
        layer.name,
        kernel_shape=list(layer.pool_size),
        strides=list(layer.strides),
    )


def _upsampling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    modes: dict[str, dict[str, str]] = {
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        "nearest": {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
    }
    if layer.interpolation not in modes:
        raise _unknown(layer, "interpolation")
    scales = graph.constant(f"{layer.name}/scales", np.array([1, 1, *layer.size], np.float32))
    # Behind the input stands the region of interest, which this mode does not have.
    return graph.add("Resize", [*inputs, "", scales], layer.name, **modes[layer.interpolation])


# They act in a training only.
_IDLE = ("Dropout", "SpatialDropout2D")

_LAYERS: dict[str, Callable[[_Graph, Any, list[str]], str]] = {
    "Activation": _activation,
    "Add": _add,
    "AveragePooling2D": _pooling,
    "BatchNormalization": _batch_normalization,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "LeakyReLU": _leaky_relu,
    "MaxPooling2D": _pooling,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "UpSampling2D": _upsampling,
}
