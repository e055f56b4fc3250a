"""The part of the page about mitigation: each part of it before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Child, Markup, tag

_Report = Mapping[str, Any]

#: Rows of a comparison: key and words.
_METRICS = (
    ("auc", "AUC"),
    ("logLoss", "Log loss"),
    ("calibrationError", "Calibration error"),
    ("worstSegmentAuc", "AUC of the worst segment"),
    ("worstSegmentCalibrationGap", "Calibration gap of the worst segment"),
    ("segmentProbabilityDifference", "Mean probability, largest difference of segments"),
    ("ndcgAt10", "NDCG@10"),
    ("leastExposureRatioAt10", "Least exposure of a genre, shown / asked for"),
    ("exposureGapAt10", "Exposure to move between genres"),
    ("exposureGiniAt10", "Inequality of exposure@10 (Gini)"),
)


def parts(told: _Report) -> list[Markup]:
    """What the section shows; nothing where nothing was done."""
    return [*_reweighting(told.get("reweighting")), *_exposure(told.get("exposure"))]


def _reweighting(told: _Report | None) -> list[Markup]:
    if told is None:
        return []
    head = ["Segment", "Rows", "AUC", "AUC minus before", "Calibration gap minus before"]
    rows = [
        tables.row(
            words.segment(entry["name"]),
            words.count(entry["rows"]),
            tables.estimate(entry["after"]["auc"]),
            tables.estimate(entry["minusBefore"]["auc"], sign=True),
            tables.estimate(entry["minusBefore"]["calibrationGap"], sign=True),
        )
        for entry in told["segments"]
        if entry["counted"]
    ]
    sentence = (
        "Rows were weighed by the group of their user. Before: the same model fitted without "
        "weights; neither side has a bonus for item groups."
    )
    return [tag("p", sentence), _sides(told), tables.table(head, rows)]


def _exposure(told: _Report | None) -> list[Markup]:
    if told is None:
        return []
    bonus = {entry["name"]: entry["bonus"] for entry in told["found"]}
    rows = [
        tables.row(
            words.plain(entry["name"]),
            words.count(entry["items"]),
            words.number(bonus[entry["name"]], 2),
            words.share(entry["relevanceShare"]),
            words.share(entry["shareBefore"]),
            words.share(entry["shareAfter"]),
            class_=None if entry["counted"] else "few",
        )
        for entry in told["groups"]
    ]
    reached = "gave each of them" if told["met"] else "could not give each of them"
    sentence = (
        "Items of groups that are shown too little got a bonus in the order of a list. On the "
        f"validation window, where it was found, it {reached} its share. Before: the lists of "
        "the same model without it."
    )
    head = ["Items", "Count", "Bonus", "Asked for", "Shown before", "Shown after"]
    return [tag("p", sentence), _sides(told), tables.table(head, rows)]


def _sides(told: _Report) -> Markup:
    """The metrics that changed, with paired differences where there are any."""
    rows = []
    for key, label in _METRICS:
        old, new = (told[side].get(key) for side in ("before", "after"))
        if old is None or new is None or old == new:
            continue
        minus = told["minus"].get(key)
        change: Child = words.signed(new - old) if minus is None else None
        change = change or tables.estimate(minus, sign=True)
        rows.append(tables.row(label, words.number(old), words.number(new), change))
    return tables.table(["Metric", "Before", "After", "Change"], rows)
