"""What a change reruns: every row of the table in `config/README.md`, really executed.

Each test begins with a copy of one finished tiny factory, makes a change, and looks at the jobs
that were executed and at the samples that were computed or copied.
"""

import copy
import json
import shutil
import subprocess

import pytest
import yaml
from factory import EXITWAVE, ROOT, Factory, executed, write_database

from exitwave.files.reader import StoreReader
from exitwave.materials.monolayers import monolayers
from exitwave.tasks.progress import read_progress
from exitwave.workflow.specs import ALGORITHM_VERSIONS

pytestmark = pytest.mark.timeout(900)

STORES = "results/tiny/exit_waves"
EPOCH = "results/tiny/epochs/2_images/training/00.nc"
EVALUATION = "results/evaluations/unet/tiny/summary.json"
SAMPLES = 8
RULES = {
    "catalog": "build_catalog",
    "simulate": "simulate_exit_waves",
    "render": "render_epoch",
    "train": "train_network",
    "calibrate": "calibrate_network",
    "evaluate": "evaluate_network",
    "refine": "refine_samples",
}
# Jobs side by side in place of processes in each: here the start of a process costs the most.
THREADS = ("--set-threads", "simulate_exit_waves=1", "render_epoch=1")


class TinyFactory(Factory):
    """A factory on a database of its own, of which a change makes only a part again."""

    @property
    def dataset(self) -> dict:
        return self.config["datasets"]["tiny"]

    def jobs(self, *targets: str, **options) -> dict[str, int]:
        """Return how many jobs of each rule a run executed, just as planned where all is asked."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        before = self.made()
        planned = {} if targets or options else self.plan()
        ran = executed(self.must_run(*targets, *THREADS, **options))
        if planned:
            assert {rule: ran.get(rule, 0) for rule in planned} == {
                rule: sum(step["jobs"] for step in steps) for rule, steps in planned.items()
            }
            after = self.made()
            anew = [path for path in after if before.get(path) != after[path]]
            for key in ("computed", "copied"):
                said = sum(step[key] for step in planned["simulate_exit_waves"])
                summaries = [self.folder / path.replace(".nc", ".json") for path in anew]
                assert sum(json.loads(path.read_text())[key] for path in summaries) == said
        return ran

    def plan(self) -> dict[str, list[dict]]:
        """Return what `exitwave plan` says, by rule."""
        done = subprocess.run(
            [EXITWAVE, "plan", "--configfile", "config.yaml", "--json"],
            cwd=self.folder,
            check=True,
            text=True,
            capture_output=True,
        )
        steps = json.loads(done.stdout)
        assert all(step["why"] for step in steps if step["jobs"])
        return {
            rule: [step for step in steps if step["stage"] == stage]
            for stage, rule in RULES.items()
        }

    def samples(self, dataset: str = "tiny") -> tuple[int, int]:
        """Return how many samples the shards, when made last, computed and copied."""
        files = self.results.glob(f"{dataset}/exit_waves/*.json")
        summaries = [json.loads(path.read_text()) for path in files]
        return tuple(sum(entry[key] for entry in summaries) for key in ("computed", "copied"))

    def shards(self) -> list[str]:
        return sorted(path.stem for path in self.results.glob("tiny/catalog/shards/*.json"))

    def stores(self) -> list[str]:
        return [f"{STORES}/{name}.nc" for name in self.shards()]

    def made(self) -> dict[str, int]:
        """Return when each store was made."""
        stores = [self.folder / path for path in self.stores()]
        return {
            str(path.relative_to(self.folder)): path.stat().st_mtime_ns
            for path in stores
            if path.exists()
        }

    def contents(self, *files: str) -> dict[str, str]:
        """Return the digest of each sample of some stores."""
        found = {}
        for path in files:
            with StoreReader(self.folder / path) as reader:
                columns = (reader.column(name) for name in ("sample_key", "digest"))
                found |= dict(zip(*columns, strict=True))
        return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    made = TinyFactory(tmp_path_factory.mktemp("tiny"))
    write_database(made.folder / "rows.db", monolayers())
    made.dataset["materials"]["source"] = "rows.db"
    made.must_run(*THREADS)
    assert made.samples() == (SAMPLES, 0)
    return made


@pytest.fixture
def factory(finished, tmp_path):
    # With its times and hard links, as one copies a folder of results.
    subprocess.run(["cp", "-a", f"{finished.folder}/.", tmp_path], check=True)
    return TinyFactory(tmp_path, copy.deepcopy(finished.config))


def test_nothing_was_written_to_the_home_folder(finished):
    assert list(finished.home.iterdir()) == []


def test_each_job_has_said_to_the_end_how_far_it_is(finished):
    jobs = {}
    for path in finished.results.glob("logs/*/*.json"):
        job = read_progress(path)
        assert path.with_suffix(".log").exists()
        assert (job.state, job.failed) == ("done", 0), path
        jobs.setdefault(job.stage, []).append(job)
    assert {stage: len(found) for stage, found in jobs.items()} == {
        "catalog": 1,
        "simulate": len(finished.shards()),
        "render": 3,
        "train": 1,
        "calibrate": 1,
        "evaluate": 1,
    }
    assert sum(job.done for job in jobs["simulate"]) == SAMPLES
    for job in (*jobs["simulate"], *jobs["render"], *jobs["evaluate"]):
        assert job.done == job.total
    assert jobs["train"][0].training.epoch == 2


def test_nothing_changed_but_cores_profile_and_the_study_beside(factory):
    factory.config["convergence"] = {"specimens": 2}
    assert factory.jobs("--cores", "1", "--profile", str(ROOT / "profiles/local")) == {}


def test_touched_results_rerun_no_stage_and_touching_all_reruns_nothing(factory):
    for path in factory.results.rglob("*.nc"):
        path.touch()
    (factory.results / "tiny/catalog/samples.csv").touch()
    (factory.folder / "rows.db").touch()
    assert factory.jobs(*factory.stores()) == {}
    factory.must_run("--touch")
    assert factory.jobs() == {}


@pytest.fixture
def checkout(tmp_path_factory):
    """The checkout as git makes it anew: the same files, and all of them younger than results."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "Snakefile", folder)
    for name in ("config", "envs", "src", "workflow"):
        shutil.copytree(ROOT / name, folder / name, copy_function=shutil.copyfile)
    return folder


