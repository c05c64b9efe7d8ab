"""A workflow-managed factory for HRTEM data sets and the networks trained on them.

>>> import exitwave
>>> waves = exitwave.open_exit_waves("results/mos2/exit_waves/000.nc", complex_values=True)
>>> epoch = exitwave.open_epoch("results/mos2/epochs/3_images/validation/00.nc")
>>> network = exitwave.load_network("results/networks/mos2")
>>> found = exitwave.reconstruct(["series.dm4"], ["results/networks/mos2"], "wave.nc")
"""

import importlib
from typing import TYPE_CHECKING

from exitwave.errors import ExitwaveError, SpecimenError

if TYPE_CHECKING:
    from exitwave.networks.trained import load_network
    from exitwave.samples.labelled import open_epoch, open_exit_waves
    from exitwave.stages.reconstruct import reconstruct
else:
    # Imported when they are asked for: NetCDF and NumPy take longer than `exitwave --help` may.
    _MODULES = {
        "load_network": "exitwave.networks.trained",
        "open_epoch": "exitwave.samples.labelled",
        "open_exit_waves": "exitwave.samples.labelled",
        "reconstruct": "exitwave.stages.reconstruct",
    }

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES})


__version__ = "0.1.0"

__all__ = [
    "ExitwaveError",
    "SpecimenError",
    "__version__",
    "load_network",
    "open_epoch",
    "open_exit_waves",
    "reconstruct",
]
