"""Fairness: groups of users that are served worse, and groups of items shown too little.

Errors: AUC, log loss and calibration gap of each segment of users, as differences to all rows
(as `to_overall` of fairlearn) and to the baseline on the same segment. Exposure: the share of the
lists that each category of items gets, against its share of the relevant items. All intervals are
paired on the resamples of the whole window. Each covers one segment, so among many segments one
in twenty misses the true value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recommender_training.common.arrays import Doubles, Ints
from recommender_training.evaluation import (
    catalogue_metrics,
    confidence_intervals,
    response_metrics,
)
from recommender_training.evaluation.confidence_intervals import Sampled
from recommender_training.evaluation.predictions import Window
from recommender_training.features import item_groups
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples

#: Item groups with less relevance are reported, but never as the least exposed one.
MIN_RELEVANCE_SHARE = 0.01
_ERRORS = ("auc", "logLoss", "calibrationGap")


def segment_errors(
    drawn: Resamples,
    window: Window,
    served: Doubles,
    base: Doubles,
    overall: Mapping[str, Sampled],
) -> list[dict[str, Any]]:
    """One entry a segment: its size and, where it is counted, its errors and differences.

    `served` and `base` are probabilities [N], `overall` the metrics of all rows.
    """
    result = []
    for name, inside in response_metrics.segment_rows(window.data, window.rows).items():
        label, user = window.label[inside], window.user[inside]
        entry: dict[str, Any] = {
            "name": name,
            "rows": len(label),
            "users": len(np.unique(user)),
            "positives": int(label.sum()),
            "counted": response_metrics.counted(label),
        }
        if entry["counted"]:
            own, theirs = (
                confidence_intervals.responses(drawn, label, probability[inside], user)
                for probability in (served, base)
            )
            entry["estimates"] = confidence_intervals.estimates(own, drawn)
            entry["minusAll"] = _estimated(own, overall, drawn)
            entry["minusBaseline"] = _estimated(own, theirs, drawn)
        result.append(entry)
    return result


def dimensions(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a dimension: the largest difference of each error between counted segments.

    Null where fewer than two segments are counted. `highest` and `lowest` name the segments.
    """
    result = []
    for dimension in dict.fromkeys(entry["name"].split(":")[0] for entry in segments):
        counted = [
            entry
            for entry in segments
            if entry["counted"] and entry["name"].startswith(f"{dimension}:")
        ]
        errors = {error: _spread(counted, error) for error in _ERRORS}
        result.append({"name": dimension, "segments": len(counted), **errors})
    return result


def _spread(counted: list[dict[str, Any]], error: str) -> dict[str, Any] | None:
    if len(counted) < 2:
        return None
    values = [(entry["estimates"][error]["value"], entry["name"]) for entry in counted]
    (low, lowest), (high, highest) = min(values), max(values)
    return {"difference": round(high - low, 6), "highest": highest, "lowest": lowest}


def exposure(drawn: Resamples, window: Window, top: Ints) -> list[dict[str, Any]]:
    """One entry a category of each item feature for fairness: items, shares of exposure and of
    relevance, and their ratio.

    An item counts for each of its categories in equal parts, so the shares of a feature sum to
    one.
    """
    if len(window.request_user) == 0:
        return []
    features = window.data.items.fairness
    return [each for block in features for each in _exposure(drawn, window, top, block.name)]


def _exposure(drawn: Resamples, window: Window, top: Ints, by: str) -> list[dict[str, Any]]:
    users, membership = window.request_user, window.membership(by)
    shown = _columns(drawn, catalogue_metrics.group_exposure(top, membership), users)
    wanted = _columns(drawn, catalogue_metrics.group_relevance(window.task, membership), users)
    return [
        {
            "name": name,
            "items": int((membership[:, code] > 0).sum()),
            "exposureShare": shown[code].estimate(drawn),
            "relevanceShare": wanted[code].estimate(drawn),
            "ratio": shown[code].over(wanted[code]).estimate(drawn),
            "counted": wanted[code].value >= MIN_RELEVANCE_SHARE,
        }
        for code, name in enumerate(item_groups.names(by, window.data.items))
    ]


def exposure_gap(entries: list[dict[str, Any]]) -> float:
    """Half the sum of absolute differences of the shares: 0 as relevant, 1 all to others.

    The largest of all item features.
    """
    gaps: dict[str, float] = {}
    for each in entries:
        feature = each["name"].split(":")[0]
        apart = float(each["exposureShare"]["value"]) - float(each["relevanceShare"]["value"])
        gaps[feature] = gaps.get(feature, 0.0) + abs(apart) / 2
    return max(gaps.values(), default=0.0)


def least_exposed(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The counted group with the smallest ratio of exposure to relevance."""
    counted = [group for group in entries if group["counted"]]
    return min(counted, key=lambda group: float(group["ratio"]["value"]), default=None)


def flat(
    segments: list[dict[str, Any]],
    shown: Mapping[str, list[dict[str, Any]]],
    worst_auc: Mapping[str, float | None],
) -> dict[str, float]:
    """Metrics for gates: the worst lead over the baseline, the widest gaps between segments.

    `worst_auc` is the estimate of the segment with the lowest AUC.
    """
    result = confidence_intervals.ends("worstSegmentAuc", worst_auc)
    leads = [entry["minusBaseline"]["auc"] for entry in segments if entry["counted"]]
    if leads:
        worst = min(leads, key=lambda lead: float(lead["value"]))
        name = "worstSegmentAucMinusBaseline"
        result |= {name: float(worst["value"]), **confidence_intervals.ends(name, worst)}
    for error, name in (("auc", "segmentAucDifference"), ("logLoss", "segmentLogLossDifference")):
        spreads = [entry[error]["difference"] for entry in dimensions(segments) if entry[error]]
        if spreads:
            result[name] = max(spreads)
    least = least_exposed(shown["recommender"])
    if least is not None:
        name = "leastExposureRatioAt10"
        result |= {
            name: float(least["ratio"]["value"]),
            **confidence_intervals.ends(name, least["ratio"]),
        }
        result["exposureGapAt10"] = round(exposure_gap(shown["recommender"]), 6)
    return result


def _columns(drawn: Resamples, shares: Doubles, users: Ints) -> list[Sampled]:
    resampled = bootstrap.means(drawn, shares, users)
    return [
        Sampled(float(value), column, len(users))
        for value, column in zip(shares.mean(0), resampled.T, strict=True)
    ]


def _estimated(
    one: Mapping[str, Sampled], other: Mapping[str, Sampled], drawn: Resamples
) -> dict[str, Any]:
    return confidence_intervals.estimates(confidence_intervals.differences(one, other), drawn)