def test_a_checkout_that_changes_times_reruns_nothing(factory, checkout):
    assert factory.jobs(checkout=checkout) == {}


def test_a_new_algorithm_version_reruns_its_stage_and_what_follows(factory, checkout):
    source = checkout / "src/exitwave/workflow/specs.py"
    text = source.read_text()
    present = f'"render": {ALGORITHM_VERSIONS["render"]},'
    assert present in text
    source.write_text(text.replace(present, '"render": 1000,'))
    before = factory.contents(EPOCH)
    assert factory.jobs(EPOCH, checkout=checkout) == {"render_epoch": 1}
    # The code is the same, so the content is.
    assert factory.contents(EPOCH) == before
    assert set(factory.planned(checkout=checkout)) >= {"train_network", "evaluate_network"}


def test_a_label_reruns_the_report(factory):
    factory.dataset["label"] = "Tiny flakes"
    assert factory.jobs() == {"report": 1, "dataset_card": 1, "all": 1}
    assert "Tiny flakes" in (factory.results / "report.html").read_text()


def test_a_training_key_reruns_the_network_and_what_follows(factory):
    factory.config["networks"]["unet"]["learning_rate"] = 1e-3
    assert factory.jobs(EVALUATION) == {"train_network": 1, "evaluate_network": 1}
    assert set(factory.planned()) == {
        "calibrate_network",
        "plot_network",
        "plot_evaluation",
        "plot_comparison",
        "report",
        "all",
    }


def test_refined_series_rerun_no_evaluation(factory):
    factory.config["evaluations"]["unet"]["refined_samples"] = 2
    assert factory.jobs() == {"refine_samples": 1, "plot_refinement": 1, "report": 1, "all": 1}
    assert "Refined by the physics" in (factory.results / "report.html").read_text()
    factory.config["evaluations"]["unet"]["refined_samples"] = 3
    assert set(factory.planned()) == {"refine_samples", "plot_refinement", "report", "all"}


def test_a_microscope_key_reruns_rendering_but_no_multislice(factory):
    factory.dataset["microscope"]["blur_angstrom"] = [0.5, 1.0]
    before = factory.contents(EPOCH)
    assert factory.jobs(EPOCH) == {"render_epoch": 1}
    assert all(before[key] != digest for key, digest in factory.contents(EPOCH).items())
    assert not set(factory.planned()) & {"build_catalog", "simulate_exit_waves"}


def test_a_structure_key_computes_all_samples(factory):
    factory.dataset["structure"]["hole_share"] = 0.1
    assert factory.jobs(*factory.stores()) == {"simulate_exit_waves": len(factory.shards())}
    assert factory.samples() == (SAMPLES, 0)


