"""Features that most served sessions lack: a break of the pipeline, not a drift of the users."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.analysis.distributions import NULL, SCORE, UNKNOWN
from recommender_operator.analysis.window import Bins, WindowStats

#: Rise of the share of nulls, or of unknown values, from which a feature counts as broken.
RISE = 0.5


def broken(window: WindowStats) -> tuple[str, ...]:
    """Return the features that are null or unknown in many more sessions than in the training."""
    return tuple(
        sorted(
            name
            for name, reference in window.reference.items()
            if name != SCORE and _rises(window.features, name, reference)
        )
    )


def _rises(features: Mapping[str, Bins], name: str, reference: Bins) -> bool:
    seen = features.get(name, {})
    here, there = sum(seen.values()), sum(reference.values())
    if not here or not there:
        return False
    return any(
        seen.get(missing, 0) / here - reference.get(missing, 0) / there >= RISE
        for missing in (NULL, UNKNOWN)
    )
