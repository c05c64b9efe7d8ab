"""The demo, run once for all tests that look at its results."""

import pytest
import yaml
from factory import ROOT, Factory


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Run `config/demo.yaml` from the materials to the report, in a folder of its own."""
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    factory = Factory(tmp_path_factory.mktemp("demo"), config, one_thread=True)
    # Minutes alone; two or three times as long where other tests keep the cores busy.
    factory.said = factory.must_run(timeout=2900)
    return factory
