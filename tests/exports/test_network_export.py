"""A network as ONNX: the same waves as Keras', also in tiles, also without Keras."""

import json
import os
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import xarray as xr

from exitwave.cli import main
from exitwave.config import NetworkSettings
from exitwave.errors import ExitwaveError
from exitwave.exports import network as network_export
from exitwave.networks.architectures import build_network
from exitwave.networks.conversion import as_onnx
from exitwave.networks.domain import TrainingDomain
from exitwave.networks.portable import FILE_NAME, PortableNetwork
from exitwave.networks.tiles import predict_in_tiles
from exitwave.networks.trained import (
    TrainedNetwork,
    load_network,
    predict_waves,
    read_domain,
    read_settings,
    save_network,
)
from exitwave.provenance import inputs

PIXEL = 0.105
SETTINGS = NetworkSettings(
    channels=(4, 8), convolutions=2, batch_normalization=True, target_scale=4, image_scale=2
)
DOMAIN = TrainingDomain(
    images=3,
    energy_kev=(80.0, 80.0),
    sampling_angstrom=(0.10, 0.11),
    defocus_angstrom=(-150.0, 150.0),
    defocus_step_angstrom=(49.0, 51.0),
    formulas=("MoS2", "WS2"),
)
DATABASE = {"path": "c2db.db", "digest": "5a"}
ORIGIN = {"created": "2026-01-02", "inputs": json.dumps({"database": [DATABASE]})}


def networks_folder(folder, **options):
    """A folder with a network whose every weight is drawn, those of normalisations, too."""
    settings = SETTINGS.model_copy(update=options)
    model = build_network(settings, settings.images)
    draw = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization | keras.layers.PReLU):
            drawn = [draw.uniform(0.2, 1, each.shape) for each in layer.get_weights()]
            layer.set_weights(drawn)
    save_network(folder, model, settings, ORIGIN, domain=DOMAIN)
    return folder


def export(folder, output, *options, code=0):
    assert main(["export", str(folder), "--to", "onnx", "--output", str(output), *options]) == code


# Those tests that start other processes take one normalisation each.
only = {
    method: pytest.mark.parametrize("exported", [method], indirect=True)
    for method in ("mean", "local")
}


@pytest.fixture(scope="module", params=["mean", "local"])
def exported(request, tmp_path_factory):
    """The folder of a network, trained in 16 bits, and that of its export."""
    base = tmp_path_factory.mktemp(request.param)
    folder = networks_folder(base / "tiny", normalization=request.param, precision="mixed_bfloat16")
    export(folder, base / "portable")
    return folder, base / "portable"


def counts(*shape):
    """A series in electrons whose contrast differs from place to place."""
    draw = np.random.default_rng(2)
    slope = np.linspace(0.5, 1.5, shape[-2])[:, np.newaxis]
    return draw.poisson(300 * slope * (1 + 0.2 * draw.random(shape))).astype(np.float32)


@pytest.mark.parametrize("size", [(32, 32), (40, 56)])
def test_onnx_runtime_gives_the_waves_of_keras(exported, size):
    folder, portable = exported
    image = counts(2, *size, 3)
    expected = predict_waves(load_network(folder, precision="float32"), image, PIXEL)
    network = load_network(portable)
    assert isinstance(network, PortableNetwork)
    scale = max(1.0, np.abs(expected).max())
    for found in (
        predict_waves(network, image, PIXEL),
        network.from_intensities(image, PIXEL),
        network.from_intensities(7 * image, PIXEL),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale)
    assert np.abs(expected - 1).max() > 0.1


def test_tiles_give_the_wave_of_the_whole_image(exported):
    network = load_network(exported[1] / FILE_NAME)
    image = counts(110, 130, 3)
    whole = predict_in_tiles(network, image, PIXEL)
    tiled = predict_in_tiles(network, image, PIXEL, tile_px=48)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    np.testing.assert_allclose(
        network.from_intensities(image[np.newaxis], PIXEL)[0], whole, atol=1e-5
    )


def test_the_file_says_what_the_folder_says(exported):
    folder, portable = exported
    for path in (portable, portable / FILE_NAME):
        assert read_domain(path) == DOMAIN
        assert read_settings(path) == read_settings(folder)
        network = load_network(path)
        assert (network.name, network.domain) == ("tiny", DOMAIN)
        assert network.settings.precision == "float32"
    made_from = inputs.of_networks([portable / FILE_NAME])
    assert made_from["database"] == [DATABASE]
    assert made_from["networks"][0]["path"] == str(portable / FILE_NAME)


