"""Effect of the mitigation: each part before and after, on the evaluated window.

Reweighting is compared with the same models fitted without weights, the bonus of item groups with
the lists of the same model without it, so each effect stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender_contract.resource.mitigation import MitigationSpec
from recommender_training.evaluation import (
    catalogue_metrics,
    confidence_intervals,
    fairness,
    ranking_metrics,
    response_metrics,
)
from recommender_training.evaluation import predictions as answers
from recommender_training.evaluation.predictions import TOP_K, Answers, Window
from recommender_training.features import item_groups
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.mitigation import exposure
from recommender_training.statistics import bootstrap
from recommender_training.statistics.bootstrap import Resamples


@dataclass(frozen=True)
class Before:
    """The settings in force, and the models fitted without weights if rows are weighted."""

    settings: MitigationSpec
    unweighted: Bundle | None
    groups: list[dict[str, Any]]  # of the users, with the weights of their rows


def effect_section(
    compared: Before,
    bundle: Bundle,
    prepared: PreparedData,
    window: Window,
    predictions: Mapping[str, Answers],
) -> dict[str, Any]:
    """The section `mitigation` of the report, from the answers of each model."""
    drawn, served = bootstrap.draw(window.user), predictions["recommender"]
    result: dict[str, Any] = {
        "settings": compared.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    }
    if compared.unweighted is not None:
        found = answers.answer(compared.unweighted, prepared, window, at_places=False)
        bare = found["recommender"]
        plain = Answers(served.probability, served.unchanged)
        result["reweighting"] = {
            "groups": compared.groups,
            **compare_mitigation(drawn, window, bare, plain),
            "segments": segments(drawn, window, bare, plain),
        }
    bonus = bundle.bonus.get("baseline" if bundle.deep is None else "recommender")
    if bonus is not None:
        plain = Answers(served.probability, served.unchanged)
        result["exposure"] = {
            "met": bonus.met,
            "found": bonus.report(item_groups.names(bonus.by, window.data.items)),
            **compare_mitigation(drawn, window, plain, served),
            "groups": _groups(window, bonus, plain, served),
        }
    return result


def compare_mitigation(
    drawn: Resamples, window: Window, old: Answers, new: Answers
) -> dict[str, Any]:
    """Metrics of both sides, and paired differences with intervals, new minus old."""
    sampled = [confidence_intervals.model(drawn, window, each) for each in (new, old)]
    return {
        "before": _point(drawn, window, old),
        "after": _point(drawn, window, new),
        "minus": confidence_intervals.estimates(confidence_intervals.differences(*sampled), drawn),
    }


def _point(drawn: Resamples, window: Window, answer: Answers) -> dict[str, float]:
    """The metrics of one side."""
    assert answer.probability is not None
    values = response_metrics.response_metrics(window.label, answer.probability)
    segments = response_metrics.group_metrics(
        response_metrics.segment_rows(window.data, window.rows),
        window.label,
        window.user,
        answer.probability,
    )
    values["worstSegmentAuc"] = response_metrics.worst_segment(segments, values["auc"])[1]
    counted = [each for each in segments if each["counted"]]
    gaps = [abs(float(each["calibrationGap"])) for each in counted]
    values["worstSegmentCalibrationGap"] = max(gaps, default=0.0)
    values["segmentProbabilityDifference"] = _probability_difference(counted)
    values |= ranking_metrics.ranking_metrics(window.task, answer.top, TOP_K)
    values |= catalogue_metrics.beyond_accuracy(answer.top, window.counts, TOP_K)
    shown = fairness.exposure(drawn, window, answer.top)
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


def segments(drawn: Resamples, window: Window, old: Answers, new: Answers) -> list[dict[str, Any]]:
    """Errors of each segment after, and their differences to those before."""
    assert old.probability is not None
    assert new.probability is not None
    overall = confidence_intervals.model(drawn, window, new)
    entries = fairness.segment_errors(drawn, window, new.probability, old.probability, overall)
    names = {"estimates": "after", "minusBaseline": "minusBefore"}
    return [
        {names.get(key, key): value for key, value in entry.items() if key != "minusAll"}
        for entry in entries
    ]


def _groups(
    window: Window, bonus: exposure.Bonus, old: Answers, new: Answers
) -> list[dict[str, Any]]:
    """One entry an item group: shares in the evaluated window."""
    membership = window.membership(bonus.by)
    relevance = catalogue_metrics.mean_share(
        catalogue_metrics.group_relevance(window.task, membership)
    )
    shown = (catalogue_metrics.group_exposure(each.top, membership) for each in (old, new))
    sides = [catalogue_metrics.mean_share(each) for each in shown]
    return [
        {
            "name": name,
            "items": int((membership[:, code] > 0).sum()),
            "relevanceShare": round(float(relevance[code]), 6),
            "shareBefore": round(float(sides[0][code]), 6),
            "shareAfter": round(float(sides[1][code]), 6),
            "counted": bool(relevance[code] >= fairness.MIN_RELEVANCE_SHARE),
        }
        for code, name in enumerate(item_groups.names(bonus.by, window.data.items))
    ]
