"""Quality of response probabilities on a window: overall, by group of rows, and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.data.dataset import Dataset
from recommender_training.features import attributes
from recommender_training.statistics import model_metrics

#: Groups with fewer rows, or fewer of either class, are reported but not compared.
MIN_SEGMENT_ROWS = 100
MIN_CLASS_ROWS = 20


def response_metrics(label: Bools, probability: Doubles) -> dict[str, float]:
    """Metrics of all rows; the window holds both classes."""
    return {
        "auc": _defined(model_metrics.auc(label, probability)),
        "prAuc": _defined(model_metrics.average_precision(label, probability)),
        "logLoss": model_metrics.log_loss(label, probability),
        "normalisedEntropy": _defined(model_metrics.normalised_entropy(label, probability)),
        "calibrationError": model_metrics.calibration_error(label, probability),
        "calibrationRatio": _defined(model_metrics.calibration_ratio(label, probability)),
    }


def _defined(value: float | None) -> float:
    assert value is not None, "splits.temporal refuses a window of one class"
    return value


def segment_rows(data: Dataset, rows: Ints) -> dict[str, Bools]:
    """Masks of the rows of each segment, `feature:category`, of the features for fairness.

    Rows whose value is unknown are in `feature:unknown`, if there are any.
    """
    segments: dict[str, Bools] = {}
    for attribute in data.attributes:
        if not attribute.feature.fairness:
            continue
        codes = attributes.of_events(data, attribute.name, rows)
        for code, name in enumerate(attribute.categories):
            segments[f"{attribute.name}:{name}"] = codes == code
        if (codes < 0).any():
            segments[f"{attribute.name}:unknown"] = codes < 0
    return segments


def item_rows(data: Dataset, rows: Ints) -> dict[str, Bools]:
    """Masks of the rows by category of their item, of the item features for fairness.

    An item may have several, `feature:category`. With a history, those that the rows see.
    """
    found: dict[str, Bools] = {}
    seen_at = data.items.seen_at(data.events.time[rows])
    known, places = data.items.at(data.events.item[rows], seen_at)
    for block in known.fairness:
        tags = known.tags[:, block.columns][places].toarray() > 0
        found |= {f"{block.name}:{each}": tags[:, at] for at, each in enumerate(block.categories)}
    return found


def group_metrics(
    groups: dict[str, Bools],
    label: Bools,
    user: Ints,
    probability: Doubles,
) -> list[dict[str, Any]]:
    """One entry a group of rows: its size, its metrics (null where undefined), counted or not."""
    return [
        _group(name, label[inside], user[inside], probability[inside])
        for name, inside in groups.items()
    ]


def _group(name: str, label: Bools, user: Ints, probability: Doubles) -> dict[str, Any]:
    size, positives = len(label), int(label.sum())
    head = {
        "name": name,
        "rows": size,
        "users": len(np.unique(user)),
        "positives": positives,
        "auc": model_metrics.auc(label, probability),
        "counted": counted(label),
    }
    if size == 0:
        return {**head, "logLoss": None, "calibrationError": None, "calibrationGap": None}
    return {
        **head,
        "logLoss": model_metrics.log_loss(label, probability),
        "calibrationError": model_metrics.calibration_error(label, probability),
        "calibrationGap": float((probability - label).mean()),
    }


def counted(label: Bools) -> bool:
    """True if a group of rows is large enough to be compared by itself."""
    positives = int(label.sum())
    classes = min(positives, len(label) - positives)
    return len(label) >= MIN_SEGMENT_ROWS and classes >= MIN_CLASS_ROWS


def worst_segment(segments: list[dict[str, Any]], overall: float) -> tuple[str, float]:
    """Name and AUC of the worst segment that is large enough; all rows where none is."""
    large = [(float(entry["auc"]), str(entry["name"])) for entry in segments if entry["counted"]]
    area, name = min(large, default=(overall, "all"))
    return name, area


def reliability(label: Bools, probability: Doubles) -> list[dict[str, float]]:
    """Mean probability and share of positives in each bin of the calibration error."""
    place = model_metrics.calibration_bins(probability)
    result = []
    for index in np.unique(place):
        inside = place == index
        result.append(
            {
                "rows": float(inside.sum()),
                "meanProbability": float(probability[inside].mean()),
                "positiveShare": float(label[inside].mean()),
            }
        )
    return result
