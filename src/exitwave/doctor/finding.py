"""What a check of `exitwave doctor` found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    subject: str
    """What was looked at, in a word or two."""
    verdict: Verdict
    sentence: str
    """What was found."""
    remedy: str = ""
    """What to do about it, a sentence; empty where all is good."""


def good(subject: str, sentence: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(subject, "good", sentence)


def warning(subject: str, sentence: str, remedy: str) -> Finding:
    """Return a finding with which a run is possible, but may surprise."""
    return Finding(subject, "warning", sentence, remedy)


def problem(subject: str, sentence: str, remedy: str) -> Finding:
    """Return a finding with which a run would fail."""
    return Finding(subject, "problem", sentence, remedy)
