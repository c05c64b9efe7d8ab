"""A drifting series from a file becomes a wave without a network, and says how good that is."""

import json

import numpy as np
import pytest
import xarray as xr
from drifting_atoms import FRAMES, NOMINAL, PIXEL, series

from exitwave.errors import ExitwaveError
from exitwave.reconstruction.refinement.known import KnownOptics
from exitwave.stages.classical import reconstruct_classically

GIVEN = {
    "pixel_angstrom": PIXEL,
    "energy_kev": 300.0,
    "defocus_angstrom": NOMINAL.defocus,
    "dose_per_square_angstrom": NOMINAL.dose,
    "known": KnownOptics(spherical_aberration_micrometre=1000.0, focal_spread_angstrom=30.0),
    "defocus_error_angstrom": 30.0,
}


@pytest.fixture
def path(tmp_path):
    """The frames as a file of 16 bits, those of a smaller field."""
    name = tmp_path / "series.npy"
    frames = np.moveaxis(series().counts, -1, 0)[:, 10:86, 10:86]
    np.save(name, frames.astype(np.uint16))
    return name


def test_a_file_becomes_a_wave(path, tmp_path):
    output = tmp_path / "made" / "wave.nc"
    found = reconstruct_classically(path, output, hold_out=1, formats=("tiff",), **GIVEN)
    assert found.wave.shape == (76, 76)
    assert found.warnings == ()
    with xr.open_dataset(output) as stored:
        parts = stored["exit_wave"].values
        np.testing.assert_array_equal(parts[..., 0] + 1j * parts[..., 1], found.wave)
        assert stored.sizes["frame"] == FRAMES
        fitted = json.loads(stored.attrs["classical"])
        assert json.loads(stored.attrs["settings"])["hold_out"] == 1
        assert "held out" in stored.attrs["notes"]
    true = series().microscope
    for along in ("shift_x", "shift_y"):
        place = np.array(fitted[along])
        exact = np.array(getattr(true, along))
        np.testing.assert_allclose(place - place.mean(), exact - exact.mean(), atol=0.15)
    (held,) = fitted["held_out"]
    assert held["wave"]["unexplained"] < held["neighbours"]["unexplained"]
    assert output.with_suffix(".png").exists()
    assert output.with_name("wave_phase.tif").exists()


def test_frames_in_rising_order_stay_in_it(path, tmp_path):
    """Networks take series in one order; here the numbers of the frames are those of the file."""
    found = reconstruct_classically(
        path,
        tmp_path / "wave.nc",
        fit=("intensity",),
        align=False,
        frames=(3, 4, 5, 6),
        **(GIVEN | {"defocus_angstrom": NOMINAL.defocus[3:7]}),
    )
    assert found.fit.microscope.defocus == NOMINAL.defocus[3:7]
    counts = series().counts[10:86, 10:86, 3:7]
    np.testing.assert_allclose(found.images, counts / counts.mean(), rtol=1e-4)
    assert set(found.fit.microscope.shift_x) == {0.0}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"defocus_angstrom": None}, "--defocus-step-angstrom"),
        ({"dose_per_square_angstrom": None}, "--dose-per-square-angstrom"),
        ({"fit": ("tilt",)}, "--fit takes shift, intensity, defocus"),
        ({"hold_out": 9}, "0 to 5 as --hold-out"),
        ({"convergence_mrad": -0.1}, "--convergence-mrad"),
        ({"foci": 0}, "--foci"),
        ({"defocus_error_angstrom": 0.0}, "--defocus-error-angstrom"),
        ({"frames": (0, 1), "defocus_angstrom": (10.0, 20.0)}, "2 frame"),
        ({"formats": ("png",)}, "--formats"),
    ],
)
def test_what_cannot_be_is_one_sentence(path, tmp_path, change, match):
    with pytest.raises(ExitwaveError, match=match):
        reconstruct_classically(path, tmp_path / "wave.nc", **(GIVEN | change))
    assert not (tmp_path / "wave.nc").exists()


def test_nothing_that_is_read_is_replaced(path, tmp_path):
    with pytest.raises(ExitwaveError, match="NetCDF"):
        reconstruct_classically(path, tmp_path / "wave.h5", **GIVEN)
    reference = tmp_path / "wave.nc"
    reference.write_bytes(path.read_bytes())
    with pytest.raises(ExitwaveError, match="would be replaced"):
        reconstruct_classically(path, reference, dark_reference=reference, **GIVEN)
