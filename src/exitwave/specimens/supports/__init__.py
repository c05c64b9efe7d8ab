"""What lies below a flake: one file for each support that ``structure.support`` may name."""

from __future__ import annotations

from typing import Protocol

from exitwave.config import Structure
from exitwave.registry import Registry
from exitwave.seeds import Generators
from exitwave.specimens.flakes import Piece


class Support(Protocol):
    """What the module of a support defines."""

    def height(self, structure: Structure, draws: Generators) -> float:
        """Return the height of the support [Å], before the tilt.

        Parameters
        ----------
        structure : Structure
            The section ``structure`` of the configuration.
        draws : callable
            Gives the random generator of an aspect, such as ``"support layers"``; the same aspect
            always gives the same numbers.
        """

    def build(
        self,
        structure: Structure,
        height: float,
        flake_rotation: float,
        room: float,
        draws: Generators,
    ) -> Piece:
        """Build the support about the origin, at any height.

        Parameters
        ----------
        structure : Structure
            The section ``structure`` of the configuration.
        height : float
            What `height` returned [Å].
        flake_rotation : float
            Angle of the flake's lattice [rad], against which a crystal is turned.
        room : float
            Half the side of the square in which the support may lie [Å].
        draws : callable
            Gives the random generator of an aspect.
        """


SUPPORTS: Registry[Support] = Registry(__name__, "support", Support)
