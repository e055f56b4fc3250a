"""Results of the analysis of a window of sessions."""

from __future__ import annotations

import dataclasses

from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.status import FeatureEffect


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureShift:
    """The largest shift of a feature.

    `effect` is the total variation distance (0..1), corrected for noise, or the change of the null
    or unknown share; `p_value` is adjusted for all tests of the window (Holm); `psi` is for
    display.
    """

    name: str
    effect: float
    p_value: float
    psi: float
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftVerdict:
    """PASS: no shift. FAIL: at least one feature shifted. INCONCLUSIVE: too few sessions.

    `features` are the shifted ones, worst first; `effects` are those of all features, largest
    relative to its limit first. `clear`: well below all limits; several such windows in a row
    end a drift.
    """

    verdict: Verdict
    sessions: int
    features: tuple[FeatureShift, ...] = ()
    effects: tuple[FeatureEffect, ...] = ()
    message: str = ""
    clear: bool = False
