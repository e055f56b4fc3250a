"""Outcomes of the candidate's and the champion's users, as intervals of the difference."""

from __future__ import annotations

import datetime

from recommender_console import svg_plot
from recommender_console.markup import Child, Markup, tag
from recommender_console.object_details import SeenVersion
from recommender_console.pages import parts
from recommender_console.svg_plot import Reading
from recommender_kubectl import text
from recommender_kubectl.experiment_objects import Arm, Comparison, Experiment, Segment
from recommender_kubectl.objects import Model
from recommender_kubectl.views import comparisons
from recommender_kubectl.views import experiment as experiment_view

_MIXED_TONES = {"Preferred": "good", "NotWorse": "good", "Worse": "bad", "Error": "bad"}
_TONES = {"Promote": "good", "RollBack": "bad", "Futile": "bad", "Blocked": "bad"}


def section(seen: SeenVersion, model: Model, now: datetime.datetime) -> Markup | None:
    """Return the experiment of a version; nothing if it has none."""
    own = seen.version.experiment
    if own is None:
        return None
    shown = experiment_view.of_version(model, [seen.version], seen.version.name)
    verdict = own.verdict or "Starting"
    rows = [_row(one) for one in own.metrics]
    header = (
        "Metric", "Role", "Champion", "Candidate", "Difference", "Interval", "Figure", "Matters",
        "Users",
    )  # fmt: skip
    return parts.section(
        "experiment",
        "Experiment",
        tag("p", parts.badge(verdict, _TONES.get(verdict, "waiting")), " ", own.message),
        parts.table("Metrics of the experiment", header, rows, "numbers") if rows else None,
        parts.note("Differences are in percent of the champion; the dashed line is no "
                   "difference.") if rows else None,
        parts.facts(experiment_view.facts(own, now)),
        _arms(own),
        _segments(own),
        tag("p", tag("b", "Next: "), shown.next) if shown.next else None,
    )  # fmt: skip


def mixed(seen: SeenVersion) -> Markup | None:
    """Return whom users of mixed lists prefer; nothing if there were none."""
    own = seen.version.interleaving
    if own is None:
        return None
    verdict = own.verdict or "Starting"
    reading = Reading(
        name="Preference in mixed lists", value=own.preference, low=own.low, high=own.high,
        zero=True,
    )  # fmt: skip
    return parts.section(
        "interleaving",
        "Mixed lists",
        tag("p", parts.badge(verdict, _MIXED_TONES.get(verdict, "waiting")), " ", own.message),
        svg_plot.strip(reading, "candidate") if own.preference is not None else None,
        parts.facts(comparisons.mixed_facts(own)),
    )


def _arms(own: Experiment) -> Markup | None:
    rows = [_arm_row(own, arm, one) for arm in own.arms for one in arm.metrics]
    if not rows:
        return None
    header = (
        "Version", "Result", "Metric", "Role", "Champion", "Version's", "Difference", "Interval",
        "Figure", "Users",
    )  # fmt: skip
    return parts.table("Further versions, each compared with the champion", header, rows,
                       "numbers")  # fmt: skip


def _arm_row(own: Experiment, arm: Arm, one: Comparison) -> list[Child]:
    return [
        arm.version,
        comparisons.result(own, arm),
        one.name,
        one.role,
        *_cells(one, f"{arm.version}, {one.name}"),
        f"{one.champion_users:,} + {one.candidate_users:,}",
    ]


def _segments(own: Experiment) -> Markup | None:
    if not own.segments:
        return None
    header = (
        "Segment", "Metric", "Champion", "Candidate", "Difference", "Interval", "Figure", "Users",
        "Note",
    )  # fmt: skip
    rows = [_segment_row(one) for one in own.segments]
    return parts.table("Metrics by segment of the users", header, rows, "numbers")


def _segment_row(one: Segment) -> list[Child]:
    name = comparisons.segment(one)
    return [
        name,
        one.name,
        *_cells(one, name),
        f"{one.champion_users:,} + {one.candidate_users:,}",
        one.note,
    ]


def _row(one: Comparison) -> list[Child]:
    return [
        one.name,
        one.role,
        *_cells(one, one.name),
        _or_nothing(comparisons.percent(one.limit, signed=False)),
        f"{one.champion_users:,} + {one.candidate_users:,}",
    ]


def _cells(one: Comparison | Segment, name: str) -> list[Child]:
    """Return both values and their difference, as numbers and as a plot with this name."""
    reading = Reading(
        name=f"{name}, difference", value=one.difference, low=one.low, high=one.high, zero=True
    )
    return [
        parts.NOTHING if one.champion is None else text.number(one.champion),
        parts.NOTHING if one.candidate is None else text.number(one.candidate),
        _or_nothing(comparisons.percent(one.difference)),
        _between(one.low, one.high),
        svg_plot.strip(reading, "candidate"),
    ]


def _or_nothing(words: str) -> str:
    return parts.NOTHING if words == text.NOTHING else words


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{comparisons.percent(low)} to {comparisons.percent(high)}"
    if high is not None:
        return f"up to {comparisons.percent(high)}"
    return parts.NOTHING if low is None else f"from {comparisons.percent(low)}"
