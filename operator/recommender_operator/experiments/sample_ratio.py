"""Sample ratio mismatch: the arms do not have the users that their weights promise.

Whatever lost or moved users may depend on what they did, so no difference between such arms
counts (A. Fabijan et al., Diagnosing sample ratio mismatch, KDD 2019). Tested for each phase by
itself, because a ramp mixes weights and would look like a mismatch.
"""

from __future__ import annotations

from recommender_operator.analysis.tail_probabilities import chi_square_tail
from recommender_operator.experiments.plan import Phase

#: Level of one test. It is repeated at every look, so it is strict.
ALPHA = 0.0005
#: Least expected users of each arm: at this level the tail of the chi-square distribution is too
#: light for smaller counts.
MIN_EXPECTED = 50.0
#: Largest share of users seen in two arms. None is expected; a few change their id.
MAX_MIXED = 0.01


def p_value(phase: Phase) -> float | None:
    """Return the p-value of the chi-square test of the arms' users; None for too few users."""
    weights = {arm: weight for arm, weight in phase.weights.items() if weight > 0}
    counted = {arm: phase.of(arm).users for arm in weights.keys() | phase.arms.keys()}
    users, scale = sum(counted.values()), sum(weights.values())
    if not users or any(users * w / scale < MIN_EXPECTED for w in weights.values()):
        return None
    if any(counted[arm] for arm in counted.keys() - weights.keys()):
        return 0.0  # users in an arm that has none
    statistic = sum(
        (counted[arm] - users * w / scale) ** 2 / (users * w / scale) for arm, w in weights.items()
    )
    return chi_square_tail(statistic, len(weights) - 1)


def mixed_share(phase: Phase) -> float:
    """Return the share of the phase's users who were seen in two arms."""
    users = sum(arm.users for arm in phase.arms.values())
    return phase.mixed / (users + phase.mixed) if users + phase.mixed else 0.0


def problem(phase: Phase) -> str:
    """Return why this phase allows no verdict; empty if it does."""
    p = p_value(phase)
    if p is not None and p < ALPHA:
        counts = ", ".join(f"{arm} {phase.of(arm).users}" for arm in sorted(phase.weights))
        return (
            f"sample ratio mismatch in phase {phase.number} (p = {p:.1g}): users {counts} do not "
            "fit the weights; something loses or moves users of one arm"
        )
    share = mixed_share(phase)
    if share > MAX_MIXED and phase.mixed >= MIN_EXPECTED:
        return (
            f"{phase.mixed} users ({share:.1%}) of phase {phase.number} were seen in two arms, at "
            f"most {MAX_MIXED:.0%} may be; check how users get their id"
        )
    return ""
