"""The counters of a serving pod: requests, errors, and sessions by feature."""

from __future__ import annotations

from collections.abc import Mapping

from recommender_operator.analysis.counter_window import COPIES

Mix = Mapping[str, Mapping[str, float]]
#: Sessions of the training data: shares of the bins by feature.
USUAL: Mix = {
    "age": {"0": 0.2, "1": 0.3, "2": 0.3, "3": 0.2},
    "gender": {"0": 0.3, "1": 0.7, "null": 0.0},
    "top_score": {"0": 0.5, "1": 0.5},
}


def counters(version: str, served: int, failed: int = 0, fallbacks: int = 0) -> dict[str, float]:
    """Return the counters of a pod after `served` requests, `failed` of them with errors."""
    labels = f'model="movies",version="{version}"'
    good = served - failed
    buckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 5]
    series: dict[str, float] = {
        f'recommender_requests_total{{{labels},outcome="ok"}}': good,
        f'recommender_requests_total{{{labels},outcome="error"}}': failed,
        f'recommender_answers_total{{{labels},source="model"}}': good - fallbacks,
        f'recommender_answers_total{{{labels},source="baseline"}}': fallbacks,
        f'recommender_fallbacks_total{{{labels},reason="timeout"}}': fallbacks,
        f"recommender_sessions_total{{{labels}}}": served,
    }
    name = "recommender_request_duration_seconds_bucket"
    for edge in buckets:
        series[f'{name}{{{labels},le="{edge}"}}'] = served if edge >= 0.01 else 0
    series[f'{name}{{{labels},le="+Inf"}}'] = served
    return series


def copies(version: str, answered: int, failed: int = 0) -> dict[str, float]:
    """Return the counters of a pod after as many copies of users' requests."""
    return {
        key.replace("recommender_", COPIES, 1): value
        for key, value in counters(version, answered, failed).items()
        if not key.startswith("recommender_sessions_total")
    }


def features(version: str, sessions: Mix, reference: Mix) -> dict[str, float]:
    """Return the feature counters of a pod: sessions counted, and its reference."""
    series: dict[str, float] = {}
    for metric, counts, scale in (
        ("recommender_feature_values_total", sessions, 1),
        ("recommender_reference_sessions", reference, 5000),
    ):
        for feature, bins in counts.items():
            for label, count in bins.items():
                labels = f'model="movies",version="{version}",feature="{feature}",bin="{label}"'
                series[f"{metric}{{{labels}}}"] = round(count * scale)
    return series
