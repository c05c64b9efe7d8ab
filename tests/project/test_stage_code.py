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
    # What a registry imports by its name belongs to the stage, too.
    assert {"specimens.supports", "specimens.supports.graphite"} <= set(stage_modules("simulate"))


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


def test_a_new_kind_alone_asks_for_no_new_version():
    before = present()
    now = copy.deepcopy(before)
    now["simulate"]["modules"]["specimens.supports.gold"] = "new"
    (sentence,) = complaints(before, now)
    assert "'simulate' has new modules (specimens.supports.gold)" in sentence
    assert "ALGORITHM_VERSIONS" not in sentence
    now["simulate"]["modules"]["specimens.build"] = "changed"
    assert "ALGORITHM_VERSIONS['simulate']" in complaints(before, now)[0]
