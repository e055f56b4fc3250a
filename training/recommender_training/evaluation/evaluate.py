"""The evaluation of a run on one window: responses, groups, rankings, against the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from recommender_training.common.arrays import Ints
from recommender_training.evaluation import (
    catalogue_metrics,
    confidence_intervals,
    exploration_gain,
    exploration_requests,
    fairness,
    flat_metrics,
    mitigation_effect,
    ranking_metrics,
    response_metrics,
)
from recommender_training.evaluation import predictions as answers
from recommender_training.evaluation.exploration_requests import Places
from recommender_training.evaluation.peers import comparison, peer_lists
from recommender_training.evaluation.predictions import TOP_K, Answers, Window
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples

#: Answers of a variant of the graph, which serves in place of the full one.
Served = Callable[[Window], Answers]
#: Answers of the champion on a window; None if the comparison failed.
Champion = Callable[[Window], Answers | None]


def evaluate(
    bundle: Bundle,
    prepared: PreparedData,
    rows: Ints,
    champion: Champion | None = None,
    before: mitigation_effect.Before | None = None,
    served: Served | None = None,
    *,
    with_peers: bool = True,
) -> dict[str, Any]:
    """The sections of the evaluation report for the window `rows`.

    `metrics` is flat and holds what gates can name; the rest is for people. `before` adds the
    section of what the mitigation changed. Where a variant is `served`, it is `recommender`, and
    the model that it was made of is `full`. Without a request, nothing is said of peers.
    """
    window = answers.window(prepared, rows, bundle.sources)
    places = exploration_requests.explored_places(window.data, rows, prepared.history_length)
    window = replace(window, places=places)
    predictions = answers.answer(bundle, prepared, window, at_places=served is None)
    if served is not None:
        predictions["full"], predictions["recommender"] = (
            predictions["recommender"],
            served(window),
        )
    theirs = champion(window) if champion is not None else None
    if theirs is not None:
        predictions["champion"] = theirs
    sections = report(window, predictions)
    if with_peers and window.task.requests:
        drawn, top = bootstrap.draw(window.user), predictions["recommender"].top
        sections["peers"] = comparison.peers_section(peer_lists.peer_lists(window), top, drawn)
        sections["metrics"] = comparison.flat(sections["peers"]) | sections["metrics"]
    if places is not None:
        told = _exploration(window, places, predictions, wanted=champion is not None)
        sections["offPolicy"] = told
        sections["metrics"] |= exploration_gain.gain_metrics(told)
    if before is not None:
        sections["mitigation"] = mitigation_effect.effect_section(
            before, bundle, prepared, window, predictions
        )
    return sections


def report(window: Window, predictions: Mapping[str, Answers]) -> dict[str, Any]:
    """The sections from the answers of `recommender`, `baseline`, `popularity` and others."""
    models = {name: _model(window, answer) for name, answer in predictions.items()}
    served = models["recommender"]
    worst_name, worst = response_metrics.worst_segment(served["segments"], served["auc"])
    drawn = bootstrap.draw(window.user)
    compared = _compare(drawn, window, predictions)
    own, minus, fair = (
        compared["intervals"]["recommender"],
        compared["minus"],
        compared["fairness"],
    )
    return {
        "metrics": {
            **flat_metrics.point_values(models, worst),
            **flat_metrics.interval_ends(own, minus),
            **fairness.flat(
                fair["segments"], fair["exposure"], _auc_of(worst_name, fair["segments"], own)
            ),
        },
        "worstSegment": worst_name,
        "models": models,
        "uncertainty": confidence_intervals.method(drawn),
        **compared,
        "reliability": _reliability(window, predictions["recommender"]),
        "baselineReliability": _reliability(window, predictions["baseline"]),
        "ranking": _ranking(window),
        "popularity": catalogue_metrics.popularity_bands(
            window, {n: a.top for n, a in predictions.items()}
        ),
    }


def _exploration(
    window: Window, places: Places, predictions: Mapping[str, Answers], *, wanted: bool
) -> dict[str, Any]:
    """Gain of the version at the explored places of the window."""
    events, champion = window.data.events, predictions.get("champion")
    decisions = exploration_gain.Decisions(
        events.user[places.row].astype(np.int64),
        places.present,
        places.chosen,
        events.label[places.row],
    )
    own, theirs = predictions["recommender"].pools, champion.pools if champion else None
    return exploration_gain.gain_section(places, decisions, own, theirs, wanted=wanted)


def _ranking(window: Window) -> dict[str, Any]:
    """How lists were requested; without a request, why there is none."""
    requests = len(window.task.requests)
    told = {
        "protocol": _protocol_of(window.task),
        "requests": requests,
        "k": TOP_K,
        "items": window.data.items.count,
    }
    return told if requests else told | {"message": ranking_metrics.NO_REQUEST}


def _protocol_of(task: ranking_metrics.RankingTask) -> str:
    """How lists were requested; users are drawn where there are too many."""
    text = "full catalogue; first half of each user's window revealed"
    drawn, users = len(task.requests), task.users
    return text if drawn >= users else f"{text}; {drawn} of {users} users drawn"


def _auc_of(
    segment: str, segments: list[dict[str, Any]], own: Mapping[str, Any]
) -> dict[str, float | None]:
    """The estimate of a segment's AUC; that of all rows where no segment is large enough."""
    inside = [entry["estimates"]["auc"] for entry in segments if entry["name"] == segment]
    estimate: dict[str, float | None] = inside[0] if inside else own["auc"]
    return estimate


def _compare(
    drawn: Resamples, window: Window, predictions: Mapping[str, Answers]
) -> dict[str, Any]:
    """Intervals, paired differences and fairness, all on the same resamples."""
    sampled = {
        name: confidence_intervals.model(drawn, window, answer)
        for name, answer in predictions.items()
    }
    served = sampled["recommender"]
    probability, base = predictions["recommender"].probability, predictions["baseline"].probability
    assert probability is not None
    assert base is not None
    segments = fairness.segment_errors(drawn, window, probability, base, served)
    shown = {
        name: fairness.exposure(drawn, window, answer.top) for name, answer in predictions.items()
    }
    return {
        "intervals": {
            name: confidence_intervals.estimates(each, drawn) for name, each in sampled.items()
        },
        "minus": {
            name: confidence_intervals.estimates(
                confidence_intervals.differences(served, each), drawn
            )
            for name, each in sampled.items()
            if name != "recommender"
        },
        "fairness": {
            "segments": segments,
            "dimensions": fairness.dimensions(segments),
            "exposure": shown,
            "exposureGap": {
                name: round(fairness.exposure_gap(groups), 6) for name, groups in shown.items()
            },
        },
    }


def _model(window: Window, answer: Answers) -> dict[str, Any]:
    listed = {
        **ranking_metrics.ranking_metrics(window.task, answer.top, TOP_K),
        **catalogue_metrics.beyond_accuracy(answer.top, window.counts, TOP_K),
    }
    if answer.probability is None:
        return listed
    label, user, data = window.label, window.user, window.data
    return {
        **response_metrics.response_metrics(label, answer.probability),
        **listed,
        "segments": response_metrics.group_metrics(
            response_metrics.segment_rows(data, window.rows), label, user, answer.probability
        ),
        "itemGroups": response_metrics.group_metrics(
            response_metrics.item_rows(data, window.rows), label, user, answer.probability
        ),
    }


def _reliability(window: Window, answer: Answers) -> list[dict[str, float]]:
    assert answer.probability is not None
    return response_metrics.reliability(window.label, answer.probability)
