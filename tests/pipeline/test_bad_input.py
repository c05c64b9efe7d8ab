"""What a user can get wrong ends in one clear sentence and a non-zero exit."""

import subprocess
import sys

import pytest
from factory import ROOT, SNAKEMAKE, TINY, Factory, exitwave

from exitwave.config import parse_config
from exitwave.workflow import specs


def sentence(done, expected):
    text = done.stdout + (done.stderr or "")
    assert done.returncode != 0, text
    assert "Traceback" not in text, text
    # Not Snakemake's wait for files that a stage, taken for successful, did not write.
    assert "completed successfully" not in text, text
    assert expected in " ".join(text.split()), text


def materials(factory, **values):
    factory.config["datasets"]["tiny"]["materials"] = values
    return factory


@pytest.fixture
def factory(tmp_path):
    return Factory(tmp_path)


def test_a_database_that_does_not_exist(factory):
    done = materials(factory, source="absent/c2db.db").run()
    sentence(done, "datasets.tiny.materials.source is 'absent/c2db.db', but there is no such file")
    assert not factory.results.exists()


def test_a_file_that_is_no_database(factory):
    (factory.folder / "c2db.db").write_bytes(b"\x89PNG and so on" * 100)
    done = materials(factory, source="c2db.db").run()
    sentence(done, "c2db.db")
    sentence(done, "database")


def test_a_selection_with_a_syntax_error(factory):
    sentence(materials(factory, selection="natoms<=").run(), "selection")
    sentence(materials(factory, selection="gap>>3").run(), "selection")


def test_a_selection_that_matches_nothing(factory):
    sentence(materials(factory, selection="natoms>100").run(), "natoms>100")


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("microscope", {"doze": 1}, "did you mean 'dose_log10_per_square_angstrom'?"),
        ("multislice", {"energy_kev": -50}, "multislice.energy_kev: input should be greater"),
        ("microscope", {"defocus_angstrom": [150, -150]}, "write the lower limit first"),
        ("microscope", {"mtf_file": "absent.csv"}, "microscope.mtf_file: 'absent.csv' cannot be"),
        ("structure", {"flake_edges": [2, 5]}, "3 or more"),
    ],
)
def test_a_wrong_configuration(factory, section, values, expected):
    factory.config["datasets"]["tiny"][section] = values
    sentence(factory.run("--dry-run"), expected)


def test_an_element_without_a_potential(factory):
    """The parametrisation of Peng ends at californium; no other row is touched."""
    from ase import Atoms
    from ase.db import connect

    with connect(factory.folder / "heavy.db") as database:
        for symbol in ("Es", "Fm"):
            database.write(
                Atoms(symbol, cell=[3.0, 3.0, 15.0], positions=[[0, 0, 7.5]], pbc=[1, 1, 0])
            )
    factory.config["datasets"]["tiny"]["multislice"]["parametrization"] = "peng"
    done = materials(factory, source="heavy.db").run()
    sentence(done, "element")


def test_a_store_that_was_cut_in_half(tmp_path):
    path = tmp_path / "000.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    sentence(exitwave("check", str(path)), "is damaged: it is cut short")
    configuration = parse_config(TINY)
    spec = specs.render_spec(configuration, "tiny", 2, "training", 0)
    done = exitwave("render", "--spec", spec, "--output", str(tmp_path / "00.nc"), str(path))
    sentence(done, "is damaged: it is cut short")
    assert not (tmp_path / "00.nc").exists()


def test_a_spec_that_is_no_spec(tmp_path):
    for spec in ("{", "[]", "{}"):
        done = exitwave("catalog", "--spec", spec, "--output", str(tmp_path / "catalog"))
        sentence(done, "--spec")


def test_an_unknown_command_is_refused():
    done = exitwave("simulat")
    assert done.returncode == 2
    assert "invalid choice" in done.stderr


def test_the_help_names_every_stage():
    text = exitwave("--help").stdout
    for stage in (
        "catalog",
        "simulate",
        "render",
        "train",
        "evaluate",
        "report",
        "convergence",
        "check",
    ):
        assert stage in text


def test_importing_the_command_line_is_quick():
    """Neither TensorFlow nor abTEM is needed to print a sentence."""
    code = (
        "import sys, exitwave.cli; "
        "slow = {'tensorflow', 'keras', 'abtem', 'matplotlib'} & set(sys.modules); "
        "sys.exit(', '.join(slow) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_profiles_are_found_from_the_checkout():
    """`make setup` puts links where snakemake looks for a profile by name."""
    for profile in ("slurm", "local"):
        done = subprocess.run(
            [SNAKEMAKE, "--profile", profile, "--dry-run", "--quiet", "rules"],
            cwd=ROOT,
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert f"Using profiles {profile}" in done.stderr
