"""The doctor: whether all is here that a run needs."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
"""Folder of the Snakefile, the profiles and the lock, where the package lies in a checkout."""
