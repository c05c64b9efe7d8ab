"""Reference waves, computed once."""

import pytest
from clusters import BOX, WIDTH, mixed_cluster, molybdenite_flake
from reference import exit_wave


@pytest.fixture(scope="session")
def reference_cluster():
    return exit_wave(*mixed_cluster(), BOX, 240, 0.1, WIDTH)


@pytest.fixture(scope="session")
def reference_flake():
    return exit_wave(*molybdenite_flake(), BOX, 240, 0.1, WIDTH)
