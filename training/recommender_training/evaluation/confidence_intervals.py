"""Metrics with intervals, and paired differences between models on the same resamples.

The expected calibration error has no interval here: it is a sum of absolute values, which
resampling only makes larger, so that percentiles of it are biased. Its signed counterpart, the
gap between the mean probability and the share of positives, has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.evaluation import ranking_metrics
from recommender_training.evaluation.predictions import TOP_K, Answers, Window
from recommender_training.statistics import bootstrap, model_metrics
from recommender_training.statistics.bootstrap import Resamples


@dataclass(frozen=True)
class Sampled:
    """A metric of some rows, and on each resample [B] of the window's users."""

    value: float
    resampled: Doubles
    users: int  # who have such rows

    def minus(self, other: Sampled) -> Sampled:
        """The paired difference."""
        users = min(self.users, other.users)
        return Sampled(self.value - other.value, self.resampled - other.resampled, users)

    def over(self, other: Sampled) -> Sampled:
        """The paired ratio; undefined where the other is 0.

        Without an interval where it is 0 itself: what was never seen is 0 in every resample,
        which does not mean certainty.
        """
        ratio = np.full_like(self.resampled, np.nan)
        defined = (other.resampled > 0) & (self.value != 0)
        np.divide(self.resampled, other.resampled, out=ratio, where=defined)
        value = self.value / other.value if other.value > 0 else float("nan")
        return Sampled(value, ratio, min(self.users, other.users))

    def estimate(self, drawn: Resamples) -> dict[str, float | None]:
        """`value`, `low` and `high` as JSON; null where there is none to be trusted."""
        ends = bootstrap.interval(drawn, self.resampled, self.users)
        low, high = ends if ends is not None else (None, None)
        return {"value": _rounded(self.value), "low": _rounded(low), "high": _rounded(high)}


def responses(
    drawn: Resamples, label: Bools, probability: Doubles, user: Ints
) -> dict[str, Sampled]:
    """AUC, log loss and calibration gap of rows [N]; without the AUC where there is one class."""
    losses, gap = model_metrics.log_losses(label, probability), probability - label
    users = len(np.unique(user))
    sampled = {
        "logLoss": Sampled(float(losses.mean()), bootstrap.mean(drawn, losses, user), users),
        "calibrationGap": Sampled(float(gap.mean()), bootstrap.mean(drawn, gap, user), users),
    }
    area = model_metrics.auc(label, probability)
    if area is None:
        return sampled
    resampled = bootstrap.auc(drawn, label, probability, user)
    return {"auc": Sampled(area, resampled, users), **sampled}


def model(drawn: Resamples, window: Window, answer: Answers) -> dict[str, Sampled]:
    """All sampled metrics of one model: of its probabilities, if it has any, and of its lists."""
    sampled: dict[str, Sampled] = {}
    if answer.probability is not None:
        sampled = responses(drawn, window.label, answer.probability, window.user)
    if len(answer.top) == 0:
        return sampled
    for name, values in ranking_metrics.per_request(window.task, answer.top).items():
        resampled = bootstrap.mean(drawn, values, window.request_user)
        sampled[f"{name}At{TOP_K}"] = Sampled(float(values.mean()), resampled, len(values))
    return sampled


def differences(one: Mapping[str, Sampled], other: Mapping[str, Sampled]) -> dict[str, Sampled]:
    """`one` minus `other` in each metric that both have."""
    return {name: one[name].minus(other[name]) for name in one if name in other}


def estimates(sampled: Mapping[str, Sampled], drawn: Resamples) -> dict[str, Any]:
    """As JSON, by metric."""
    return {name: each.estimate(drawn) for name, each in sampled.items()}


def ends(name: str, estimate: Mapping[str, float | None]) -> dict[str, float]:
    """`<name>Low` and `<name>High` of an estimate; empty where it has no interval."""
    low, high = estimate["low"], estimate["high"]
    return {} if low is None or high is None else {f"{name}Low": low, f"{name}High": high}


def method(drawn: Resamples) -> dict[str, Any]:
    """How the intervals were made, for the report."""
    return {
        "method": "percentile bootstrap over users",
        "resamples": len(drawn),
        "level": drawn.level,
        "seed": drawn.seed,
        "users": len(drawn.users),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(value, 6)
