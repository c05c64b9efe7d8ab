"""Say before a run what it will do, why, and what that costs.

Each result holds the spec that it was made by. Compared with the specs of a configuration it shows
which key has changed; compared with the catalog, which samples exist already. The catalog itself is
made again for this, without a file, if the existing one is not up to date.

>>> print(plan_table(plan(config, Path("results"))))
"""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import JsonValue

from exitwave.config import Config
from exitwave.config.constraints import BUILT_IN
from exitwave.errors import ExitwaveError
from exitwave.files.documents import find_document
from exitwave.files.journal import Journal
from exitwave.files.reader import StoreReader
from exitwave.files.shard_files import made_from
from exitwave.materials.manifest import (
    Manifest,
    manifest_texts,
    parsed_manifest,
    read_content,
)
from exitwave.materials.sample_keys import sample_key
from exitwave.materials.selection import select_samples
from exitwave.multislice.atomic_scattering import known_elements
from exitwave.provenance.attributes import Origin
from exitwave.provenance.inputs import DATABASE, of_file, recorded
from exitwave.runs import cost
from exitwave.summaries.exit_waves import ShardSummary
from exitwave.summaries.training import TrainingSummary
from exitwave.workflow import layout
from exitwave.workflow.specs import (
    calibrate_spec,
    catalog_spec,
    evaluate_spec,
    refine_spec,
    render_spec,
    simulate_spec,
    train_spec,
)

NEW = "not made yet"


@dataclass(frozen=True)
class Step:
    """What is done of one stage for one data set, network or evaluation.

    Attributes
    ----------
    stage, name : str
        Which stage, of what.
    jobs : int
        Snakemake's jobs; 0 where all is up to date.
    todo : str
        What is done, in words.
    why : str
        The cause.
    core_hours, gigabytes : float or None
        By the rates of `exitwave.runs.cost`, or of existing results; None where nothing is
        known.
    computed, copied : int
        Samples that are simulated, and that are taken over.
    """

    stage: str
    name: str
    jobs: int
    todo: str
    why: str
    core_hours: float | None = 0.0
    gigabytes: float = 0.0
    computed: int = 0
    copied: int = 0


def plan(config: Config, results: Path) -> list[Step]:
    """Return the steps of a run, in their order, those with nothing to do among them.

    Raises
    ------
    ExitwaveError
        Where a catalog cannot be made, see `exitwave.materials.selection.select_samples`.
    """
    steps: list[Step] = []
    sizes: dict[str, dict[str, int]] = {}
    anew: set[str] = set()
    for name, entry in config.datasets.items():
        if entry.exit_waves_from is None:
            shards, step = _catalog(config, name, results)
            waves = _simulation(config, name, results, shards)
            steps += [step, waves]
            sizes[name] = {
                split: sum(
                    sample.split == split
                    for shard in shards.values()
                    for sample in shard.manifest.samples
                )
                for split in layout.SPLITS
            }
            if waves.jobs:
                anew.add(name)
    for name in config.datasets:
        source = layout.source(config, name)
        rendering = _rendering(config, name, results, sizes[source], source in anew)
        steps.append(rendering)
        if rendering.jobs:
            anew.add(f"epochs {name}")
    steps += [_training(config, name, results, anew) for name in config.networks]
    steps += [_calibration(config, name, results, steps) for name in layout.calibrated(config)]
    steps += [_evaluation(config, name, results, steps) for name in config.evaluations]
    return steps + [_refinement(config, name, results, steps) for name in layout.refined(config)]


@dataclass(frozen=True)
class _Shard:
    """What the manifest of a shard holds, as it is written and as it is read."""

    content: bytes
    manifest: Manifest


def _catalog(config: Config, name: str, results: Path) -> tuple[dict[str, _Shard], Step]:
    """Return the shards by the catalog of the present configuration and database."""
    folder = results / layout.catalog(name)
    spec = catalog_spec(config, name)
    source = config.datasets[name].materials.source
    why = NEW
    origin = find_document(folder / "summary.json", Origin)
    with contextlib.suppress(ValueError, KeyError):
        if origin is not None:
            why = changes(origin.spec, spec)
            used = [entry["digest"] for entry in recorded(origin).get(DATABASE, [])]
            now = [] if source == BUILT_IN else [of_file(Path(source))["digest"]]
            if not why and used != now:
                why = f"{source} has changed"
    if not why:
        names = layout.shard_names(folder)
        contents = {shard: read_content(layout.shard_manifest(folder, shard)) for shard in names}
    else:
        contents = _planned_contents(config, name)
    shards = {
        shard: _Shard(content, parsed_manifest(content, layout.shard_manifest(folder, shard)))
        for shard, content in contents.items()
    }
    todo = "choose the materials" if why else ""
    return shards, Step("catalog", name, int(bool(why)), todo, why)


