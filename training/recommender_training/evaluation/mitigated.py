"""What the mitigation changed: each part of it before and after, on the window that is judged.

Reweighting is compared with the same models fitted without weights, the bonus of item groups with
the lists of the same model without it, so each effect stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recommender_training.common.arrays import Doubles
from recommender_training.common.progress import say
from recommender_training.config.mitigation import Exposure, Mitigation
from recommender_training.config.training import Retrieval, TrainingConfig
from recommender_training.evaluation import (
    answers,
    catalogue,
    fairness,
    intervals,
    ranking,
    responses,
)
from recommender_training.evaluation.answers import TOP_K, Answers, Window
from recommender_training.features import groups
from recommender_training.mitigation import exposure, reweighting
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples
from recommender_training.trainer.bundle import Bundle, fit_models, refit
from recommender_training.trainer.context import FitContext
from recommender_training.trainer.initial_weights import WarmStart
from recommender_training.trainer.prepared import Prepared, training_labels


@dataclass(frozen=True)
class Before:
    """The settings that are in force, and the models without weights where there are weights."""

    settings: Mitigation
    unweighted: Bundle | None
    groups: list[dict[str, Any]]  # of the users, with the weights of their rows


def with_bonus(bundle: Bundle, prepared: Prepared, config: TrainingConfig) -> Bundle:
    """The models with the bonus of the item groups, found on the validation window.

    That window is held out of the fit of `bundle`, and never the one that is judged in the end.
    """
    settings = config.exposure
    if settings is None:
        return bundle
    say("exposure: the bonus of each item group, on the validation window")
    judged = answers.window(prepared, prepared.split.validation, bundle.sources)
    base, served = answers.scorers(bundle, prepared)
    found = {"baseline": _bonus(judged, prepared, base, settings)}
    if bundle.deep is not None:
        found["recommender"] = _bonus(judged, prepared, served, settings)
    for name, bonus in found.items():
        if not bonus.met:
            say(
                f"exposure: no bonus of {name} within maxBonus={settings.max_bonus:g} gives each "
                f"group minExposureRatio={settings.min_exposure_ratio:g}; the nearest is taken"
            )
    return replace(bundle, bonus=found)


def _bonus(
    judged: Window, prepared: Prepared, scorer: ranking.Scorer, settings: Exposure
) -> exposure.Bonus:
    data, task = judged.data, judged.task
    length, frozen = prepared.history_length, prepared.constants
    ranks = ranking.score_task(task, data, frozen, judged.state, length, scorer) + judged.prior
    membership = groups.membership(settings.by, data.items, judged.counts)
    relevance = _mean(catalogue.group_relevance(task.relevant, membership))
    wanted = exposure.Wanted(
        scores=np.where(task.excluded, -np.inf, ranks),
        membership=membership,
        relevance=relevance,
        bound=relevance >= fairness.MIN_RELEVANCE_SHARE,
    )
    return exposure.fit(wanted, settings, TOP_K)


def before(
    prepared: Prepared, config: TrainingConfig, threads: int, start: WarmStart | None = None
) -> Before | None:
    """What a report compares with; None where nothing is mitigated.

    The models without weights begin with the same `start`. They need no towers: both sides' lists
    are ordered by those of the window that is judged.
    """
    weighted, settings = config.reweighting, config.mitigation
    if settings is None or (weighted is None and config.exposure is None):
        return None
    if weighted is None:
        return Before(settings, None, [])
    say("reweighting: the same models without weights, to compare with")
    settled = config.hyperparameters.model_copy(update={"retrieval": Retrieval.WEIGHTS})
    bare = config.model_copy(update={"mitigation": None, "hyperparameters": settled})
    context = FitContext(start=start)
    bundle = refit(fit_models(prepared, bare, threads, context), prepared, bare, threads, context)
    data, split = prepared.data, prepared.split
    rows = np.concatenate([split.train, split.validation])
    labels = training_labels(data, split, config)
    return Before(settings, bundle, reweighting.told(data, rows, labels, weighted))


def section(
    compared: Before,
    bundle: Bundle,
    prepared: Prepared,
    judged: Window,
    said: Mapping[str, Answers],
) -> dict[str, Any]:
    """The section `mitigation` of the report, from the answers of `said`."""
    drawn, served = bootstrap.draw(judged.user), said["recommender"]
    result: dict[str, Any] = {
        "settings": compared.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    }
    if compared.unweighted is not None:
        bare = answers.answer(compared.unweighted, prepared, judged)["recommender"]
        plain = Answers(served.probability, served.unchanged)
        result["reweighting"] = {
            "groups": compared.groups,
            **compare(drawn, judged, bare, plain),
            "segments": segments(drawn, judged, bare, plain),
        }
    bonus = bundle.bonus.get("baseline" if bundle.deep is None else "recommender")
    if bonus is not None:
        plain = Answers(served.probability, served.unchanged)
        result["exposure"] = {
            "met": bonus.met,
            "found": bonus.told(groups.names(bonus.by, judged.data.items)),
            **compare(drawn, judged, plain, served),
            "groups": _groups(judged, bonus, plain, served),
        }
    return result


def compare(drawn: Resamples, judged: Window, old: Answers, new: Answers) -> dict[str, Any]:
    """Metrics of both sides, and paired differences with intervals, new minus old."""
    sampled = [intervals.model(drawn, judged, each) for each in (new, old)]
    return {
        "before": _point(drawn, judged, old),
        "after": _point(drawn, judged, new),
        "minus": intervals.estimates(intervals.differences(*sampled), drawn),
    }


def _point(drawn: Resamples, judged: Window, answer: Answers) -> dict[str, float]:
    """The metrics of one side."""
    assert answer.probability is not None
    values = responses.response_metrics(judged.label, answer.probability)
    segments = responses.group_metrics(
        responses.segment_rows(judged.data, judged.rows),
        judged.label,
        judged.user,
        answer.probability,
    )
    values["worstSegmentAuc"] = responses.worst_segment(segments, values["auc"])[1]
    counted = [each for each in segments if each["counted"]]
    gaps = [abs(float(each["calibrationGap"])) for each in counted]
    values["worstSegmentCalibrationGap"] = max(gaps, default=0.0)
    values["segmentProbabilityDifference"] = _probability_difference(counted)
    values |= ranking.ranking_metrics(judged.task, answer.top, TOP_K)
    values |= catalogue.beyond_accuracy(answer.top, judged.counts, TOP_K)
    shown = fairness.exposure(drawn, judged, answer.top)
    least = fairness.least_exposed(shown)
    if least is not None:
        values[f"leastExposureRatioAt{TOP_K}"] = float(least["ratio"]["value"])
        values[f"exposureGapAt{TOP_K}"] = fairness.exposure_gap(shown)
    return {name: round(value, 6) for name, value in values.items()}


def _probability_difference(counted: list[dict[str, Any]]) -> float:
    """The largest difference of the mean probability between segments of one dimension."""
    means: dict[str, list[float]] = {}
    for each in counted:
        mean = float(each["calibrationGap"]) + each["positives"] / each["rows"]
        means.setdefault(each["name"].split(":")[0], []).append(mean)
    return max((max(found) - min(found) for found in means.values()), default=0.0)


def segments(drawn: Resamples, judged: Window, old: Answers, new: Answers) -> list[dict[str, Any]]:
    """Errors of each segment after, and their differences to those before."""
    assert old.probability is not None
    assert new.probability is not None
    overall = intervals.model(drawn, judged, new)
    told = fairness.segment_errors(drawn, judged, new.probability, old.probability, overall)
    names = {"estimates": "after", "minusBaseline": "minusBefore"}
    return [
        {names.get(key, key): value for key, value in entry.items() if key != "minusAll"}
        for entry in told
    ]


def _groups(
    judged: Window, bonus: exposure.Bonus, old: Answers, new: Answers
) -> list[dict[str, Any]]:
    """One entry an item group: shares of the window that is judged."""
    membership = groups.membership(bonus.by, judged.data.items, judged.counts)
    relevance = _mean(catalogue.group_relevance(judged.task.relevant, membership))
    sides = [_mean(catalogue.group_exposure(each.top, membership)) for each in (old, new)]
    return [
        {
            "name": name,
            "items": int((membership[:, code] > 0).sum()),
            "relevanceShare": round(float(relevance[code]), 6),
            "shareBefore": round(float(sides[0][code]), 6),
            "shareAfter": round(float(sides[1][code]), 6),
            "counted": bool(relevance[code] >= fairness.MIN_RELEVANCE_SHARE),
        }
        for code, name in enumerate(groups.names(bonus.by, judged.data.items))
    ]


def _mean(shares: Doubles) -> Doubles:
    return np.asarray(shares.mean(0) if len(shares) else np.zeros(shares.shape[1]))
