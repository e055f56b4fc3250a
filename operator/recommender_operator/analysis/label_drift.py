"""Drift of loss and calibration against the first week of a version.

The reference is the version's own first week, not its report: served items are chosen by the
model, so their loss differs from that of the test window, also without any drift.

A window is a whole week, because users want other things on a weekend. Weeks are counted from the
version's first day, so they are the same at each pass. A week that lacks a day is no window.

Each window is tested at level alpha over all its tests (Holm), and several in a row must fail, as
for the inputs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from recommender_operator.analysis import tail_probabilities
from recommender_operator.analysis.drift_reactions import Cause
from recommender_operator.analysis.label_sums import BINS, Labels, Ratio, added
from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.spec import DriftSpec

DAYS = 7
#: The collector keeps the first 14 days of a version, so the reference is one of these weeks.
REFERENCE_WEEKS = 2
#: Maximum number of windows in a row that a drift needs: the latest 46 days of the collector have
#: as many whole weeks.
MOST_IN_A_ROW = 5
#: Expected positive labels from which a mean over users is taken as normal.
MIN_EXPECTED = 30.0
#: A window is clear if no significant change reaches this fraction of the limit.
CLEAR = 0.8


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelVerdict:
    """Result of the windows; `through` is the last day of the last window, None before it.

    INCONCLUSIVE: no window is full yet. `cause` is that of the last failed window in a row, and
    `since` the first day of the first one. `failing_since` is the first day of the last windows
    that failed without one in between that passed; None if the last one passed.
    """

    verdict: Verdict
    message: str
    windows: int = 0
    breaches_in_a_row: int = 0
    cause: Cause | None = None
    through: int | None = None
    since: int | None = None
    failing_since: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One test of a window against the reference."""

    cause: Cause
    effect: float  # relative to the loss, or to the positive labels that are expected
    p_value: float
    message: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """Result of the tests of a week; `through` is its last day."""

    week: int
    through: int
    cause: Cause | None  # None: passed
    clear: bool
    message: str


def needed(spec: DriftSpec) -> int:
    """Return the failed windows in a row that confirm a drift."""
    return min(spec.consecutive_windows, MOST_IN_A_ROW)


def judge(spec: DriftSpec, days: Mapping[int, Labels], start: int = 0) -> LabelVerdict:
    """Compare the weeks of a version with its first one.

    Args:
        days: all days of the version that are known.
        start: only weeks that begin on this day or later are windows.
    """
    first = min(days, default=0)
    weeks = weeks_of(spec, days, first)
    at = min(weeks, default=REFERENCE_WEEKS)
    if at >= REFERENCE_WEEKS:
        return _inconclusive(spec, days, "the first or second week")
    windows = [
        _window(spec, week, first + (week + 1) * DAYS - 1, labels, weeks[at])
        for week, labels in weeks.items()
        if week > at and first + week * DAYS >= start
    ]
    if not windows:
        return _inconclusive(spec, days, "a week after the first one")
    failed = in_a_row(spec, windows)
    last = _without_a_gap(failed, windows[-1])
    return LabelVerdict(
        verdict=Verdict.PASS if windows[-1].cause is None else Verdict.FAIL,
        message=windows[-1].message,
        windows=len(windows),
        breaches_in_a_row=len(failed),
        cause=failed[-1].cause if failed else None,
        through=windows[-1].through,
        since=first + failed[0].week * DAYS if failed else None,
        failing_since=first + last[0].week * DAYS if last else None,
    )


def _inconclusive(spec: DriftSpec, days: Mapping[int, Labels], what: str) -> LabelVerdict:
    seen = sum(day.users for day in days.values())
    return LabelVerdict(
        verdict=Verdict.INCONCLUSIVE,
        message=f"labels of {seen} users in {len(days)} days; {what} needs all its days, "
        f"{spec.window_sessions} users and {MIN_EXPECTED:.0f} expected positive labels",
    )