def test_the_card_and_its_check(exported):
    """The card's own lines, run where only NumPy and ONNX Runtime are imported."""
    portable = exported[1]
    card = (portable / "README.md").read_text()
    for words in (
        "# tiny: exit waves from focal series of 3 images",
        "| energy of the electrons | 80 keV |",
        "| side of a pixel | 0.1 to 0.11 Å |",
        "| defocus; positive is underfocus | −150 to 150 Å |",
        "| formulas | MoS2, WS2 |",
        "multiples of 2 px",
        "- trained: 2026-01-02",
    ):
        assert words in card
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
    code += "import sys\nassert not {'keras', 'tensorflow', 'jax', 'exitwave'} & {*sys.modules}\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=portable, check=True, capture_output=True, text=True
    )
    differences = [float(line) for line in done.stdout.split()]
    assert len(differences) == 2
    assert max(differences) < 2e-5
    tensors = np.load(portable / "test_tensors.npz")
    assert [tensors[f"series_{number}"].shape for number in (0, 1)] == [
        (1, 128, 128, 3),
        (1, 96, 160, 3),
    ]


WITHOUT_KERAS = """
import sys
for name in ("keras", "tensorflow", "jax"):
    sys.modules[name] = None  # so importing it raises
import numpy as np
import exitwave
found = exitwave.reconstruct(
    ["series.npy"], [{network!r}], "alone.nc", pixel_angstrom=0.105, energy_kev=80,
    defocus_angstrom=(-50, 0, 50), align=False, tile_px=48,
)
np.save("alone.npy", found.wave)
"""


@only["mean"]
def test_reconstruct_needs_neither_keras_nor_its_backends(exported, tmp_path):
    folder, portable = exported
    frames = np.moveaxis(counts(90, 75, 3), -1, 0)
    np.save(tmp_path / "series.npy", frames)
    code = textwrap.dedent(WITHOUT_KERAS).format(network=str(portable / FILE_NAME))
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ}, check=True)
    network = load_network(folder, precision="float32")
    expected = predict_in_tiles(network, np.moveaxis(frames, 0, -1), PIXEL)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(np.load(tmp_path / "alone.npy"), expected, atol=1e-5 * scale)
    with xr.open_dataset(tmp_path / "alone.nc") as stored:
        assert json.loads(stored.inputs)["networks"][0]["path"] == str(portable / FILE_NAME)


