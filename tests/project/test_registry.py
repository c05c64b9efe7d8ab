"""Registries: a file is a kind, and says clearly what it lacks."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from exitwave.config.sections.figures import SHOWN
from exitwave.config.sections.networks import ARCHITECTURES as NAMED_ARCHITECTURES
from exitwave.config.sections.structure import SUPPORTS as NAMED_SUPPORTS
from exitwave.errors import ExitwaveError
from exitwave.exports.formats import FORMATS, Format
from exitwave.figures.kinds import KINDS, Kind
from exitwave.figures.plots import SETS
from exitwave.networks.architectures import ARCHITECTURES, Architecture
from exitwave.registry import Registry
from exitwave.specimens import supports
from exitwave.specimens.supports import SUPPORTS, Support


@pytest.mark.parametrize(
    ("registry", "protocol"),
    [(SUPPORTS, Support), (KINDS, Kind), (ARCHITECTURES, Architecture), (FORMATS, Format)],
    ids=["supports", "figures", "architectures", "formats"],
)
def test_every_kind_takes_what_its_protocol_says(registry: Registry[Any], protocol: type) -> None:
    for name in registry.names():
        for member, wanted in inspect.getmembers(protocol, inspect.isfunction):
            if not member.startswith("_"):
                _, *parameters = inspect.signature(wanted).parameters
                assert list(inspect.signature(getattr(registry[name], member)).parameters) == (
                    parameters
                ), f"{name}.{member}"


def test_the_configuration_names_what_there_is() -> None:
    assert set(NAMED_SUPPORTS) == {"none", *SUPPORTS.names()}
    assert set(NAMED_ARCHITECTURES) == set(ARCHITECTURES.names())
    plotted = {kind for entry in SETS.values() for kind in entry.kinds}
    assert set(SHOWN) | plotted == set(KINDS.names())


def test_an_unknown_kind_is_told_with_those_there_are() -> None:
    with pytest.raises(ExitwaveError, match=r"no support 'gold' in exitwave/specimens/supports/; "):
        SUPPORTS["gold"]
    with pytest.raises(ExitwaveError, match=r"carbon, graphene, graphite, or add gold\.py"):
        SUPPORTS["gold"]


def test_a_kind_that_lacks_something_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.py").write_text("def height(structure, draws):\n    return 0.0\n")
    (tmp_path / "_shared.py").write_text("")
    monkeypatch.setattr(supports, "__path__", [*supports.__path__, str(tmp_path)])
    assert "half" in SUPPORTS.names()
    assert "_shared" not in SUPPORTS.names()
    with pytest.raises(ExitwaveError, match=r"half\.py does not define build, but a support needs"):
        SUPPORTS["half"]
    del sys.modules["exitwave.specimens.supports.half"]
