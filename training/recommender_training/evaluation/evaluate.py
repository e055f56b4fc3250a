"""The evaluation of a run on one window: responses, groups, rankings, against the baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from recommender_training.common.arrays import Ints
from recommender_training.evaluation import (
    answers,
    catalogue,
    fairness,
    flat,
    intervals,
    mitigated,
    ranking,
    responses,
)
from recommender_training.evaluation.answers import TOP_K, Answers, Window
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples
from recommender_training.trainer.bundle import Bundle
from recommender_training.trainer.prepared import Prepared

#: Answers of a variant of the graph, which serves in place of the full one.
Served = Callable[[Window], Answers]
#: Answers of the version that serves today on a window; None where they cannot be had.
Champion = Callable[[Window], Answers | None]


def evaluate(
    bundle: Bundle,
    prepared: Prepared,
    rows: Ints,
    champion: Champion | None = None,
    before: mitigated.Before | None = None,
    served: Served | None = None,
) -> dict[str, Any]:
    """The sections of the evaluation report for the window `rows`.

    `metrics` is flat and holds what gates can name; the rest is for people. With `before` there is
    a section of what the mitigation changed. Where a variant is `served`, it is `recommender`, and
    the model it was made of is `full`.
    """
    judged = answers.window(prepared, rows, bundle.sources)
    said = answers.answer(bundle, prepared, judged)
    if served is not None:
        said["full"], said["recommender"] = said["recommender"], served(judged)
    theirs = champion(judged) if champion is not None else None
    if theirs is not None:
        said["champion"] = theirs
    told = report(judged, said)
    if before is not None:
        told["mitigation"] = mitigated.section(before, bundle, prepared, judged, said)
    return told


def report(judged: Window, said: Mapping[str, Answers]) -> dict[str, Any]:
    """The sections from the answers of `recommender`, `baseline`, `popularity` and others."""
    models = {name: _model(judged, answer) for name, answer in said.items()}
    served = models["recommender"]
    worst_name, worst = responses.worst_segment(served["segments"], served["auc"])
    drawn = bootstrap.draw(judged.user)
    compared = _compare(drawn, judged, said)
    own, minus, fair = (
        compared["intervals"]["recommender"],
        compared["minus"],
        compared["fairness"],
    )
    return {
        "metrics": {
            **flat.point_values(models, worst),
            **flat.interval_ends(own, minus),
            **fairness.flat(
                fair["segments"], fair["exposure"], _auc_of(worst_name, fair["segments"], own)
            ),
        },
        "worstSegment": worst_name,
        "models": models,
        "uncertainty": intervals.method(drawn),
        **compared,
        "reliability": _reliability(judged, said["recommender"]),
        "baselineReliability": _reliability(judged, said["baseline"]),
        "ranking": {
            "protocol": _protocol_of(judged.task),
            "requests": len(judged.task.requests),
            "k": TOP_K,
            "items": judged.data.items.count,
        },
        "popularity": catalogue.popularity_bands(judged, {n: a.top for n, a in said.items()}),
    }


def _protocol_of(task: ranking.RankingTask) -> str:
    """How the lists were asked for; the users are drawn where there are too many."""
    told = "full catalogue; first half of each user's window revealed"
    drawn, users = len(task.requests), task.users
    return told if drawn >= users else f"{told}; {drawn} of {users} users drawn"


def _auc_of(
    segment: str, segments: list[dict[str, Any]], own: Mapping[str, Any]
) -> dict[str, float | None]:
    """The estimate of a segment's AUC; that of all rows where no segment is large enough."""
    inside = [entry["estimates"]["auc"] for entry in segments if entry["name"] == segment]
    estimate: dict[str, float | None] = inside[0] if inside else own["auc"]
    return estimate


def _compare(drawn: Resamples, judged: Window, said: Mapping[str, Answers]) -> dict[str, Any]:
    """Intervals, paired differences and fairness, all on the same resamples."""
    sampled = {name: intervals.model(drawn, judged, answer) for name, answer in said.items()}
    served = sampled["recommender"]
    probability, base = said["recommender"].probability, said["baseline"].probability
    assert probability is not None
    assert base is not None
    segments = fairness.segment_errors(drawn, judged, probability, base, served)
    shown = {name: fairness.exposure(drawn, judged, answer.top) for name, answer in said.items()}
    return {
        "intervals": {name: intervals.estimates(each, drawn) for name, each in sampled.items()},
        "minus": {
            name: intervals.estimates(intervals.differences(served, each), drawn)
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


def _reliability(judged: Window, answer: Answers) -> list[dict[str, float]]:
    assert answer.probability is not None
    return responses.reliability(judged.label, answer.probability)