def weeks_of(spec: DriftSpec, days: Mapping[int, Labels], first: int) -> dict[int, Labels]:
    """Return the weeks that have all their days and enough users, by number, in order."""
    numbers = sorted({(day - first) // DAYS for day in days})
    found = {}
    for week in numbers:
        part = [days.get(first + week * DAYS + place) for place in range(DAYS)]
        known = [labels for labels in part if labels is not None]
        labels = added(known)
        if len(known) == DAYS and is_full(spec, labels):
            found[week] = labels
    return found


def is_full(spec: DriftSpec, labels: Labels) -> bool:
    """Return whether a week has enough users and expected positive labels for tests."""
    return labels.users >= spec.window_sessions and labels.expected >= MIN_EXPECTED


def in_a_row(spec: DriftSpec, windows: Sequence[Window]) -> list[Window]:
    """Return the failed windows of the current row.

    A window that passes ends it. If it is confirmed, only as many clear ones in a row do. A
    missing week always ends it.
    """
    row: list[Window] = []
    clear, before = 0, None
    for window in windows:
        if before is not None and window.week != before + 1:
            row = []
        before = window.week
        if window.cause is not None:
            row, clear = [*row, window], 0
            continue
        clear = clear + 1 if window.clear else 0
        if len(row) < needed(spec) or clear >= needed(spec):
            row = []
    return row


def _without_a_gap(failed: Sequence[Window], last: Window) -> list[Window]:
    """Return the failed windows from week to week up to the last one; none if that passed."""
    found: list[Window] = []
    week = last.week
    for window in reversed(failed):
        if window.week != week:
            break
        found.insert(0, window)
        week -= 1
    return found


def _window(spec: DriftSpec, week: int, through: int, labels: Labels, reference: Labels) -> Window:
    tests = [
        loss_test(labels, reference),
        calibration_test(labels, reference),
        *(test for b in range(BINS) if (test := _bin(b, labels, reference)) is not None),
    ]
    adjusted = tail_probabilities.holm([test.p_value for test in tests])
    significant = [t for t, p in zip(tests, adjusted, strict=True) if p <= spec.alpha]
    failed = [test for test in significant if test.effect >= spec.effect_floor]
    causes = {test.cause for test in failed}
    cause = next((c for c in (Cause.LOSS_RISE, Cause.CALIBRATION_DRIFT) if c in causes), None)
    shown = failed or tests[:2]
    return Window(
        week=week,
        through=through,
        cause=cause,
        clear=not any(test.effect >= CLEAR * spec.effect_floor for test in significant),
        message="; ".join(test.message for test in shown) + f" ({labels.users} users)",
    )


def loss_test(labels: Labels, reference: Labels, *, spread: float = 1.0) -> Finding:
    """Test whether the loss rose, as far as the model's own probabilities do not explain it.

    `spread` is what the variances are multiplied by.
    """
    here, there = labels.excess(), reference.excess()
    change = here.mean - there.mean
    return Finding(
        cause=Cause.LOSS_RISE,
        effect=change / reference.loss,
        p_value=_tail(_z(here, there) / math.sqrt(spread)),
        message=f"log loss {labels.loss:.4f} against {reference.loss:.4f} in the first week, "
        f"{change:+.4f} beyond what the probabilities explain",
    )


def calibration_test(labels: Labels, reference: Labels, *, spread: float = 1.0) -> Finding:
    """Test whether labels come more or less often than in the reference, on both sides."""
    here, there = labels.gap(), reference.gap()
    rate = labels.expected / labels.sums["predictions"]
    return Finding(
        cause=Cause.CALIBRATION_DRIFT,
        effect=abs(here.mean - there.mean) / rate,
        p_value=min(1.0, 2 * _tail(abs(_z(here, there)) / math.sqrt(spread))),
        message=f"{1 + here.mean / rate:.2f} positive labels for each expected one, "
        f"{_shown(reference)} in the first week",
    )


def _shown(of: Labels) -> str:
    return f"{of.sums['labels'] / of.expected:.2f}"


def _bin(bin_: int, labels: Labels, reference: Labels) -> Finding | None:
    """Test the calibration in a bin; None if it has too few labels.

    The effect is its part of all expected labels that is misplaced.
    """
    now, before = labels.bins[bin_], reference.bins[bin_]
    if min(now["predicted"], before["predicted"]) < MIN_EXPECTED:
        return None
    here, there = labels.gap_of(bin_), reference.gap_of(bin_)
    return Finding(
        cause=Cause.CALIBRATION_DRIFT,
        effect=abs(here.mean - there.mean) * now["predictions"] / labels.expected,
        p_value=min(1.0, 2 * _tail(abs(_z(here, there)))),
        message=f"{now['labels'] / now['predicted']:.2f} positive labels for each expected one "
        f"near {now['predicted'] / now['predictions']:.3f}, "
        f"{before['labels'] / before['predicted']:.2f} in the first week",
    )


def _z(here: Ratio, there: Ratio) -> float:
    error = math.sqrt(here.variance + there.variance)
    change = here.mean - there.mean
    if error == 0:
        return math.copysign(math.inf, change) if change else 0.0
    return change / error


def _tail(z: float) -> float:
    """Return P(Z >= z) of a standard normal variable."""
    return math.erfc(z / math.sqrt(2)) / 2
