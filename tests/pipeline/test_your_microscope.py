"""docs/your_microscope.md as it stands, on a series that abTEM alone has simulated."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from abtem_experiment import (
    DRIFT,
    K3_MTF,
    PIXEL,
    Experiment,
    columns_found,
    make_experiment,
)
from factory import ROOT, SNAKEMAKE, Factory
from measured_files import write_mrc, write_signal

from exitwave.config.mtf_curve import read_mtf_curve

pytestmark = pytest.mark.timeout(3000)

PAGE = ROOT / "docs/your_microscope.md"
FILE = re.compile(r"^```(?:yaml)?\n# (\w+\.\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def said_by(folder: Path, command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a folder, with the Snakefile of this checkout."""
    name, *words = shlex.split(command)
    if name == "snakemake":
        words += ["--snakefile", str(ROOT / "Snakefile")]
    return subprocess.run(
        [str(SNAKEMAKE.parent / name), *words],
        cwd=folder,
        env=Factory(folder, one_thread=True).environment(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return make_experiment()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, experiment):
    """The folder of somebody who has done all that the page says."""
    folder = tmp_path_factory.mktemp("microscope")
    text = PAGE.read_text(encoding="utf-8")
    files = dict(FILE.findall(text))
    assert set(files) == {"k3_mtf.txt", "wse2.yaml"}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    write_mrc(folder / "series.mrc", experiment.frames, pixel=PIXEL)
    for block in COMMANDS.findall(text):
        for command in block.splitlines():
            done = said_by(folder, command, timeout=2900)
            assert done.returncode == 0, done.stdout[-6000:]
            (folder / f"{shlex.split(command)[1]}.said").write_text(done.stdout)
    return folder


def reconstructed(folder: Path, series: str, *options: str) -> subprocess.CompletedProcess[str]:
    (command,) = re.findall(r"^exitwave reconstruct .*", PAGE.read_text(), re.MULTILINE)
    given = command.replace("series.mrc", series).replace("wave.nc", f"{series}.nc")
    return said_by(folder, shlex.join([*shlex.split(given), *options]))


def test_the_camera_of_the_page_is_that_of_the_experiment(folder):
    curve = read_mtf_curve(str(folder / "k3_mtf.txt"))
    assert tuple(value for _, value in curve) == K3_MTF


def test_the_columns_are_found(folder, experiment):
    with xr.open_dataset(folder / "wave.nc") as result:
        real, imaginary = np.moveaxis(result["exit_wave"].values, -1, 0)
    found = columns_found(real + 1j * imaginary, experiment)
    assert found.share >= 0.85
    assert found.spurious <= 0.15


def test_the_drift_is_undone(folder):
    said = (folder / "reconstruct.said").read_text()
    (line,) = re.findall(r"moved back by \(y, x\) (.*) px", said)
    shifts = np.array([float(each) for each in re.findall(r"[-+]\d+\.\d+", line)]).reshape(-1, 2)
    off = np.delete(shifts - DRIFT, len(DRIFT) // 2, axis=0)
    assert np.sqrt(np.mean(off**2)) < 0.2


def test_every_format_gives_the_same_wave(folder, experiment):
    waves = []
    for kind in ("mrc", "tif", "hspy"):
        path = folder / f"series.{kind}"
        if kind != "mrc":
            write_signal(path, experiment.frames, pixel=(PIXEL / 10, PIXEL / 10))
        done = reconstructed(folder, path.name, "--no-align")
        assert done.returncode == 0, done.stdout
        with xr.open_dataset(f"{path}.nc") as result:
            waves.append(result["exit_wave"].values)
        Path(f"{path}.nc").unlink()
    for other in waves[1:]:
        np.testing.assert_array_equal(other, waves[0])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--energy-kev", "200"], "an energy of 80 keV, but here is one of 200 keV"),
        (["--defocus-step-angstrom", "80"], "steps of the defocus of 49 to 51 Å"),
        (["--pixel-angstrom", "0.2"], "pixels of 0.12 Å, but here are some of 0.2 Å"),
    ],
)
def test_a_series_of_another_microscope_is_refused(folder, options, reason):
    done = reconstructed(folder, "series.mrc", *options)
    assert done.returncode == 1
    assert reason in done.stdout
    assert not (folder / "series.mrc.nc").exists()


def test_a_series_of_too_few_images_is_refused(folder):
    """Even with --force, since a network cannot be given them."""
    done = reconstructed(folder, "series.mrc", "--frames", "0", "1", "--force")
    assert done.returncode == 2
    assert "The series has 2 images, but the network takes 3" in done.stdout
