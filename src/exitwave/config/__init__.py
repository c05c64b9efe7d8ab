"""The configuration: read, checked and cut into the specs of the stages.

>>> from exitwave.config import parse_config
>>> parse_config({"seed": 7}).seed
7
"""

from exitwave.config.loading import load_config, parse_config
from exitwave.config.models import (
    Config,
    Convergence,
    Dataset,
    Epochs,
    Evaluation,
    Materials,
    Microscope,
    Multislice,
    Network,
    SplitByElements,
    SplitBySamples,
)
from exitwave.config.structure import Structure

__all__ = [
    "Config",
    "Convergence",
    "Dataset",
    "Epochs",
    "Evaluation",
    "Materials",
    "Microscope",
    "Multislice",
    "Network",
    "SplitByElements",
    "SplitBySamples",
    "Structure",
    "load_config",
    "parse_config",
]