def test_one_more_material_computes_only_its_sample(factory):
    before, images = factory.made(), factory.contents(EPOCH)
    factory.dataset["materials"]["limit"] = SAMPLES + 1
    assert factory.jobs(EPOCH)["simulate_exit_waves"] == 1
    (changed,) = {path for path, time in factory.made().items() if before.get(path) != time}
    summary = json.loads((factory.folder / changed).with_suffix(".json").read_text())
    assert (summary["computed"], summary["copied"]) == (1, summary["samples"] - 1)
    now = factory.contents(EPOCH)
    assert all(now[key] == digest for key, digest in images.items())


def test_another_selection_touches_the_samples_that_it_drops(factory):
    before, waves = factory.made(), factory.contents(*factory.stores())
    with (factory.results / "tiny/catalog/materials.csv").open() as file:
        dropped = file.read().splitlines()[1].split(",")[9]
    factory.dataset["materials"] |= {
        "selection": f"natoms<=3,name!={dropped}",
        "limit": SAMPLES - 1,
    }
    assert factory.jobs(EPOCH)["simulate_exit_waves"] == 1
    changed = [path for path, time in factory.made().items() if before.get(path) != time]
    assert len(changed) == 1
    now = factory.contents(*factory.stores())
    assert len(now) == SAMPLES - 1
    assert now.items() < waves.items()


def test_more_samples_compute_the_new_ones(factory):
    waves, images = factory.contents(*factory.stores()), factory.contents(EPOCH)
    factory.dataset["split"]["samples_per_material"] = 2
    assert factory.jobs(EPOCH) == {
        "build_catalog": 1,
        "simulate_exit_waves": len(factory.shards()),
        "render_epoch": 1,
    }
    assert factory.samples() == (SAMPLES, SAMPLES)
    assert waves.items() < factory.contents(*factory.stores()).items()
    assert images.items() < factory.contents(EPOCH).items()


def test_another_number_of_shards_computes_nothing(factory):
    waves, images = factory.contents(*factory.stores()), factory.contents(EPOCH)
    factory.dataset["shards"] = 5
    jobs = factory.jobs(EPOCH)
    assert jobs["simulate_exit_waves"] >= 3
    assert factory.samples() == (0, SAMPLES)
    assert factory.contents(EPOCH) == images
    factory.dataset["shards"] = 2
    factory.jobs(EPOCH)
    assert factory.samples() == (0, SAMPLES)
    assert factory.contents(*factory.stores()) == waves
    assert len(list((factory.folder / STORES).glob("*.nc"))) == len(factory.shards())


def test_the_rows_of_a_database_in_another_order_rerun_the_catalog_alone(factory):
    before = factory.made()
    extra = [entry for entry in monolayers() if len(entry.atoms()) > 3]
    others = [entry for entry in monolayers() if len(entry.atoms()) <= 3]
    write_database(factory.folder / "rows.db", [*reversed(others), *extra])
    assert factory.jobs(EPOCH) == {"build_catalog": 1}
    assert factory.made() == before
    assert factory.planned() == {}


def test_a_second_data_set_leaves_the_first_alone(factory):
    factory.config["datasets"]["other"] = {
        **factory.dataset,
        "materials": {"selection": "natoms<=3", "limit": 3},
        "split": {"by": "samples", "training_samples": 1, "validation_samples": 1},
        "shards": 1,
    }
    jobs = factory.jobs(EPOCH, EPOCH.replace("tiny", "other").replace("2_images", "3_images"))
    assert jobs == {"build_catalog": 1, "simulate_exit_waves": 1, "render_epoch": 1}
    assert factory.samples("other") == (6, 0)


def test_a_second_network_trains_alone(factory):
    factory.config["networks"]["adam"] = {**factory.config["networks"]["unet"], "optimizer": "adam"}
    assert factory.jobs("results/networks/adam/history.csv") == {"train_network": 1}
    planned = factory.planned()
    assert "train_network" not in planned
    assert "render_epoch" not in planned


def test_another_number_of_images_is_rendered_of_the_same_waves(factory):
    factory.config["networks"]["one"] = {**factory.config["networks"]["unet"], "images": 1}
    planned = factory.planned()
    assert planned["render_epoch"] == 3
    assert planned["train_network"] == 1
    assert "simulate_exit_waves" not in planned
    one = EPOCH.replace("2_images", "1_images")
    assert factory.jobs(one) == {"render_epoch": 1}
    assert factory.contents(one).keys() == factory.contents(EPOCH).keys()
