"""No stage's code changes without a thought for the results that users have already made."""

import copy
import sys

import pytest
from stage_code import PYTHON, complaints, present, recorded, stage_modules

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] != PYTHON, reason="the record was made with another Python"
)


def test_the_code_of_every_stage_is_the_recorded_one():
    assert not complaints(recorded(), present()), "\n".join(complaints(recorded(), present()))


def test_a_stage_is_all_that_determines_its_results():
    assert {"specimens.build", "multislice.exit_wave", "seeds"} <= set(stage_modules("simulate"))
    assert {
        f"imaging.{name}" for name in ("focal_series", "transfer", "detector", "microscope")
    } <= set(stage_modules("render"))
    assert "imaging.focal_series" not in stage_modules("simulate")
    assert "multislice.exit_wave" not in stage_modules("train")


def test_a_change_without_a_new_version_is_named():
    before = present()
    now = copy.deepcopy(before)
    now["render"]["modules"]["imaging.focal_series"] = "changed"
    (sentence,) = complaints(before, now)
    assert "'render' changed (imaging.focal_series)" in sentence
    assert "ALGORITHM_VERSIONS['render']" in sentence
    now["render"]["version"] += 1
    assert "make stage-code" in complaints(before, now)[0]
    assert not complaints(now, now)
