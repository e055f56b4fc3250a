"""Tables of gates and steps with their intervals as figures, the split, and drift."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping, Sequence

from recommender_console import svg_plot
from recommender_console.markup import Child, Markup, join, tag
from recommender_console.object_details import Drift, SeenVersion, SegmentLoss, SegmentsOfSessions
from recommender_console.pages import parts
from recommender_console.svg_plot import Reading
from recommender_kubectl import text
from recommender_kubectl.objects import Metric, Model, Step

_ROLES = {"champion": "champion", "fresh": "fresh champion", "candidate": "candidate"}
_TONES = {"Pass": "pass", "Fail": "fail", "Error": "fail"}


def split(model: Model) -> Markup | None:
    """Return the weights of champion and candidate as they are served.

    A fresh deployment of the champion has its part of the champion's weight.
    """
    part = model.fresh_champion_weight or 0
    of_champion = model.champion_weight
    arms = (
        ("champion", model.champion, None if of_champion is None else of_champion - part),
        ("fresh", model.fresh_champion, part),
        ("candidate", model.candidate, model.candidate_weight),
    )
    shares = [
        (role, name, percent) for role, name, percent in arms if name and percent is not None
    ]
    if not shares:
        return None
    keys = [
        tag("li", tag("span", "", class_=f"key {role}"), f"{_ROLES[role]} {name}: {percent} %")
        for role, name, percent in shares
    ]
    return tag(
        "div", svg_plot.split(shares), tag("ul", *keys, class_="keys"), class_="split-figure"
    )


def gates(seen: SeenVersion) -> Markup | None:
    """Return the offline gates with their intervals."""
    if not seen.version.gates:
        return None
    rows: list[list[Child]] = []
    for gate, (minimum, maximum) in zip(seen.version.gates, seen.bounds, strict=True):
        reading = Reading(
            name=gate.name, value=gate.value, low=gate.low, high=gate.high, minimum=minimum,
            maximum=maximum,
        )  # fmt: skip
        verdict = "Pass" if gate.passed else "Fail"
        rows.append([
            gate.name,
            text.number(gate.value) if gate.value is not None else parts.NOTHING,
            _interval(gate.low, gate.high),
            gate.threshold,
            svg_plot.strip(reading, _TONES[verdict]),
            parts.badge(verdict),
            gate.message,
        ])  # fmt: skip
    header = ("Metric", "Value", "95 % interval", "Limit", "Figure", "Verdict", "Remark")
    return parts.table("Offline gates", header, rows, "numbers")


def step_table(seen: SeenVersion, index: int, now: datetime.datetime) -> Markup:
    """Return a step with its metrics."""
    one = seen.version.steps[index]
    lasted = text.duration(((one.ended_at or now) - one.started_at).total_seconds())
    head = tag(
        "h3", f"{one.title} ", parts.badge(one.verdict),
        tag("span", f" lasted {lasted}" if one.ended_at else f" for {lasted}", class_="soft"),
    )  # fmt: skip
    if not one.metrics:
        return join([head, parts.note("No numbers yet.")])
    rows = [_metric(metric, seen.limits[index]) for metric in one.metrics]
    header = (
        "Metric", "Candidate", "Interval", "Stable", "Limit", "Figure", "Samples", "Verdict",
        "Remark",
    )  # fmt: skip
    caption = f"{one.title}: metrics, from {one.started_at:%H:%M:%S}"
    return join([head, parts.table(caption, header, rows, "numbers")])


def courses(seen: SeenVersion) -> Markup | None:
    """Return each metric from step to step, if there are several."""
    steps = seen.version.steps
    if len(steps) < 2:
        return None
    names = dict.fromkeys(metric.name for one in steps for metric in one.metrics)
    figures = []
    for name in itertools.islice(names, 8):
        readings = [
            (_short(one), _reading(metric, seen.limits[index]))
            for index, one in enumerate(steps)
            for metric in one.metrics
            if metric.name == name
        ]
        drawn = svg_plot.course(name, readings[-10:])
        if drawn is not None:
            figures.append(tag("figure", tag("figcaption", name), drawn))
    return tag("div", *figures, class_="figures") if figures else None


def _short(one: Step) -> str:
    return "shadow" if one.is_shadow else f"{one.weight} %"


def legend() -> Markup:
    """Return the legend of the figures."""
    entries = (
        ("mark-value", "value, with its interval"),
        ("mark-stable", "value of the stable version"),
        ("mark-limit", "limit; the shaded side is allowed"),
    )
    return tag(
        "ul",
        *(tag("li", tag("span", "", class_=f"mark {class_}"), words) for class_, words in entries),
        class_="keys",
    )


def drift(seen: Drift, now: datetime.datetime) -> Markup | None:
    """Return the drift of the features of the last window, and of the segments."""
    segments = [
        _features_by_segment(seen.by_segment, now) if seen.by_segment else None,
        _segments(seen.segments) if seen.segments else None,
    ]
    if seen.windows == 0 and not seen.message:
        return join(segments) if any(segments) else None
    said = tag(
        "p", parts.badge(seen.verdict), " ", seen.message, " ", parts.moment(seen.window_at, now)
    )
    in_a_row = parts.plural(seen.breaches_in_a_row, "window") + " in a row with a shift"
    counted = parts.note(
        f"{parts.plural(seen.windows, 'window')} since the champion took over; {in_a_row}."
    )
    shifted = (
        parts.note("Shifted, worst first: ", ", ".join(seen.shifted)) if seen.shifted else None
    )
    return join([said, svg_plot.effects(seen.effects), counted, shifted, *segments])


def _features_by_segment(seen: SegmentsOfSessions, now: datetime.datetime) -> Markup:
    """Return the features that shifted inside segments of the sessions, or that none did."""
    if seen.message:
        return parts.note(f"Sessions were not compared by segment: {seen.message}")
    tested = parts.plural(seen.tested, "segment")
    few = f", {seen.small} with too few sessions" if seen.small else ""
    shifts = parts.plural(len(seen.shifts) + seen.more, "shift")
    looked = parts.note(
        f"Sessions by segment: {tested} compared with the training{few}; {shifts}. Newest day: ",
        parts.moment(seen.until, now) or "none",
        ".",
    )
    if not seen.shifts:
        return looked
    rows = [[each.feature, each.segment, each.message] for each in seen.shifts]
    header = ("feature", "segment", "its sessions now and in training")
    return join([looked, parts.table("Features that shifted inside a segment", header, rows)])


def _segments(seen: Sequence[SegmentLoss]) -> Markup:
    """Return a table of the segments, those with a drift first."""
    rows = [
        [each.name, text.number(each.loss), text.number(each.before), str(each.users),
         str(each.breaches_in_a_row)]
        for each in sorted(seen, key=lambda each: (-each.breaches_in_a_row, each.name))
    ]  # fmt: skip
    header = ("segment", "log loss", "in its first week", "users", "windows in a row with a drift")
    return parts.table("Loss by segment, by labels", header, rows)


def numbers_of(one: Step) -> str:
    """Return the numbers of a step in one line."""
    return "; ".join(
        f"{metric.name} {text.number(metric.value)} ({metric.threshold}; "
        f"{metric.samples} samples) {metric.verdict}"
        for metric in one.metrics
    )


def _metric(metric: Metric, limits: Mapping[str, float]) -> list[Child]:
    reading = _reading(metric, limits)
    return [
        metric.name,
        text.number(metric.value) if metric.value is not None else parts.NOTHING,
        _interval(metric.low, metric.high),
        text.number(metric.stable) if metric.stable is not None else parts.NOTHING,
        metric.threshold,
        svg_plot.strip(reading, _TONES.get(metric.verdict, "open")),
        str(metric.samples),
        parts.badge(metric.verdict),
        metric.message,
    ]


def _reading(metric: Metric, limits: Mapping[str, float]) -> Reading:
    limit, above = limits.get(metric.name), metric.threshold.startswith(("at least", ">"))
    return Reading(
        name=metric.name,
        value=metric.value,
        low=metric.low,
        high=metric.high,
        stable=metric.stable,
        minimum=limit if above else None,
        maximum=None if above else limit,
    )


def _interval(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{text.number(low)} to {text.number(high)}"
    if high is not None:
        return f"up to {text.number(high)}"
    return parts.NOTHING if low is None else f"from {text.number(low)}"
