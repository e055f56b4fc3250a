"""The flat metrics of an evaluation: the names that gates and people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.evaluation import confidence_intervals
from recommender_training.evaluation.predictions import TOP_K

#: The metrics of responses, of all rows.
RESPONSES = (
    "auc",
    "prAuc",
    "logLoss",
    "normalisedEntropy",
    "calibrationError",
    "calibrationRatio",
)
#: The metrics that have their interval's ends beside them.
_WITH_INTERVAL = ("auc", "logLoss", f"ndcgAt{TOP_K}")


def point_values(models: Mapping[str, Any], worst_segment_auc: float) -> dict[str, float]:
    """The metrics of the served model, and those of the baselines that it is compared with.

    Without a request to rank for (`ranking_metrics.NO_REQUEST`), those of lists are left out.
    """
    model, baseline = models["recommender"], models["baseline"]
    listed = [key for key in model if key.endswith(f"At{TOP_K}")]
    values = {
        **{key: model[key] for key in (*RESPONSES, *listed)},
        "worstSegmentAuc": worst_segment_auc,
        "baselineAuc": baseline["auc"],
        "baselineLogLoss": baseline["logLoss"],
        "baselineNormalisedEntropy": baseline["normalisedEntropy"],
        "baselineCalibrationError": baseline["calibrationError"],
        **_of_lists(models),
        "aucMinusBaseline": model["auc"] - baseline["auc"],
    }
    return {name: round(float(value), 6) for name, value in values.items()}


def _of_lists(models: Mapping[str, Any]) -> dict[str, float]:
    """NDCG@10 of the others, of the popularity lists by segment where users have one."""
    others = ("baseline", "popularity", "popularityBySegment")
    return {
        f"{name}NdcgAt10": models[name]["ndcgAt10"]
        for name in others
        if "ndcgAt10" in models.get(name, {})
    }


def interval_ends(own: Mapping[str, Any], minus: Mapping[str, Any]) -> dict[str, float]:
    """Ends of intervals as `<metric>Low` and `<metric>High`, left out where there are none.

    `own` are estimates of the model, `minus` its differences to the others; these are named
    `<metric>Minus<Baseline|Champion>`.
    """
    named = {name: own[name] for name in _WITH_INTERVAL if name in own}
    for reference in ("baseline", "champion"):
        differences = minus.get(reference, {})
        for name in _WITH_INTERVAL:
            if name in differences:
                named[f"{name}Minus{reference.title()}"] = differences[name]
    result: dict[str, float] = {}
    for name, estimate in named.items():
        if estimate["value"] is not None:
            result[name] = float(estimate["value"])
        result |= confidence_intervals.ends(name, estimate)
    return result
