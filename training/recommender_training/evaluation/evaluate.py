"""The evaluation of a run on one window: responses, groups, rankings, against the baselines."""

from __future__ import annotations

from typing import Any

from recommender_training.data.dataset import Ints
from recommender_training.evaluation import answers, catalogue, ranking, responses
from recommender_training.evaluation.answers import TOP_K, Answers, Window
from recommender_training.models.bundle import Bundle, Prepared


def evaluate(bundle: Bundle, prepared: Prepared, rows: Ints) -> dict[str, Any]:
    """The sections of the evaluation report for the window `rows`.

    `metrics` is flat and holds what gates can name; the rest is for people.
    """
    judged = answers.window(prepared, rows)
    said = answers.answer(bundle, prepared, judged)
    models = {name: _model(judged, answer) for name, answer in said.items()}
    served = models["recommender"]
    name, worst = responses.worst_segment(served["segments"], served["auc"])
    probability = said["recommender"].probability
    assert probability is not None
    return {
        "metrics": {
            key: round(float(value), 6) for key, value in _flat(models, worst=worst).items()
        },
        "worstSegment": name,
        "models": models,
        "reliability": responses.reliability(judged.label, probability),
        "ranking": {
            "protocol": "full catalogue; first half of each user's window revealed",
            "requests": len(judged.task.requests),
            "k": TOP_K,
            "items": judged.data.items.count,
        },
        "popularity": catalogue.popularity_bands(judged, {n: a.top for n, a in said.items()}),
    }


def _flat(models: dict[str, Any], *, worst: float) -> dict[str, float]:
    model, baseline = models["recommender"], models["baseline"]
    listed = [key for key in model if key.endswith(f"At{TOP_K}")]
    return {
        **{key: model[key] for key in ("auc", "logLoss", "calibrationError", *listed)},
        "worstSegmentAuc": worst,
        "baselineAuc": baseline["auc"],
        "baselineLogLoss": baseline["logLoss"],
        "baselineCalibrationError": baseline["calibrationError"],
        "baselineNdcgAt10": baseline["ndcgAt10"],
        "popularityNdcgAt10": models["popularity"]["ndcgAt10"],
        "aucMinusBaseline": model["auc"] - baseline["auc"],
    }


def _model(judged: Window, answer: Answers) -> dict[str, Any]:
    listed = {
        **ranking.ranking_metrics(judged.task, answer.top, TOP_K),
        **catalogue.beyond_accuracy(answer.top, judged.counts, TOP_K),
    }
    if answer.probability is None:
        return listed
    label, user, data = judged.label, judged.user, judged.data
    return {
        **responses.response_metrics(label, answer.probability),
        **listed,
        "segments": responses.group_metrics(
            responses.segment_rows(data, judged.rows), label, user, answer.probability
        ),
        "itemGroups": responses.group_metrics(
            responses.genre_rows(data, judged.rows), label, user, answer.probability
        ),
    }
