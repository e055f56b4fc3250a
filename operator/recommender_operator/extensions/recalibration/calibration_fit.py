"""A new calibration of a served version, from the sums of its predictions and their labels.

The network and the order of its lists stay. Its log-odds are multiplied by a slope and shifted
(Platt 1999), fitted to the bins of the windows that drifted, but for the last one, which judges
it. The judged calibration is the one that serves. A bin counts with its mean probability.

Refused where the labels say that more than the calibration changed, or too little: then a
training has to learn it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from recommender_operator.analysis.label_drift import DAYS, MIN_EXPECTED
from recommender_operator.analysis.label_sums import Labels, added
from recommender_operator.context.extension import Refused
from recommender_operator.extensions.recalibration import platt
from recommender_operator.extensions.recalibration.platt import Bin, Scale

#: Fewest labels of each class in the windows of the fit, and in the one that judges it.
LEAST_FITTED, LEAST_JUDGED = 100, 30
#: Slopes of a network that still orders items: with 0.5, it tells half of what it told.
SLOPES = (0.5, 2.0)
#: The most that the odds are multiplied or divided by, as in a training.
MAX_SHIFT = 4.0
#: Standard errors of an interval, as in a training: the slope has to gain so much.
STANDARD_ERRORS = 2.0
#: The calibration has to gain more: errors are too small if users return daily.
LEAST_ERRORS = 3.0
_AS_TRAINED = Scale()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """A calibration, and what the last window says about it, on which it was not fitted."""

    scale: Scale
    #: The same from the network as it was trained.
    total: Scale
    users: int
    labels: float
    #: Positive labels for each expected one, as served and with the new calibration.
    ratio: float
    ratio_after: float
    #: Log loss that it saves, in nats per prediction, and half of its interval.
    gain: float
    error: float

    @property
    def low(self) -> float:
        """Lower end of the interval of the gain."""
        return self.gain - self.error

    @property
    def high(self) -> float:
        """Upper end of the interval of the gain."""
        return self.gain + self.error


def judge(
    days: Mapping[int, Labels], since: int, through: int, before: Scale = _AS_TRAINED
) -> Judged | Refused:
    """Return a calibration for the drifted windows, from the day `since` to the day `through`.

    `before` is what former recalibrations did to the network. The bounds hold for all together:
    small steps must not add up to what no single one may change.
    """
    last = through - DAYS + 1
    fitted = added(labels for day, labels in days.items() if since <= day < last)
    judged = added(labels for day, labels in days.items() if last <= day <= through)
    problem = _few(fitted, LEAST_FITTED, "before the last window") or _few(
        judged, LEAST_JUDGED, "in the last window"
    )
    if problem:
        return Refused(problem)
    try:
        fit_bins, bins = _bins(fitted), _bins(judged)
        shifted, scaled = platt.fit(fit_bins, has_slope=False), platt.fit(fit_bins)
    except ValueError as invalid:
        return Refused(str(invalid))
    for slope in (scaled.slope, scaled.after(before).slope):
        if not SLOPES[0] <= slope <= SLOPES[1]:
            return Refused(
                f"the labels follow the log-odds with a slope of {slope:.2f}: what the network "
                "tells apart has changed, not only its calibration"
            )
    gain, error = _gain(judged, bins, scaled, shifted)
    chosen = scaled if gain > error else shifted
    served = _centre(judged)
    trained = (served - before.shift) / before.slope
    if max(abs(chosen.at(served) - each) for each in (served, trained)) > math.log(MAX_SHIFT):
        return Refused(
            f"the odds changed by more than a factor of {MAX_SHIFT:g} since the training"
        )
    return _checked(judged, bins, chosen, before)


def _few(labels: Labels, least: int, where: str) -> str:
    """Return the shortage of a part of the days; empty if there is enough of both classes."""
    positive = labels.sums["labels"]
    negative = labels.sums["predictions"] - positive
    if min(positive, negative) >= least:
        return ""
    return (
        f"{positive:.0f} positive and {max(0.0, negative):.0f} other labels {where}, of which "
        f"{least} each are needed"
    )


def _bins(labels: Labels) -> list[Bin]:
    """Return the bins that have predictions.

    Raises:
        ValueError: the sums of a bin are no counts and probabilities.
    """
    found = []
    for place, sums in enumerate(labels.bins):
        count, predicted, positive = (sums[n] for n in ("predictions", "predicted", "labels"))
        if not count and not predicted and not positive:
            continue
        if not (0 < predicted < count and 0 <= positive <= count):
            raise ValueError(f"the sums of bin {place} are not those of predictions")
        log_odds = math.log(predicted) - math.log(count - predicted)
        error = math.sqrt(labels.gap_of(place).variance)
        found.append(Bin(count, positive, log_odds, error, predicted >= MIN_EXPECTED))
    return found


def _centre(labels: Labels) -> float:
    """Return the log-odds of the mean probability."""
    mean = labels.expected / labels.sums["predictions"]
    return math.log(mean) - math.log1p(-mean)


def _gain(judged: Labels, bins: list[Bin], new: Scale, old: Scale) -> tuple[float, float]:
    """Return the log loss that one calibration saves over another, and its standard errors.

    The covariance between bins is unknown, so the errors of the bins are added up. That between
    the days of a user is not counted: too small if users return daily.
    """
    total, error = 0.0, 0.0
    for each in bins:
        total += platt.loss(each, old) - platt.loss(each, new)
        step = new.at(each.log_odds) - old.at(each.log_odds)
        error += abs(step) * each.error * each.count
    count = judged.sums["predictions"]
    return total / count, STANDARD_ERRORS * error / count


def _checked(judged: Labels, bins: list[Bin], chosen: Scale, before: Scale) -> Judged | Refused:
    gain, error = _gain(judged, bins, chosen, Scale())
    labels = judged.sums["labels"]
    found = Judged(
        scale=chosen,
        total=chosen.after(before),
        users=judged.users,
        labels=labels,
        ratio=labels / judged.expected,
        ratio_after=labels
        / sum(each.count * platt.calibrated_share(each, chosen) for each in bins),
        gain=gain,
        error=error,
    )
    if not all(map(math.isfinite, (gain, error, found.ratio, found.ratio_after))):
        return Refused("the sums of the labels give no finite number")
    if gain > LEAST_ERRORS / STANDARD_ERRORS * error:
        return found
    return Refused(
        f"it would save {gain:+.5f} [{found.low:+.5f}, {found.high:+.5f}] of the log loss in the "
        f"last window, on which it was not fitted: no significant gain ({LEAST_ERRORS:g} errors)"
    )
