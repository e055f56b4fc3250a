"""The section on mitigation: each measure before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.html_report import tables, words
from recommender_training.html_report.markup import Child, Markup, tag

_Report = Mapping[str, Any]

#: Rows of a comparison: key and label.
_METRICS = (
    ("auc", "AUC"),
    ("logLoss", "Log loss"),
    ("calibrationError", "Calibration error"),
    ("worstSegmentAuc", "AUC of the worst segment"),
    ("worstSegmentCalibrationGap", "Calibration gap of the worst segment"),
    ("segmentProbabilityDifference", "Mean probability, largest difference between segments"),
    ("ndcgAt10", "NDCG@10"),
    ("leastExposureRatioAt10", "Lowest exposure ratio of a category, shown / demand"),
    ("exposureGapAt10", "Exposure to move between categories"),
    ("exposureGiniAt10", "Inequality of exposure@10 (Gini)"),
)


def render_mitigation(section: _Report) -> list[Markup]:
    """Return the content of the section; empty without mitigation."""
    return [*_reweighting(section.get("reweighting")), *_exposure(section.get("exposure"))]


def _reweighting(section: _Report | None) -> list[Markup]:
    if section is None:
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
        for entry in section["segments"]
        if entry["counted"]
    ]
    sentence = (
        "Training rows are weighted by the group of their user. Before: the same model fitted "
        "without weights. Neither side has a bonus for item groups."
    )
    return [tag("p", sentence), _sides(section), tables.table(head, rows)]


def _exposure(section: _Report | None) -> list[Markup]:
    if section is None:
        return []
    bonus = {entry["name"]: entry["bonus"] for entry in section["found"]}
    rows = [
        tables.row(
            words.segment(entry["name"]),
            words.count(entry["items"]),
            words.number(bonus[entry["name"]], 2),
            words.share(entry["relevanceShare"]),
            words.share(entry["shareBefore"]),
            words.share(entry["shareAfter"]),
            class_=None if entry["counted"] else "few",
        )
        for entry in section["groups"]
    ]
    reached = "gives each group" if section["met"] else "cannot give each group"
    sentence = (
        "Items of groups with too little exposure get a bonus when lists are ranked. On the "
        f"validation window, which determines the bonus, it {reached} its share. Before: the "
        "lists of the same model without the bonus."
    )
    head = ["Items", "Count", "Bonus", "Demand", "Shown before", "Shown after"]
    return [tag("p", sentence), _sides(section), tables.table(head, rows)]


def _sides(section: _Report) -> Markup:
    """Return the metrics that changed, with paired differences if available."""
    rows = []
    for key, label in _METRICS:
        old, new = (section[side].get(key) for side in ("before", "after"))
        if old is None or new is None or old == new:
            continue
        minus = section["minus"].get(key)
        change: Child = words.signed(new - old) if minus is None else None
        change = change or tables.estimate(minus, sign=True)
        rows.append(tables.row(label, words.number(old), words.number(new), change))
    return tables.table(["Metric", "Before", "After", "Change"], rows)
