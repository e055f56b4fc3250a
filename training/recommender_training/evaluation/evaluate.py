"""The evaluation of a run on one window: responses, groups, rankings, against the baselines."""

from __future__ import annotations

from typing import Any

from recommender_training.data.dataset import Ints
from recommender_training.evaluation import (
    answers,
    bootstrap,
    catalogue,
    intervals,
    ranking,
    responses,
)
from recommender_training.evaluation.answers import TOP_K, Answers, Window
from recommender_training.models.bundle import Bundle, Prepared

#: The flat metrics that have their interval's ends beside them.
_WITH_INTERVAL = ("auc", "logLoss", f"ndcgAt{TOP_K}")


def evaluate(
    bundle: Bundle, prepared: Prepared, rows: Ints, champion: Answers | None = None
) -> dict[str, Any]:
    """The sections of the evaluation report for the window `rows`.

    `metrics` is flat and holds what gates can name; the rest is for people. `champion` are the
    answers of the version that serves today on the same window (`answers.window`).
    """
    judged = answers.window(prepared, rows)
    said = answers.answer(bundle, prepared, judged)
    if champion is not None:
        said["champion"] = champion
    models = {name: _model(judged, answer) for name, answer in said.items()}
    drawn = bootstrap.draw(judged.user)
    sampled = {name: intervals.model(drawn, judged, answer) for name, answer in said.items()}
    compared = {
        name: intervals.estimates(
            intervals.differences(sampled["recommender"], sampled[name]), drawn
        )
        for name in said
        if name != "recommender"
    }
    served = models["recommender"]
    name, worst = responses.worst_segment(served["segments"], served["auc"])
    probability = said["recommender"].probability
    assert probability is not None
    return {
        "metrics": {
            **{key: round(value, 6) for key, value in _flat(models, worst=worst).items()},
            **_flat_intervals(intervals.estimates(sampled["recommender"], drawn), compared),
        },
        "worstSegment": name,
        "models": models,
        "uncertainty": intervals.method(drawn),
        "intervals": {name: intervals.estimates(each, drawn) for name, each in sampled.items()},
        "minus": compared,
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


def _flat_intervals(own: dict[str, Any], compared: dict[str, Any]) -> dict[str, float]:
    """Ends of intervals as `<metric>Low` and `<metric>High`, left out where there are none.

    Of the model's own metrics, and of its differences as `<metric>Minus<Baseline|Champion>`.
    """
    named = {name: own[name] for name in _WITH_INTERVAL if name in own}
    for reference in ("baseline", "champion"):
        for name in _WITH_INTERVAL:
            if name in compared.get(reference, {}):
                named[f"{name}Minus{reference.title()}"] = compared[reference][name]
    flat = {}
    for name, estimate in named.items():
        for key, end in (("", "value"), ("Low", "low"), ("High", "high")):
            if estimate[end] is not None:
                flat[f"{name}{key}"] = float(estimate[end])
    return flat


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