def _planned_contents(config: Config, name: str) -> dict[str, bytes]:
    """Return the manifests that the catalog would write."""
    entry = config.datasets[name]
    selected = select_samples(
        entry.materials,
        entry.split,
        entry.shards,
        seed=config.seed,
        dataset=name,
        potentials=known_elements(entry.multislice.parametrization),
    )
    texts = manifest_texts(name, selected.shards, selected.materials)
    return {shard: text.encode() for shard, text in texts.items()}


def _simulation(config: Config, name: str, results: Path, shards: Mapping[str, _Shard]) -> Step:
    entry, spec = config.datasets[name], simulate_spec(config, name)
    folder = results / layout.EXIT_WAVES.format(dataset=name)
    known = _known_keys(folder)
    computed = copied = jobs = 0
    for number, shard in shards.items():
        store, manifest = folder / f"{number}.nc", shard.manifest
        present = made_from(spec, shard.content)
        if _recorded_origin(store.with_suffix(".json")) == present and store.exists():
            continue
        jobs += 1
        keys = {
            sample_key(spec, manifest.materials[sample.material], sample.sample_index)
            for sample in manifest.samples
        }
        copied += len(keys & known)
        computed += len(keys - known)
    if not jobs:
        return Step("simulate", name, 0, "", "")
    box = entry.structure.box_angstrom
    measured = _measured_wave(folder, spec)
    seconds = measured or cost.wave_seconds(entry.multislice, box)
    total = sum(len(shard.manifest.samples) for shard in shards.values())
    why = _store_changes(folder, spec) or f"samples: {_difference(folder, len(shards), total)}"
    return Step(
        "simulate",
        name,
        jobs,
        f"{computed} samples to compute, {copied} to copy",
        why,
        computed * seconds / 3600,
        (computed + copied) * cost.wave_bytes(entry.multislice, box) / 1e9,
        computed,
        copied,
    )


def _known_keys(folder: Path) -> set[str]:
    """Return the keys of all samples in stores and journals."""
    known: set[str] = set()
    for path in (*folder.glob("[0-9]*.nc"), *(folder / ".kept").glob("*.nc")):
        try:
            with StoreReader(path) as reader:
                known |= {str(key) for key in reader.column("sample_key")}
        except ExitwaveError:
            continue
    for path in (folder / ".kept").glob("*.journal"):
        known |= {str(sample["sample_key"]) for sample in Journal(path).read()}
    return known


def _recorded_origin(summary: Path) -> str | None:
    found = find_document(summary, ShardSummary)
    return None if found is None else found.made_from


def _measured_wave(folder: Path, spec: str) -> float | None:
    """Return the median seconds of a wave in the existing stores, where the spec is the same."""
    seconds = []
    for path in folder.glob("[0-9]*.json"):
        summary = find_document(path, ShardSummary)
        if summary is None or not summary.seconds_per_wave:
            continue
        if _spec_of(path.with_suffix(".nc")) == spec:
            seconds.append(summary.seconds_per_wave)
    return statistics.median(seconds) if seconds else None


def _store_changes(folder: Path, spec: str) -> str:
    stores = sorted(folder.glob("[0-9]*.nc"))
    if not stores:
        return NEW
    return changes(_spec_of(stores[0]) or spec, spec)


def _difference(folder: Path, shard_count: int, total: int) -> str:
    """Say how the number of samples, or of shards, differs from what there is."""
    stores = sorted(folder.glob("[0-9]*.nc"))
    there = 0
    for path in stores:
        try:
            with StoreReader(path) as reader:
                there += len(reader)
        except ExitwaveError:
            continue
    shards = f", {len(stores)} → {shard_count} shards" if len(stores) != shard_count else ""
    return f"{there} → {total}{shards}"


def _spec_of(path: Path) -> str | None:
    try:
        with StoreReader(path) as reader:
            return str(reader.attributes["spec"])
    except (ExitwaveError, KeyError):
        return None


def _rendering(
    config: Config, name: str, results: Path, samples: dict[str, int], waves_anew: bool
) -> Step:
    entry = config.datasets[name]
    size = entry.epochs.image_size_px
    jobs, seconds, size_bytes = 0, 0.0, 0
    causes: dict[str, None] = {}
    for split in layout.SPLITS:
        for images in layout.image_numbers(config, name, split):
            for number, path in enumerate(layout.epochs(config, name, images, split)):
                spec = render_spec(config, name, images, split, number)
                why = _cause(_spec_of(results / path), spec, waves_anew and "exit waves")
                if not why:
                    continue
                causes[why] = None
                jobs += 1
                seconds += samples[split] * cost.series_seconds(images, size)
                size_bytes += samples[split] * cost.series_bytes(images, size)
    if not jobs:
        return Step("render", name, 0, "", "")
    why = "; ".join(causes)
    return Step("render", name, jobs, f"{jobs} epochs", why, seconds / 3600, size_bytes / 1e9)


