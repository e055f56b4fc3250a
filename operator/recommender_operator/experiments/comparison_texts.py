"""Comparisons as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from recommender_operator.experiments.estimates import Comparison
from recommender_operator.experiments.harm import Watched
from recommender_operator.experiments.novelty import Novelty
from recommender_operator.experiments.segment_effects import Interaction, Segment

_WEEK = 7
#: Measured days are whole weeks if they differ by less: an experiment ends at a look.
_NEAR = 0.5


def described(comparison: Comparison) -> str:
    """Return the values, the relative difference with its interval, and the p-value."""
    values = " against ".join(
        "no value" if value is None else f"{value:.4g}"
        for value in (comparison.candidate, comparison.champion)
    )
    text = f"{comparison.metric} {values}"
    if comparison.difference is None:
        return text
    text += f" ({comparison.difference:+.1%}"
    if comparison.low is not None and comparison.high is not None:
        text += f" [{comparison.low:+.1%}, {comparison.high:+.1%}]"
    if comparison.p_value is not None:
        text += f", p = {comparison.p_value:.2g}"
    return f"{text})"


def all_described(comparisons: Sequence[Comparison]) -> str:
    """Return all comparisons."""
    return "; ".join(map(described, comparisons))


def harmed(watched: Iterable[Watched]) -> str:
    """Return the metrics that are harmed, with their numbers; empty if none is."""
    return "; ".join(
        f"{described(each.comparison)}: worse by more than {each.limit:.1%}, beyond chance "
        "over all looks"
        for each in watched
        if each.harmful
    )


def lasting(novelty: Novelty) -> str:
    """Return whether the difference of a metric lasts after users' first day."""
    if novelty.first is None or novelty.later is None:
        few = "too few users have values on their first day and on later ones"
        return f"{novelty.metric}: not known, {novelty.problem or few}"
    values = f"{novelty.first:+.1%} on users' first day in this phase, {novelty.later:+.1%} later"
    chance = "beyond chance" if novelty.changes else "within chance"
    p = "" if novelty.p_value is None else f", p = {novelty.p_value:.2g}"
    # Users who come often make most of the later days, so an effect that never changes but is
    # another one for them looks the same.
    cause = ": it changes with time, or users who come often react differently"
    return (
        f"{novelty.metric}: {values}; the change is {chance}{p}{cause if novelty.changes else ''}"
    )


def named(segment: Segment) -> str:
    """Return the users of a segment."""
    # Quoted, because a client chooses the value.
    value = "all other values" if segment.value is None else json.dumps(segment.value)
    return f"{segment.feature} = {value}"


def differing(interaction: Interaction, alpha: float) -> str:
    """Return whether the effect differs between the segments of a feature."""
    chance = "beyond chance" if interaction.p_value <= alpha else "within chance"
    return (
        f"the effect on {interaction.metric} differs by {interaction.feature} {chance} "
        f"(Q = {interaction.q:.3g} with {interaction.degrees} degrees of freedom, "
        f"p = {interaction.p_value:.2g})"
    )


def weekdays(days: float) -> str:
    """Return a note on the weekdays that a finished experiment covered."""
    if days < _WEEK - _NEAR:
        return f"{days:.1f} days were measured: the result may reflect only some weekdays"
    rest = days % _WEEK
    if _NEAR <= rest <= _WEEK - _NEAR:
        return (
            f"{days:.1f} days were measured, not whole weeks: some weekdays count once more than "
            "others"
        )
    return ""


def seasonality(min_days: float) -> str:
    """Return a note on the weekdays in the shortest time; empty if it is whole weeks."""
    if min_days < _WEEK:
        return (
            f"minDays {min_days:g} is less than a week: a result may reflect only some "
            "weekdays. Set it to 7, 14, 21 or 28"
        )
    if min_days % _WEEK:
        return (
            f"minDays {min_days:g} is not whole weeks: some weekdays count once more than others. "
            "Set it to 7, 14, 21 or 28"
        )
    return ""
