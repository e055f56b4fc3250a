"""Gain of a version over another one, estimated at the explored places of a window.

At each of these places the logging version drew an item of a pool, each with the same
probability. So what another choice would have earned there can be estimated without showing it
(`off_policy`). Both versions are evaluated with one model of the reward, the probabilities of the
version itself: it has not seen the window, which the champion may have. Legend: D places, P items.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.evaluation import off_policy
from recommender_training.evaluation.exploration_requests import Places, Pools
from recommender_training.evaluation.off_policy import Estimate, Log, Method

#: Name of the gain among the metrics.
METRIC = "offPolicyGain"
#: What the gain is of: the least variance of the three. With enough draws that tell something its
#: value is right whatever the reward's model is, for the probabilities of the draws are known.
METHOD = Method.DOUBLY_ROBUST
_METHODS = (Method.SNIPS, METHOD)
_NO_ATTRIBUTION = (
    "no explored place of the window has a label: that needs a label with attribution to the "
    "impressions of the collector"
)
_NONE_INSIDE = (
    "no place was explored in the test window, whose labels are known up to {:%Y-%m-%dT%H:%M:%SZ}"
)
_NONE_KNOWN = "no explored place has a known label and known items"
_NO_CHAMPION = "the champion could not be evaluated"
_NOT_APART = (
    "too few rows: {} shown items tell the version from the champion, and an estimate needs "
    f"{off_policy.MIN_APART}"
)
_UNSUPPORTED = (
    "the items shown were not drawn as the log says: the weights of {} have the mean {:.3f} "
    "instead of 1"
)


@dataclass(frozen=True)
class Decisions:
    """Logged decisions: the drawn items and their outcomes."""

    user: Ints  # [D]
    present: Bools  # [D, P] items of each pool
    chosen: Ints  # [D] place in the pool of the item that was shown
    reward: Bools  # [D] whether it got a positive response

    def log(self, first: Ints | None, reward: Doubles) -> Log:
        """The log as a version sees it that puts `first` [D] there (None: draws as was drawn)."""
        size, rows = self.present.sum(1), np.arange(len(self.user))
        if first is None:
            target, expected = 1 / size, (reward * self.present).sum(1) / size
        else:
            target, expected = (first == self.chosen).astype(np.float64), reward[rows, first]
        return Log(
            user=self.user,
            propensity=1 / size,
            target=target,
            reward=self.reward.astype(np.float64),
            predicted=reward[rows, self.chosen],
            expected=expected,
        )


def gain_section(
    places: Places,
    decisions: Decisions,
    own: Pools | None,
    champion: Pools | None,
    *,
    wanted: bool,
) -> dict[str, Any]:
    """The section `offPolicy` of the report; `wanted`: there is a champion to compare with."""
    told: dict[str, Any] = {
        "places": places.known,
        "judged": len(decisions.user),
        "users": len(np.unique(decisions.user)),
        "withoutLabel": places.without_label,
        "unknownItems": places.unknown_items,
        "method": METHOD.value,
        "against": "champion" if wanted else "uniform",
        "estimates": {},
        "gain": None,
    }
    if own is None or not len(decisions.user):
        return told | {"message": _nothing(places)}
    logs = {
        "recommender": decisions.log(own.first, own.probability),
        "uniform": decisions.log(None, own.probability),
    }
    if champion is not None:
        logs["champion"] = decisions.log(champion.first, own.probability)
    told["estimates"] = {name: _estimates(log) for name, log in logs.items()}
    if wanted and champion is None:
        return told | {"message": _NO_CHAMPION}
    message = _missing(logs, told["against"])
    if not message and champion is not None:
        message = _alike(logs, own, champion)
    gain = None if message else _gain(logs["recommender"], logs[told["against"]])
    return told | {"gain": gain, "message": message}


def gain_metrics(told: dict[str, Any] | None) -> dict[str, float]:
    """`offPolicyGain` with the ends of its interval; nothing if there is no estimate."""
    gain = None if told is None else told["gain"]
    if gain is None:
        return {}
    return {METRIC: gain["value"], f"{METRIC}Low": gain["low"], f"{METRIC}High": gain["high"]}


def _nothing(places: Places) -> str:
    """Return the reason for which no place can be evaluated."""
    if not places.attributed:
        return _NO_ATTRIBUTION
    if not places.inside:
        return _NONE_INSIDE.format(datetime.datetime.fromtimestamp(places.until, datetime.UTC))
    return _NONE_KNOWN


def _missing(logs: dict[str, Log], against: str) -> str:
    """The reason for a missing estimate of the version or of its comparison, else nothing."""
    for name, log in (("the version", logs["recommender"]), ("the champion", logs[against])):
        if not log.weight.any():
            return f"{name} would have chosen none of the items that were shown"
        found = off_policy.estimate_value(log, METHOD)
        if found.low is None:
            return (
                f"too few rows: {found.effective_rows:.0f} shown items of "
                f"{len(np.unique(log.user))} users are those that {name} would have chosen, and "
                f"an estimate needs {off_policy.MIN_EFFECTIVE_ROWS} of {off_policy.MIN_USERS}"
            )
        if not found.supported:
            return _UNSUPPORTED.format(name, found.mean_weight)
    return ""


def _alike(logs: dict[str, Log], own: Pools, champion: Pools) -> str:
    """The reason if version and champion are too alike for an estimate, else nothing.

    Where they choose the same everywhere the gain is known: it is exactly 0.
    """
    told_by = off_policy.apart(logs["recommender"], logs["champion"])
    if told_by >= off_policy.MIN_APART or np.array_equal(own.first, champion.first):
        return ""
    return _NOT_APART.format(told_by)


def _gain(new: Log, old: Log) -> dict[str, float]:
    gain = off_policy.gain(new, old, METHOD)
    ends = {"value": gain.value, "low": gain.low, "high": gain.high}
    return {name: round(value, 6) for name, value in ends.items()}


def _estimates(log: Log) -> dict[str, Any]:
    if not log.weight.any():
        return {"effectiveRows": 0.0, "meanWeight": 0.0, "supported": False}
    found = {method: off_policy.estimate_value(log, method) for method in _METHODS}
    one = found[METHOD]
    return {
        **{method.value: _ends(each) for method, each in found.items()},
        "effectiveRows": round(one.effective_rows, 6),
        "meanWeight": round(one.mean_weight, 6),
        "supported": one.supported,
    }


def _ends(found: Estimate) -> dict[str, float | None]:
    values = {"value": found.value, "low": found.low, "high": found.high}
    return {name: None if each is None else round(each, 6) for name, each in values.items()}
