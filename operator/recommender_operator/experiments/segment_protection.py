"""Protection of segments: a loss of their users keeps a candidate from promotion.

Only features with a `largestLoss` protect. A protection that could not be tested is none, so its
cause is a doubt too: otherwise a misspelt name, or a version that fails for one kind of users and
so loses them, would switch it off in silence. A rollback needs none of this.
"""

from __future__ import annotations

from recommender_operator.experiments.comparison_texts import described, named
from recommender_operator.experiments.plan import Plan
from recommender_operator.experiments.segment_effects import Report


def doubts(plan: Plan, report: Report) -> tuple[str, ...]:
    """Return the finding at the planned users, which stays."""
    harmed = [
        f"{named(each)}: {described(each.comparison)}: these users lose more than the largestLoss "
        "of their segment, beyond chance over all segments"
        for each in report.segments
        if each.harmed
    ]
    lost = [
        f"{named(each)}: its users do not fit the weights, so its largestLoss cannot be "
        "tested; something loses or moves users of one arm"
        for each in report.segments
        if each.mismatch and plan.segments[each.feature] is not None
    ]
    unsaid = [_unsaid(name) for name in report.unsaid if plan.segments[name] is not None]
    return tuple(dict.fromkeys((*harmed, *lost, *unsaid)))


def missing(plan: Plan, report: Report) -> str:
    """Return why a promotion waits, though nothing is wrong with it; empty if it does not."""
    names = [name for name in report.untold if plan.segments[name] is not None]
    if not names:
        return ""
    cause = report.problem or "the collector reports no segments of them"
    return f"no promotion without the segments of {', '.join(names)}: {cause}"


def hints(report: Report) -> tuple[str, ...]:
    """Return the problems that a person can correct before the planned users are reached."""
    return tuple(map(_unsaid, report.unsaid))


def _unsaid(feature: str) -> str:
    return (
        f"no request gives {feature}, so all users are in its segment unknown: check the name in "
        "rollout.experiment.segments, and that it is a text or a Boolean"
    )
