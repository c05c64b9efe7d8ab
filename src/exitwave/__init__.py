"""A workflow-managed factory for HRTEM data sets and the networks trained on them.

>>> import exitwave
>>> waves = exitwave.open_exit_waves("results/mos2/exit_waves/000.nc", complex_values=True)
>>> epoch = exitwave.open_epoch("results/mos2/epochs/3_images/validation/00.nc")
"""

from exitwave.errors import ExitwaveError, SpecimenError
from exitwave.files.store import open_epoch, open_exit_waves

__version__ = "0.1.0"

__all__ = ["ExitwaveError", "SpecimenError", "__version__", "open_epoch", "open_exit_waves"]