def _cause(old: str | None, new: str, before: str | bool) -> str:
    """Say why a result is made again; empty where it is not."""
    if old is None:
        return NEW
    return changes(old, new) or (f"follows from {before}" if before else "")


def _training(config: Config, name: str, results: Path, anew: set[str]) -> Step:
    entry = config.networks[name]
    path = results / layout.network(name) / "training.json"
    before = f"epochs {entry.dataset}" in anew and f"the epochs of {entry.dataset}"
    why = _cause(_spec_in(path), train_spec(config, name), before)
    if not why:
        return Step("train", name, 0, "", "")
    training = find_document(path, TrainingSummary)
    return Step(
        "train",
        name,
        1,
        f"{entry.epochs} epochs of training",
        why,
        training.seconds_per_epoch * entry.epochs / 3600 if training else None,
    )


def _calibration(config: Config, name: str, results: Path, steps: Iterable[Step]) -> Step:
    old = _spec_in(results / layout.calibration(name))
    before = _busy(steps, ("train", name), ("render", config.networks[name].dataset))
    why = _cause(old, calibrate_spec(config), before)
    return Step("calibrate", name, 1 if why else 0, "calibrate" if why else "", why)


def _evaluation(config: Config, name: str, results: Path, steps: Iterable[Step]) -> Step:
    entry = config.evaluations[name]
    old = _spec_in(results / layout.evaluation(config, name) / "summary.json")
    before = _busy(steps, ("train", entry.network), ("render", entry.dataset))
    why = _cause(old, evaluate_spec(config, name), before)
    return Step("evaluate", name, 1 if why else 0, "evaluate" if why else "", why)


def _refinement(config: Config, name: str, results: Path, steps: Iterable[Step]) -> Step:
    entry = config.evaluations[name]
    old = _spec_in(results / layout.refinement(config, name) / "summary.json")
    before = _busy(steps, ("calibrate", entry.network), ("render", entry.dataset))
    why = _cause(old, refine_spec(config, name), before)
    todo = f"{entry.refined_samples} series to refine" if why else ""
    return Step("refine", name, 1 if why else 0, todo, why)


def _busy(steps: Iterable[Step], *wanted: tuple[str, str]) -> str:
    """Name those of some stages' steps in which something is done."""
    found = [step.name for step in steps if step.jobs and (step.stage, step.name) in wanted]
    return ", ".join(dict.fromkeys(found))


def _spec_in(path: Path) -> str | None:
    """Return the spec by which the result of a document was made, where it tells."""
    origin = find_document(path, Origin)
    return origin.spec or None if origin is not None else None


def changes(old: str, new: str) -> str:
    """Say which keys differ between two specs of a stage, as ``key old → new``; empty if none."""
    before, after = (dict(_flat(json.loads(text))) for text in (old, new))
    said = [
        f"algorithm version {before[key]} → {after[key]}"
        if key == "version"
        else f"{key} {before.get(key, 'none')} → {after.get(key, 'none')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return ", ".join(said)


def _flat(values: dict[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def as_json(steps: list[Step]) -> str:
    """Return a plan for machines."""
    return json.dumps([asdict(step) for step in steps], indent=1, ensure_ascii=False)


def plan_table(steps: list[Step]) -> str:
    """Return a plan for people."""
    busy = [step for step in steps if step.jobs]
    if not busy:
        return "Nothing to be done: all results are as the configuration asks."
    lines = []
    for step in busy:
        hours = "not measured" if step.core_hours is None else f"{step.core_hours:.2f} core-h"
        price = f"   [{hours}, {step.gigabytes:.2f} GB]" if step.stage not in _CHEAP else ""
        lines += [f"{step.stage:<10}{step.name}: {step.todo}{price}", f"{'':10}because: {step.why}"]
    known = sum(step.core_hours or 0 for step in busy)
    unknown = any(step.core_hours is None for step in busy)
    total = (
        f"{sum(step.jobs for step in busy)} jobs of these stages, {known:.1f} core-hours"
        f"{' and the training, for which no rate is measured' if unknown else ''}, "
        f"{sum(step.gigabytes for step in busy):.1f} GB. GPU: not measured."
    )
    return "\n".join([*lines, "", total, "Ensembles, comparisons, figures and the report follow."])


_CHEAP = ("catalog", "calibrate", "evaluate", "refine")
