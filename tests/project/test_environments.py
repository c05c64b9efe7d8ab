"""What is installed: the lock, the conda environment and pyproject agree."""

import re
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "envs/lock.txt").read_text()
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
    # What they no longer import need not be declared.
    assert {name for name in declared if name.startswith("snakemake_interface")} <= imported


def test_the_image_installs_the_lock_and_the_checkout():
    """It cannot be built here; what it names must exist, and its Python must be a supported one."""
    text = (ROOT / "envs/exitwave.def").read_text()
    copied = re.search(r"%files\n((?:    .*\n)+)", text)[1].split()
    for source, target in zip(copied[::2], copied[1::2], strict=True):
        assert (ROOT / source).exists(), source
        assert target == f"/opt/exitwave/{source}"
    # All that the package is built from.
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "src"} <= {*copied}
    (install,) = re.findall(r".*--requirement.*", text)
    assert "--require-hashes --requirement /opt/exitwave/envs/lock.txt" in install
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
