"""Summaries keep the keys of their files, and read those of former versions."""

import json
from dataclasses import asdict, fields

import pytest
from summary_cases import training_summary

from exitwave.files.documents import read_document, write_document
from exitwave.multislice.convergence_study import Settings
from exitwave.summaries.catalog import CatalogSummary
from exitwave.summaries.convergence import ConvergenceRow, ConvergenceSummary, MedianErrors
from exitwave.summaries.exit_waves import (
    FailedSpecimen,
    ShardSummary,
    failed_specimens,
    failed_text,
)
from exitwave.summaries.scores import (
    ComparisonSummary,
    EnsembleSummary,
    EvaluationSummary,
    Quartiles,
    VacancySummary,
)
from exitwave.summaries.training import NetworkDescription, TrainingSummary

SIDES = {"training": 1000, "validation": 200}
FAILED = FailedSpecimen("MoS2-0123456789ab", "MoS2", 7, "no atom is left")
ORIGIN = {"spec": "{}", "git_commit": "5a"}

CATALOG = CatalogSummary(
    rows=9,
    matched=7,
    lacking_keys={"gap": 2},
    accepted=4,
    rejected={"too many atoms": 3},
    taken=3,
    materials=SIDES,
    samples=SIDES,
    element_sets=SIDES,
    shards=2,
)
SHARD = ShardSummary(59, 50, 9, (FAILED,), 4.25, "c3")
EVALUATION = EvaluationSummary(
    samples=11,
    statistics={"rmse": Quartiles(0.1, 0.2, 0.3), "found_share": Quartiles(None, None, None)},
    ratios={"vacuum_rmse_real": 3.0, "exchanged_rmse_real": None},
    vacancies=VacancySummary(90, 6, 0.5, 1.0, 1.0, 1.0, None),
    examples=({"percentile": 5.0, "material": "MoS2", "place": 3, "found_share": None},),
)
ENSEMBLE = EnsembleSummary(
    samples=11,
    members=2,
    medians={"rmse": 0.2},
    pixel_correlation=0.4,
    worst_caught=0.3,
    worst_share=0.05,
    sample_correlation=None,
    error_over_disagreement=0.8,
    independent_errors=0.7,
    mean_over_member=0.9,
)
COMPARISON = ComparisonSummary(3, 11, (0, 2, 4), {"network_rmse": Quartiles(0.1, 0.2, 0.3)})
CONVERGENCE = ConvergenceSummary(
    Settings("finite", 0.4, 0.1), Settings("finite", 0.2, 0.08), {"MoS2": MedianErrors(1, 2, 3)}
)
TRAINING = training_summary()


@pytest.mark.parametrize(
    "summary",
    [CATALOG, SHARD, EVALUATION, ENSEMBLE, COMPARISON, CONVERGENCE, TRAINING],
    ids=lambda summary: type(summary).__name__,
)
def test_a_summary_is_read_back_from_between_its_provenance(tmp_path, summary):
    path = tmp_path / "summary.json"
    write_document(path, {**ORIGIN, **asdict(summary)})
    assert read_document(path, type(summary)) == summary


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (
            CatalogSummary,
            "rows matched lacking_keys accepted rejected taken materials samples element_sets "
            "shards",
        ),
        (ShardSummary, "samples computed copied failed seconds_per_wave made_from"),
        (FailedSpecimen, "material formula sample_index reason"),
        (EvaluationSummary, "samples statistics ratios vacancies examples"),
        (Quartiles, "lower_quartile median upper_quartile"),
        (VacancySummary, "sites lacking precision recall truth_precision truth_recall chance"),
        (
            EnsembleSummary,
            "samples members medians pixel_correlation worst_caught worst_share "
            "sample_correlation error_over_disagreement independent_errors mean_over_member "
            "examples",
        ),
        (ComparisonSummary, "samples ranked_samples network_frames statistics"),
        (ConvergenceSummary, "settings reference medians"),
        (Settings, "projection slice_thickness sampling"),
        (MedianErrors, "relative_error relative_error_smeared seconds"),
        (
            ConvergenceRow,
            "comparison material formula sample_index projection slice_thickness_angstrom "
            "sampling_angstrom grid_sampling_angstrom points slices relative_error "
            "relative_error_smeared seconds relative_seconds",
        ),
        (
            TrainingSummary,
            "parameters training_samples validation_samples image_size_px epochs loss val_loss "
            "best_epoch best_val_loss seconds waiting_share seconds_per_epoch samples_per_second "
            "peak_memory_bytes peak_gpu_memory_bytes backend device training_data "
            "validation_data",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_keys_of_the_files_stay_what_they_are(kind, keys):
    assert [field.name for field in fields(kind)] == keys.split()


@pytest.mark.parametrize(
    ("summary", "absent"),
    [
        (CATALOG, ["lacking_keys"]),
        (SHARD, ["made_from", "seconds_per_wave", "failed"]),
        (EVALUATION, ["vacancies", "examples"]),
        (
            TRAINING,
            ["waiting_share", "peak_gpu_memory_bytes", "training_data", "validation_data"],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_files_from_before_a_key_was_there_are_read(tmp_path, summary, absent):
    path = tmp_path / "summary.json"
    kept = {key: value for key, value in asdict(summary).items() if key not in absent}
    path.write_text(json.dumps(kept))
    found = asdict(read_document(path, type(summary)))
    assert all(not found.pop(key) for key in absent)
    assert json.loads(json.dumps(found)) == json.loads(json.dumps(kept))


def test_failed_specimens_stand_in_the_attributes_of_a_store():
    text = failed_text([FAILED])
    assert json.loads(text) == [asdict(FAILED)]
    assert failed_specimens({"failed": text}) == (FAILED,)
    assert failed_specimens({"failed": "[]"}) == ()


def test_the_settings_of_a_network_of_another_version_are_shown_as_they_are(tmp_path):
    path = tmp_path / "network.json"
    settings = {"channels": [8, 16], "convolutions": 5, "kernel_px": 3, "images": 3, "old": None}
    write_document(path, {"network": settings, **ORIGIN})
    found = read_document(path, NetworkDescription)
    assert found.network == settings
    assert found.architecture.channels == (8, 16)