@only["local"]
def test_jax_writes_what_tensorflow_writes(exported, tmp_path):
    folder, portable = exported
    code = "import sys; from exitwave.cli import main; sys.exit(main(sys.argv[1:]))"
    subprocess.run(
        [sys.executable, "-c", code, "export", folder, "--to", "onnx", "--output", tmp_path / "o"],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    # The metadata hold nothing that differs either.
    assert (tmp_path / "o" / FILE_NAME).read_bytes() == (portable / FILE_NAME).read_bytes()


def test_damaged_and_foreign_files_are_refused(exported, tmp_path):
    content = (exported[1] / FILE_NAME).read_bytes()
    middle = len(content) // 3
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    foreign = onnx.load_from_string(content)
    del foreign.metadata_props[:]
    for name, wrong, sentence in (
        ("flipped", flipped, "damaged or was changed .its content differs from its checksum"),
        ("cut", content[:-2000], "damaged or was changed"),
        ("none", b"not a network", "damaged or was changed"),
        ("foreign", foreign.SerializeToString(), "an ONNX file, but none that exitwave wrote"),
    ):
        (tmp_path / f"{name}.onnx").write_bytes(wrong)
        for read in (load_network, read_settings, read_domain):
            with pytest.raises(ExitwaveError, match=f"{name}.onnx is {sentence}"):
                read(tmp_path / f"{name}.onnx")
    with pytest.raises(ExitwaveError, match=r"no\.onnx cannot be read"):
        load_network(tmp_path / "no.onnx")
    with pytest.raises(ExitwaveError, match="computes in float32, not in mixed_bfloat16"):
        load_network(exported[1], precision="mixed_bfloat16")


def test_other_series_are_refused(exported):
    network = load_network(exported[1])
    with pytest.raises(ExitwaveError, match=r"takes \(sample, y, x, 3\)"):
        predict_waves(network, counts(1, 32, 32, 2), PIXEL)
    with pytest.raises(ExitwaveError, match="33 x 32 px, but the network takes multiples of 2"):
        predict_waves(network, counts(1, 33, 32, 3), PIXEL)
    with pytest.raises(ExitwaveError, match=r"tiny is not for these series: .* 0.2 Å"):
        predict_waves(network, counts(1, 32, 32, 3), 0.2)


@only["mean"]
def test_mistakes_of_the_command_are_told(exported, tmp_path, capsys):
    folder = exported[0]
    for arguments, sentence in (
        ([tmp_path, "--to", "onnx"], "holds no trained network, but --to onnx exports one"),
        ([folder, "--to", "numpy"], "holds a network, but --to numpy exports a data set"),
        ([folder, "--to", "onnx", "--images", "3"], "--images is for data sets"),
        ([folder, "--to", "onnx", "--exit-waves"], "--exit-waves is for data sets"),
    ):
        assert main(["export", *map(str, arguments), "--output", str(tmp_path / "out")]) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    export(folder, folder, code=2)
    assert "which is no part of an exported network" in capsys.readouterr().err
    assert (folder / "model.keras").exists()
    (tmp_path / "file").touch()
    export(folder, tmp_path / "file", code=2)
    assert "--output names a folder" in capsys.readouterr().err


@only["mean"]
def test_a_difference_leaves_nothing(exported, tmp_path, monkeypatch):
    wrong = PortableNetwork.from_intensities
    monkeypatch.setattr(
        PortableNetwork, "from_intensities", lambda *given: wrong(*given) + np.float32(1e-3)
    )
    with pytest.raises(ExitwaveError, match="128 x 128 px ONNX Runtime and Keras differ by"):
        network_export.export_network(exported[0], tmp_path / "out")
    assert not any(tmp_path.iterdir())


def converted(build, size=(16, 24)):
    """What ONNX Runtime and Keras make of a network of other layers, which take 2 images."""
    series = keras.Input((None, None, 2), name="series")
    wave = keras.layers.Conv2D(2, 3, padding="same", name="last")(build(series))
    settings = SETTINGS.model_copy(update={"images": 2, "normalization": "mean"})
    model = keras.Model(series, wave)
    session = onnxruntime.InferenceSession(as_onnx(model, settings, {}))
    image = np.random.default_rng(1).random((1, *size, 2), dtype=np.float32)
    given = {"series": image, "is_normalized": np.array(True)}
    parts = session.run(["wave"], given)[0]
    wave = TrainedNetwork(model, settings).apply(image)
    return parts[..., 0] + 1j * parts[..., 1], wave


LAYERS = {
    "even kernels": lambda x: keras.layers.Conv2D(3, 4, padding="same", activation="relu")(x),
    "dilated": lambda x: keras.layers.Conv2D(3, 3, padding="same", dilation_rate=2)(x),
    "groups": lambda x: keras.layers.Conv2D(4, 3, padding="same", groups=2)(x),
    "strides": lambda x: keras.layers.UpSampling2D(2)(
        keras.layers.Conv2D(3, 3, padding="same", strides=2)(x)
    ),
    "pooling": lambda x: keras.layers.UpSampling2D(2, interpolation="nearest")(
        keras.layers.AveragePooling2D(2)(x)
    ),
    "activations": lambda x: keras.layers.LeakyReLU(0.2)(
        keras.layers.Activation("tanh")(keras.layers.ReLU()(keras.layers.SpatialDropout2D(0.5)(x)))
    ),
    "scale of each image": lambda x: keras.layers.Rescaling([2.0, 3.0], [0.5, -0.5])(x),
    "sum": lambda x: keras.layers.Add()([x, x]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_other_architectures(name):
    found, expected = converted(LAYERS[name])
    np.testing.assert_allclose(found, expected, atol=1e-5)


REFUSED = {
    "is a LayerNormalization, which cannot": lambda x: keras.layers.LayerNormalization()(x),
    "has activation = .* cannot": lambda x: keras.layers.Conv2D(2, 1, activation="mish")(x),
    "has padding = 'same', which": lambda x: keras.layers.MaxPooling2D(2, 1, padding="same")(x),
    "is applied more than once": lambda x: (lambda layer: layer(layer(x)))(
        keras.layers.Conv2D(2, 1)
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_unknown_layers_are_refused(sentence):
    with pytest.raises(ExitwaveError, match=sentence):
        converted(REFUSED[sentence])
