"""When a candidate without users is asked: for answers to copies, or for lists to mix.

A service of an earlier release would count copies and its lists as requests of users. What holds a
rollout holds the start of a phase before the first step, but does not interrupt it.
"""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.context.rollout_state import RolloutState
from recommender_operator.observed import VersionObject


def candidate(state: RolloutState, weights: Mapping[str, int]) -> VersionObject | None:
    """Return the candidate that others answer for; None if it has a share of the requests."""
    found = state.candidate
    is_before = found is not None and bool(weights) and found.name not in weights
    return found if is_before else None


def answers_lists(state: RolloutState) -> bool:
    """Return whether the candidate is ready, and reports its lists as those that nobody sees."""
    found = state.candidate
    return found is not None and state.is_ready(found.name) and is_current(state, found)


def is_current(state: RolloutState, version: VersionObject | None) -> bool:
    """Return whether the service of a version has the settings of this release."""
    service = state.service(version.name) if version is not None else None
    return service is not None and not service.outdated


def is_held(state: RolloutState) -> bool:
    """Return whether no phase may begin."""
    return state.spec.paused or state.held or state.standby is not None
