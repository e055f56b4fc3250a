"""Drift of loss and calibration in single segments, which the sums over all users hide.

If only the users of tablets want something else, and they are a tenth of all, the loss of all
rises by a tenth of theirs. So each segment is compared with its own first week, by the tests and
weeks of `label_drift`. One window has many of them: they share half of `alpha` (Holm over all
segments), so that with those of all users a window without a drift fails in at most 1.5 `alpha`,
and a drift needs the same segment in several windows in a row.

A user who comes daily counts as another one each day. Over all users the floor of the effect
keeps that from making alarms; segments are too small for that. So their variances are those of
users who come every day of the week and do the same each time, which is the largest that there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from recommender_operator.analysis import tail_probabilities
from recommender_operator.analysis.drift_reactions import Cause
from recommender_operator.analysis.label_drift import (
    CLEAR,
    DAYS,
    REFERENCE_WEEKS,
    Finding,
    Window,
    calibration_test,
    in_a_row,
    is_full,
    loss_test,
    weeks_of,
)
from recommender_operator.analysis.label_sums import Labels, added, number_of, read_part
from recommender_operator.api.spec import DriftSpec

#: Part of `alpha` that the tests of all segments share.
SHARE = 0.5
#: Most segments of an answer: three features with ten values and all others.
MOST_SEGMENTS = 33
_MOST_TEXT = 64


class Segment(NamedTuple):
    """A value of a feature of requests; None: all values but the first ten."""

    feature: str
    value: str | None

    def __str__(self) -> str:
        return f"{self.feature}={self.value}" if self.value else f"other values of {self.feature}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentVerdict:
    """Result of the last window for a segment."""

    segment: Segment
    users: int
    loss: float
    reference_loss: float
    failed: bool
    breaches_in_a_row: int
    message: str


def read_segments(body: Mapping[str, Any]) -> dict[Segment, dict[int, Labels]]:
    """Return the days of each segment of an answer, which `read_days` has checked.

    Raises:
        ValueError: a segment is not valid; the text names the field.
    """
    found: dict[Segment, dict[int, Labels]] = {}
    for place, day in enumerate(body["days"]):
        at = f"days[{place}]"
        parts = day.get("segments", ())
        if not isinstance(parts, list | tuple) or len(parts) > MOST_SEGMENTS:
            raise ValueError(f"{at}.segments: not a list of at most {MOST_SEGMENTS}")
        for n, part in enumerate(parts):
            segment, labels = _segment(part, f"{at}.segments[{n}]")
            if labels.users and labels.sums["predictions"] > 0:
                found.setdefault(segment, {})[number_of(day, at)] = labels
    if len(found) > MOST_SEGMENTS:
        raise ValueError(f"days: more than {MOST_SEGMENTS} segments")
    return dict(sorted(found.items(), key=lambda each: str(each[0])))


def _segment(part: object, at: str) -> tuple[Segment, Labels]:
    if not isinstance(part, Mapping):
        raise ValueError(f"{at}: not an object")
    feature, value = part.get("feature"), part.get("value")
    texts = [feature] if value is None else [feature, value]
    if not all(isinstance(each, str) and 0 < len(each) <= _MOST_TEXT for each in texts):
        raise ValueError(f"{at}: feature and value are not short texts")
    return Segment(str(feature), value), read_part(part, at)


def judge(
    spec: DriftSpec,
    days: Mapping[int, Labels],
    segments: Mapping[Segment, Mapping[int, Labels]],
    start: int = 0,
) -> tuple[SegmentVerdict, ...]:
    """Compare the weeks of each segment with its first one; arguments as of `label_drift`.

    Returns those that the last window of all users has.
    """
    first = min(days, default=0)
    whole = weeks_of(spec, days, first)
    weeks = {
        segment: found
        for segment, own in segments.items()
        if min(found := _weeks(spec, own, first, whole), default=REFERENCE_WEEKS) < REFERENCE_WEEKS
    }
    windows: dict[Segment, list[Window]] = {segment: [] for segment in weeks}
    for week in whole:
        if first + week * DAYS >= start:
            for segment, window in _windows(spec, week, first, weeks):
                windows[segment].append(window)
    last = max(whole, default=-1)
    return tuple(
        _verdict(spec, segment, own, weeks[segment])
        for segment, own in windows.items()
        if own and own[-1].week == last
    )


def _weeks(
    spec: DriftSpec, own: Mapping[int, Labels], first: int, whole: Iterable[int]
) -> dict[int, Labels]:
    """Return the weeks of all users in which the segment has enough of them.

    A day without it is a day without its users, and no missing one.
    """
    found = {}
    for week in whole:
        known = [own[day] for n in range(DAYS) if (day := first + week * DAYS + n) in own]
        if known and is_full(spec, labels := added(known)):
            found[week] = labels
    return found


def _windows(
    spec: DriftSpec, week: int, first: int, weeks: Mapping[Segment, Mapping[int, Labels]]
) -> Iterable[tuple[Segment, Window]]:
    """Return the windows of a week, whose tests are corrected for one another."""
    tests = [
        (segment, test)
        for segment, own in weeks.items()
        if week in own and week > min(own)
        for test in _tests(own[week], own[min(own)])
    ]
    adjusted = tail_probabilities.holm([test.p_value for _, test in tests])
    level = spec.alpha * SHARE
    for segment in dict.fromkeys(segment for segment, _ in tests):
        found = [(t, p) for (s, t), p in zip(tests, adjusted, strict=True) if s == segment]
        significant = [test for test, p in found if p <= level]
        failed = [test for test in significant if test.effect >= spec.effect_floor]
        yield (
            segment,
            Window(
                week=week,
                through=first + (week + 1) * DAYS - 1,
                cause=Cause.SEGMENT_DRIFT if failed else None,
                clear=not any(test.effect >= CLEAR * spec.effect_floor for test in significant),
                message="; ".join(test.message for test in failed or [t for t, _ in found]),
            ),
        )


def _tests(labels: Labels, reference: Labels) -> tuple[Finding, Finding]:
    return (
        loss_test(labels, reference, spread=DAYS),
        calibration_test(labels, reference, spread=DAYS),
    )


def _verdict(
    spec: DriftSpec, segment: Segment, windows: list[Window], weeks: Mapping[int, Labels]
) -> SegmentVerdict:
    last = windows[-1]
    here, there = weeks[last.week], weeks[min(weeks)]
    return SegmentVerdict(
        segment=segment,
        users=here.users,
        loss=here.loss,
        reference_loss=there.loss,
        failed=last.cause is not None,
        breaches_in_a_row=len(in_a_row(spec, windows)),
        message=f"{segment}: {last.message} ({here.users} users)",
    )
