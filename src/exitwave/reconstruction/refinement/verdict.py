"""One sentence on whether to believe a refined wave, by what is known of the network.

A refinement scales the error that the network is said to have until the images are explained.
Where the network knows what it sees the scale is near what it was on its validation samples;
where it does not, the wave is wrong by more and the scale tells so, without the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

from exitwave.networks.calibration import Calibration
from exitwave.reconstruction.refinement.refine import Refinement

# The misfit may be off 1 by its expected spread, and by what the model leaves out: its images are
# coarser than the camera's, and their foci are those of the quasi-coherent envelope.
_DEVIATIONS, _LEFT_OUT = 4.0, 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether to believe a wave.

    Attributes
    ----------
    is_consistent : bool
        Whether nothing speaks against it.
    sentence : str
        That, and why.
    """

    is_consistent: bool
    sentence: str


def verdict(found: Refinement, calibration: Calibration) -> Verdict:
    """Pass a verdict on a refinement."""
    limit = calibration.largest_scale
    most = 1 + _DEVIATIONS * found.misfit_deviation + _LEFT_OUT
    reasons = []
    if found.scale > limit:
        reasons.append(
            f"the network is off by {found.scale:.1f} times what its training says, more than the "
            f"{limit:.1f} that one series in twenty of its own kind exceeds"
        )
    if found.misfit > most:
        reasons.append(
            f"computed and measured images differ by {found.misfit:.2f} times the noise, where "
            f"{most:.2f} is the most to expect"
        )
    if not found.at_rest:
        reasons.append("the fit did not come to rest")
    if reasons:
        return Verdict(False, f"Not to be believed: {'; '.join(reasons)}.")
    return Verdict(
        True,
        f"Consistent: the network is off by {found.scale:.1f} times what its training says (limit "
        f"{limit:.1f}), and computed and measured images differ by {found.misfit:.2f} times the "
        "noise.",
    )
