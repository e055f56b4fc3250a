"""The evaluation of a run on one window: responses, segments, rankings, against the baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recommender_training.data.dataset import Ints
from recommender_training.evaluation import metrics, ranking, responses
from recommender_training.features import history
from recommender_training.features.table import Inputs
from recommender_training.models import retrieval
from recommender_training.models.bundle import (
    Bundle,
    Prepared,
    baseline_probability,
    probability,
)
from recommender_training.models.fit import predict


def evaluate(bundle: Bundle, prepared: Prepared, rows: Ints) -> dict[str, Any]:
    """The sections of the evaluation report for the window `rows`.

    `metrics` is flat and holds what gates can name; the rest is for people.
    """
    label = prepared.data.events.label[rows]
    served = probability(bundle, prepared, rows)
    base = baseline_probability(bundle, prepared, rows)
    segments = responses.segment_metrics(prepared.data, rows, served)
    base_segments = responses.segment_metrics(prepared.data, rows, base)
    model, baseline = (responses.response_metrics(label, p) for p in (served, base))
    name, worst = responses.worst_segment(segments, model["auc"])
    ranked = _rankings(bundle, prepared, rows)
    flat = {
        **model,
        **ranked["recommender"],
        "worstSegmentAuc": worst,
        "baselineAuc": baseline["auc"],
        "baselineLogLoss": baseline["logLoss"],
        "baselineCalibrationError": baseline["calibrationError"],
        "baselineNdcgAt10": ranked["baseline"]["ndcgAt10"],
        "popularityNdcgAt10": ranked["popularity"]["ndcgAt10"],
        "aucMinusBaseline": model["auc"] - baseline["auc"],
    }
    return {
        "metrics": {key: round(float(value), 6) for key, value in flat.items()},
        "worstSegment": name,
        "models": {
            "recommender": {**model, **ranked["recommender"], "segments": segments},
            "baseline": {**baseline, **ranked["baseline"], "segments": base_segments},
            "popularity": ranked["popularity"],
        },
        "reliability": responses.reliability(label, served),
        "ranking": {
            "protocol": "full catalogue; first half of each user's window revealed",
            "requests": ranked["requests"],
        },
    }


def _rankings(bundle: Bundle, prepared: Prepared, rows: Ints) -> dict[str, Any]:
    data = prepared.data
    start = int(data.events.time[rows[0]])
    counts = history.counts_at(data.events, start, data.items.count)
    task = ranking.reveal_half(data, rows, prepared.history_length)
    weights = retrieval.fit(data, data.events.time < start) * retrieval.RETRIEVAL_WEIGHT
    prior = retrieval.popularity_prior(counts)[None, :] + np.array(
        [weights[data.events.item[request.session]].sum(0) for request in task.requests]
    ).reshape(len(task.requests), data.items.count)

    def scored(scorer: ranking.Scorer) -> dict[str, float]:
        logits = ranking.score_task(
            task, data, prepared.constants, counts, prepared.history_length, scorer
        )
        return ranking.ranking_metrics(task, logits + prior)

    base_scorer, scorer = scorers(bundle, prepared)
    popular = np.tile(counts.positives.astype(np.float64), (len(task.requests), 1))
    base = scored(base_scorer)
    return {
        "recommender": base if bundle.deep is None else scored(scorer),
        "baseline": base,
        "popularity": ranking.ranking_metrics(task, popular),
        "requests": len(task.requests),
    }


def scorers(bundle: Bundle, prepared: Prepared) -> tuple[ranking.Scorer, ranking.Scorer]:
    """Calibrated logits of the baseline and of the model that is to serve, in eager mode."""
    data, deep = prepared.data, bundle.deep

    def base(inputs: Inputs) -> metrics.Array:
        return bundle.baseline.logits(inputs, data) / bundle.baseline_temperature

    def served(inputs: Inputs) -> metrics.Array:
        assert deep is not None
        logits: metrics.Array = predict(deep, inputs, torch.arange(len(inputs))).numpy()
        return logits / bundle.deep_temperature

    chosen: Callable[[Inputs], metrics.Array] = base if deep is None else served
    return base, chosen
