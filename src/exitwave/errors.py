"""The one exception for mistakes that a user can mend.

``ExitwaveError`` carries a complete sentence: what is wrong, where, what was expected and
what to do. The command line prints it without a traceback and exits with status 2.
"""

from __future__ import annotations


class ExitwaveError(Exception):
    """A user's mistake or a broken input, described in one sentence that says what to do."""


class SpecimenError(ExitwaveError):
    """One material or sample from which no valid specimen can be made; the others go on."""
