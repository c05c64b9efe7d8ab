"""What takes long to import is imported only where it is needed."""

import json
import subprocess
import sys

import pytest

import exitwave
import exitwave.networks.trained
import exitwave.samples.labelled
from exitwave.cli import name, stages, tools

SLOW = (
    "abtem",
    "dask",
    "h5py",
    "keras",
    "matplotlib",
    "netCDF4",
    "numpy",
    "pandas",
    "snakemake",
    "xarray",
)

LIGHT = "import exitwave, exitwave.errors, exitwave.files.atomic, exitwave.files.lock"
HELP = """
import contextlib, io
from exitwave.cli import main
for arguments in {arguments}:
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(arguments)
"""
COMMANDS = [name(command) for command in (*stages.COMMANDS, *tools.COMMANDS)]


def loaded(code: str) -> set[str]:
    """Return which of the slow packages a new process has imported after some code."""
    code += "\nimport json, sys\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    return {module.split(".")[0] for module in json.loads(done.stdout)} & set(SLOW)


@pytest.mark.parametrize(
    "code",
    [
        LIGHT,
        HELP.format(arguments=[["--help"]]),
        HELP.format(arguments=[[command, "--help"] for command in COMMANDS]),
    ],
    ids=["package", "help", "help of commands"],
)
def test_nothing_slow_is_imported_early(code):
    assert not loaded(code)


def test_the_package_imports_what_it_is_asked_for():
    assert loaded("import exitwave\nexitwave.open_epoch") >= {"netCDF4", "numpy"}
    assert exitwave.open_epoch is exitwave.samples.labelled.open_epoch
    assert exitwave.open_exit_waves is exitwave.samples.labelled.open_exit_waves
    assert exitwave.load_network is exitwave.networks.trained.load_network


def test_the_package_names_what_it_has():
    assert set(exitwave.__all__) <= set(dir(exitwave))
    everything = {}
    exec("from exitwave import *", everything)
    assert set(exitwave.__all__) <= set(everything)
    with pytest.raises(AttributeError, match="no attribute 'open_epochs'"):
        _ = exitwave.open_epochs
