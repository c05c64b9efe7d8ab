"""Run the real workflow in a folder of its own, with a configuration of the test's."""

import copy
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ase.db import connect
from tiny_settings import TINY_DATASET

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
EXITWAVE = Path(sys.executable).parent / "exitwave"

# What this process has set for itself; the commands have to do it on their own.
_SETTINGS = ("KERAS_HOME", "MPLCONFIGDIR")

_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")

# Everything real, and as small as it goes: seconds a stage.
TINY = {
    "datasets": {
        "tiny": {
            "materials": {"selection": "natoms<=3", "limit": 8},
            "split": {"by": "elements", "samples_per_material": 1, "training_share": 0.5},
            "shards": 3,
            **TINY_DATASET,
            "epochs": {"image_size_px": 32, "training_epochs": 2},
        }
    },
    "networks": {
        "unet": {"dataset": "tiny", "channels": [2, 4], "epochs": 2, "batch_size": 2, "images": 2}
    },
    "evaluations": {"unet": {"network": "unet", "dataset": "tiny"}},
}


@dataclass
class Factory:
    """A working folder in which `snakemake` runs on a configuration."""

    folder: Path
    config: dict = field(default_factory=lambda: copy.deepcopy(TINY))
    # A training takes a quarter less processor time with one thread, and of two cores the other
    # tests have the second.
    one_thread: bool = field(default=False, kw_only=True)

    @property
    def home(self) -> Path:
        """An empty home folder, in which nothing must appear."""
        folder = self.folder / "home"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def command(self, *options: str, checkout: Path = ROOT) -> list[str]:
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        return [
            str(SNAKEMAKE),
            "--snakefile",
            str(checkout / "Snakefile"),
            "--directory",
            str(self.folder),
            "--configfile",
            str(self.folder / "config.yaml"),
            "--cores",
            "2",
            *options,
        ]

    def run(
        self, *options: str, timeout: float = 600, checkout: Path = ROOT
    ) -> subprocess.CompletedProcess[str]:
        """Run snakemake and return what it said, standard error behind standard output."""
        return subprocess.run(
            self.command(*options, checkout=checkout),
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            env=self.environment(checkout),
        )

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start snakemake as the head of a process group; what it says goes to a file."""
        with self.said_by_the_started.open("wb") as said:
            return subprocess.Popen(
                self.command(*options),
                cwd=ROOT,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=self.environment(ROOT),
                start_new_session=True,
            )

    @property
    def said_by_the_started(self) -> Path:
        return self.folder / "said.txt"

    def environment(self, checkout: Path) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name not in _SETTINGS},
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "HOME": str(self.home),
            # As in the Makefile: Snakemake has a cache of its own.
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            **(dict.fromkeys(_THREADS, "1") if self.one_thread else {}),
            **({} if checkout == ROOT else {"PYTHONPATH": str(checkout / "src")}),
        }

    def must_run(self, *options: str, timeout: float = 600, checkout: Path = ROOT) -> str:
        done = self.run(*options, timeout=timeout, checkout=checkout)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def planned(self, checkout: Path = ROOT) -> dict[str, int]:
        """Return how many jobs of each rule a dry run announces."""
        text = self.must_run("--dry-run", "--quiet", "rules", checkout=checkout)
        if "Nothing to be done" in text:
            return {}
        jobs = {}
        for line in text.splitlines():
            name, _, count = line.strip().partition(" ")
            if count.strip().isdigit() and name != "total":
                jobs[name] = int(count)
        return jobs


def exitwave(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command line and return what it said."""
    return subprocess.run(
        [str(EXITWAVE), *arguments],
        text=True,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )


def executed(text: str) -> dict[str, int]:
    """Return how many jobs of each rule a run finished, from what it said."""
    jobs: dict[str, int] = {}
    for line in text.splitlines():
        if line.startswith("Finished jobid:"):
            rule = line.partition("(Rule: ")[2].rstrip(")")
            jobs[rule] = jobs.get(rule, 0) + 1
    return jobs


def write_database(path, entries):
    """Write monolayers into an ASE database of their own."""
    path.unlink(missing_ok=True)
    with connect(path) as database:
        for entry in entries:
            database.write(entry.atoms(), name=entry.name)
