"""The metrics of an experiment as a table, and whom users of mixed lists prefer."""

from __future__ import annotations

from recommender_kubectl import text
from recommender_kubectl.experiment_objects import (
    Arm,
    Comparison,
    Experiment,
    Interleaving,
    Segment,
)
from recommender_kubectl.text import Style

_HEADER = (
    "METRIC",
    "ROLE",
    "CHAMPION",
    "CANDIDATE",
    "DIFFERENCE",
    "INTERVAL",
    "MATTERS",
    "USERS",
)
_ARMS = (
    "VERSION",
    "RESULT",
    "METRIC",
    "ROLE",
    "CHAMPION",
    "VERSION'S",
    "DIFFERENCE",
    "INTERVAL",
    "USERS",
)
_SEGMENTS = (
    "SEGMENT",
    "METRIC",
    "CHAMPION",
    "CANDIDATE",
    "DIFFERENCE",
    "INTERVAL",
    "P",
    "USERS",
    "NOTE",
)


def mixed(seen: Interleaving, style: Style) -> list[str]:
    """Return whom users of mixed lists prefer, as text."""
    title = style.paint("Mixed lists", text.BOLD) + f" {seen.id}: "
    said = f" {seen.message}" if seen.message else ""
    lines = text.wrapped(title + style.word(seen.verdict or "Starting") + said, 0, style)
    return [*lines, *text.facts(mixed_facts(seen), style)]


def mixed_facts(seen: Interleaving) -> list[tuple[str, str]]:
    """Return users and preference of an interleaving, each with its name."""
    value = ""
    if seen.preference is not None:
        value = f"{seen.preference:+.3f}"
        if seen.low is not None and seen.high is not None:
            value += f" ({seen.low:+.3f} to {seen.high:+.3f})"
        value += "; above 0 for the candidate"
    clicked = f"{seen.clicked} of {seen.planned_users}, of {seen.users} users of the phase"
    return [
        ("Users with a click", clicked),
        ("Preference", value),
        ("Plan", f"lists of {seen.percent} % of the users"),
    ]


def table(seen: Experiment, style: Style) -> list[str]:
    """Return the metrics of an experiment as a table; differences in percent of the champion."""
    rows = [
        (
            one.name,
            one.role,
            text.number(one.champion),
            text.number(one.candidate),
            percent(one.difference),
            _percents(one.low, one.high),
            percent(one.limit, signed=False),
            f"{one.champion_users} + {one.candidate_users}",
        )
        for one in seen.metrics
    ]
    return text.table(_HEADER, rows, style)


def line(one: Comparison) -> str:
    """Return the difference of a metric, its interval and the users of both versions."""
    within = _percents(one.low, one.high)
    users = f"{one.champion_users} + {one.candidate_users} users"
    return f"{one.name} ({one.role}) {percent(one.difference)} ({within}), {users}"


def arms(seen: Experiment, style: Style) -> list[str]:
    """Return the metrics of the further versions as a table."""
    rows = [
        (
            arm.version,
            result(seen, arm),
            one.name,
            one.role,
            text.number(one.champion),
            text.number(one.candidate),
            percent(one.difference),
            _percents(one.low, one.high),
            f"{one.champion_users} + {one.candidate_users}",
        )
        for arm in seen.arms
        for one in arm.metrics
    ]
    return text.table(_ARMS, rows, style)


def result(seen: Experiment, arm: Arm) -> str:
    """Return the result of a further version; its test is read once, or never."""
    if arm.withdrawn:
        return "Withdrawn"
    return arm.result or ("Not read" if seen.over else "Measuring")


def segments(seen: Experiment, style: Style) -> list[str]:
    """Return the metrics by segment of the users as a table."""
    rows = [
        (
            segment(one),
            one.name,
            text.number(one.champion),
            text.number(one.candidate),
            percent(one.difference),
            _percents(one.low, one.high),
            text.number(one.p_value),
            f"{one.champion_users} + {one.candidate_users}",
            one.note,
        )
        for one in seen.segments
    ]
    return text.table(_SEGMENTS, rows, style)


def segment(one: Segment) -> str:
    """Return the name of a segment."""
    return f"{one.feature}={one.value}" if one.value else f"{one.feature}: others"


def percent(value: float | None, *, signed: bool = True) -> str:
    """Return a share in percent."""
    if value is None:
        return text.NOTHING
    return f"{100 * value:+.3g} %" if signed else f"{100 * value:.3g} %"


def _percents(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return text.NOTHING
    ends = ("" if end is None else f"{100 * end:+.3g}" for end in (low, high))
    return "..".join(ends) + " %"
