"""The configuration, read and checked: one frozen model per section.

>>> from exitwave.config import parse_config
>>> parse_config({"seed": 7}).seed
7
"""

from exitwave.config.loading import load_config, parse_config
from exitwave.config.root import Config
from exitwave.config.sections.comparisons import Comparison, ComparisonSettings
from exitwave.config.sections.convergence import Convergence, ConvergenceSettings
from exitwave.config.sections.datasets import Dataset, Materials, SplitByElements, SplitBySamples
from exitwave.config.sections.ensembles import Ensemble, EnsembleSettings
from exitwave.config.sections.epochs import Epochs, EpochSettings
from exitwave.config.sections.evaluations import Evaluation, EvaluationSettings
from exitwave.config.sections.figures import Figure, FigureSettings
from exitwave.config.sections.microscope import Microscope
from exitwave.config.sections.multislice import Multislice
from exitwave.config.sections.networks import Network, NetworkSettings
from exitwave.config.sections.structure import Structure

__all__ = [
    "Comparison",
    "ComparisonSettings",
    "Config",
    "Convergence",
    "ConvergenceSettings",
    "Dataset",
    "Ensemble",
    "EnsembleSettings",
    "EpochSettings",
    "Epochs",
    "Evaluation",
    "EvaluationSettings",
    "Figure",
    "FigureSettings",
    "Materials",
    "Microscope",
    "Multislice",
    "Network",
    "NetworkSettings",
    "SplitByElements",
    "SplitBySamples",
    "Structure",
    "load_config",
    "parse_config",
]
