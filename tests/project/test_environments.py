"""What is installed: the lock, the conda environment and pyproject agree."""

import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from exitwave.doctor.gpu import CUDA

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "envs/lock.txt").read_text()
GPU_LOCKS = {
    name: (ROOT / f"envs/lock-gpu-{name}.txt").read_text() for name in ("jax", "tensorflow")
}
PIN = re.compile(r"^([A-Za-z0-9_.\-]+)==([^ \\;]+)", re.MULTILINE)


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*extras):
    every = [*PROJECT["dependencies"]]
    for extra in extras:
        every += PROJECT["optional-dependencies"][extra]
    return {re.match(r"[A-Za-z0-9_.\-]+", entry)[0].lower().replace("_", "-") for entry in every}


def test_the_lock_holds_every_dependency_with_hashes_and_no_address():
    locked = {name.lower() for name, _ in PIN.findall(LOCK)}
    assert requirements("test") <= locked
    assert "://" not in LOCK
    assert len(PIN.findall(LOCK)) <= LOCK.count("--hash=sha256:")


@pytest.mark.parametrize("lock", [LOCK, *GPU_LOCKS.values()], ids=["cpu", *GPU_LOCKS])
def test_each_locked_package_has_hashes_and_no_address(lock):
    assert "://" not in lock
    assert "index-url" not in lock
    assert "find-links" not in lock
    packages = re.split(r"\n(?=\S)", lock.strip())
    for package in packages:
        assert PIN.match(package), package
        assert "--hash=sha256:" in package, package


def test_what_several_locks_name_has_one_version():
    """pip installs envs/lock.txt and the lock of one GPU backend together."""
    locks = {"cpu": LOCK, **GPU_LOCKS}
    versions = {
        name: {package.lower(): version for package, version in PIN.findall(text)}
        for name, text in locks.items()
    }
    for one, other in itertools.combinations(versions, 2):
        shared = versions[one].keys() & versions[other].keys()
        different = {name for name in shared if versions[one][name] != versions[other][name]}
        assert not different, (one, other)
    # What a GPU's lock adds needs the very JAX of the other one, and stands beside it, not for it.
    assert versions["jax"]["jax-cuda12-plugin"] == versions["cpu"]["jax"]
    assert all(not versions["cpu"].keys() & versions[name].keys() for name in GPU_LOCKS)


@pytest.mark.parametrize("name", GPU_LOCKS)
def test_a_gpus_lock_has_its_extra_for_the_cuda_that_doctor_knows(name):
    locked = {package.lower() for package, _ in PIN.findall(GPU_LOCKS[name])}
    own = requirements(f"gpu-{name}") - requirements("test")
    assert own == {"cupy-cuda12x"}
    assert own <= locked
    assert {f"nvidia-{library}-cu{CUDA}" for library in ("cudnn", "cublas", "cufft")} <= locked
    assert all(package.endswith(f"-cu{CUDA}") for package in locked if "nvidia-" in package)
    # Elsewhere than on Linux there are no such packages.
    pins = re.findall(r"^\S+==.*", GPU_LOCKS[name], re.MULTILINE)
    assert all("sys_platform == 'linux'" in pin for pin in pins)


def dry_setup(folder, *variables):
    """What `make setup` would do in a folder that has the locks."""
    command = ["make", "--dry-run", "--file", ROOT / "Makefile", "setup", *variables]
    # What `make test GPU=jax` hands on is not for this one.
    ours = {"GPU", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path):
    for name in ("pyproject.toml", "envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").mkdir()
    return tmp_path


def test_setup_installs_the_lock_of_the_gpu_that_was_named(checkout):
    assert "--require-hashes --requirement envs/lock.txt\n" in dry_setup(checkout).stdout
    said = dry_setup(checkout, "GPU=jax").stdout
    assert "--requirement envs/lock.txt --requirement envs/lock-gpu-jax.txt\n" in said
    refused = dry_setup(checkout, "GPU=cuda")
    assert refused.returncode == 2
    assert "GPU=cuda is not known; expected jax, tensorflow or none" in refused.stderr


def test_setup_keeps_the_choice_until_another_is_named(checkout):
    (checkout / ".venv/.ready-jax").touch()
    for variables in ((), ("GPU=jax",)):
        assert "pip install" not in dry_setup(checkout, *variables).stdout
    for variables in (("GPU=none",), ("GPU=tensorflow",)):
        said = dry_setup(checkout, *variables).stdout
        assert "-m venv --clear .venv" in said
        assert "pip install" in said
    (checkout / ".venv/.ready-jax").rename(checkout / ".venv/.ready")
    assert "pip install" not in dry_setup(checkout).stdout
    assert "-m venv --clear .venv" in dry_setup(checkout, "GPU=jax").stdout


def test_the_conda_environment_has_the_locks_versions():
    environment = yaml.safe_load((ROOT / "envs/exitwave.yaml").read_text())
    pins = environment["dependencies"][-1]["pip"]
    locked = {(name.lower(), version) for name, version in PIN.findall(LOCK)}
    for pin in pins:
        name, _, version = pin.partition("==")
        assert (name.lower(), version) in locked, pin
    assert {pin.partition("==")[0].lower() for pin in pins} == requirements()


def test_what_the_rules_import_is_declared():
    """deptry looks at Python files only."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    line = re.compile(r"^\s*(?:from|import) ([a-z_]+)", re.MULTILINE)
    imported = {name for path in files for name in line.findall(path.read_text())}
    declared = {name.replace("-", "_") for name in requirements()}
    assert "snakemake" in imported
    assert imported <= {"exitwave", *declared, *sys.stdlib_module_names}


def test_the_image_installs_the_lock_and_the_checkout():
    """It cannot be built here; what it names must exist, and its Python must be a supported one."""
    text = (ROOT / "envs/exitwave.def").read_text()
    copied = re.search(r"%files\n((?:    .*\n)+)", text)[1].split()
    for source, target in zip(copied[::2], copied[1::2], strict=True):
        assert (ROOT / source).exists(), source
        assert target == f"/opt/exitwave/{source}"
    # All that the package is built from.
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "src"} <= {*copied}
    installs = re.findall(r"--requirement (\S+?)(?=[\s\"])", text.replace("{{ gpu }}", "GPU"))
    assert installs == ["lock.txt", "lock.txt", "lock-gpu-GPU.txt"]
    assert "cd /opt/exitwave/envs\n" in text
    assert "--require-hashes $locks\n" in text
    assert {f"envs/lock-gpu-{name}.txt" for name in GPU_LOCKS} <= {*copied}
    assert "none) locks=" in text
    assert f"{' | '.join(GPU_LOCKS)}) locks=" in text
    assert "%arguments\n    gpu=none\n" in text
    python = re.search(r"From: python:([\d.]+)-", text)[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    conda = yaml.safe_load((ROOT / "envs/exitwave.yaml").read_text())["dependencies"]
    assert f"python ={python}" in conda
    assert 'container: "envs/exitwave.sif"' in (ROOT / "Snakefile").read_text()


def test_every_rule_file_has_a_stage_and_a_command_of_the_same_name():
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        if path.stem != "common":
            assert (ROOT / f"src/exitwave/stages/{path.stem}.py").exists(), path
            assert (ROOT / f"src/exitwave/cli/stages/{path.stem}.py").exists(), path


def test_the_documents_point_at_files_that_exist():
    for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("config/*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
