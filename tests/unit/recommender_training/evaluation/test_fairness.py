"""Errors by segment and exposure by genre: what is reported is what the rows and lists say."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
from sklearn.metrics import log_loss, roc_auc_score

from recommender_training.evaluation import fairness, predictions, ranking_metrics
from recommender_training.evaluation.evaluate import report
from recommender_training.features import user_factors
from recommender_training.features.assembly import Constants
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.event_history import ItemCounts
from recommender_training.statistics import bootstrap
from tests import small_data

USERS, ROWS_EACH, ITEMS = 120, 20, 30
GENRES = ("Common", "Rare")


@pytest.fixture(scope="module")
def judged() -> predictions.Window:
    """Users of two ages and genders; the last third of the items are Rare, and as wanted."""
    random = np.random.default_rng(11)
    count = USERS * ROWS_EACH
    item = random.integers(0, ITEMS, count)
    value = np.where(random.random(count) < 0.5, 5.0, 2.0)
    data = small_data.build(
        [(row % USERS, int(item[row]), float(value[row]), row) for row in range(count)],
        [
            {"id": user, "age": 20 if user < USERS // 2 else 60, "gender": "FM"[user % 2]}
            for user in range(USERS)
        ],
        [{"id": each, "genre": GENRES[each >= 20]} for each in range(ITEMS)],
    )
    zero = np.ones(ITEMS, dtype=np.int64)
    task = ranking_metrics.reveal_half(data, np.arange(count), 20)
    state = CatalogueState(ItemCounts(zero, zero, zero), user_factors.no_factors(len(zero)))
    known = ranking_metrics.Known(data, Constants(3.0, 0.5), state, 20)
    return predictions.Window(known, np.arange(count), task)


def probabilities(judged: predictions.Window) -> npt.NDArray[np.float64]:
    """Informed for the young, noise for the old."""
    random = np.random.default_rng(5)
    young = judged.data.users.side[judged.user][:, 0] < 50
    signal = np.where(judged.label, 0.7, 0.3)
    return np.clip(np.where(young, signal, 0.5) + random.normal(0, 0.1, len(signal)), 0.01, 0.99)


@pytest.fixture(scope="module")
def said(judged: predictions.Window) -> dict[str, predictions.Answers]:
    """The model shows next to nothing that is Rare; the baseline lists are drawn at random."""
    random = np.random.default_rng(6)
    shape = (len(judged.task.requests), ITEMS)
    common = random.random(shape) - 0.3 * (np.arange(ITEMS) >= 20)
    any_item = random.random(shape)
    # a request may exclude more than half of the common items, so the lists are short
    every = judged.shortlist()
    order = np.where(np.isfinite(every.order), 0.0, -np.inf)
    lists = ranking_metrics.Shortlist(every.items, order)
    short = {"common": lists.best(common, 3), "any": lists.best(any_item, 3)}
    noise = np.clip(0.5 + random.normal(0, 0.1, len(judged.rows)), 0.01, 0.99)
    return {
        "recommender": predictions.Answers(probabilities(judged), short["common"]),
        "baseline": predictions.Answers(noise, short["any"]),
        "popularity": predictions.Answers(None, short["any"]),
    }


@pytest.fixture(scope="module")
def told(judged: predictions.Window, said: dict[str, predictions.Answers]) -> dict[str, Any]:
    return report(judged, said)


def by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in entries}


def test_errors_of_a_segment_are_those_of_scikit_learn_on_its_rows(
    judged: predictions.Window, told: dict[str, Any]
) -> None:
    probability = probabilities(judged)
    entry = by_name(told["fairness"]["segments"])["age:18-24"]
    inside = judged.data.users.side[judged.user][:, 0] == 20
    assert (entry["rows"], entry["users"]) == (inside.sum(), USERS // 2)
    area = roc_auc_score(judged.label[inside], probability[inside])
    assert entry["estimates"]["auc"]["value"] == pytest.approx(area, abs=1e-6)
    loss = log_loss(judged.label[inside], probability[inside])
    assert entry["estimates"]["logLoss"]["value"] == pytest.approx(loss, abs=1e-6)
    over_all = roc_auc_score(judged.label, probability)
    assert entry["minusAll"]["auc"]["value"] == pytest.approx(area - over_all, abs=2e-6)


def test_the_segment_that_is_served_worse_is_found_with_an_interval_that_leaves_out_zero(
    told: dict[str, Any],
) -> None:
    segments = by_name(told["fairness"]["segments"])
    old, young = segments["age:56+"], segments["age:18-24"]
    assert old["minusAll"]["auc"]["high"] < 0 < young["minusAll"]["auc"]["low"]
    assert old["minusAll"]["logLoss"]["low"] > 0 > young["minusAll"]["logLoss"]["high"]
    assert young["minusBaseline"]["auc"]["low"] > 0
    for gender in ("gender:F", "gender:M"):
        alike = segments[gender]["minusAll"]["auc"]
        assert alike["low"] < 0 < alike["high"], "the genders are served alike"
    age, gender_entry = told["fairness"]["dimensions"]
    assert (age["auc"]["highest"], age["auc"]["lowest"]) == ("age:18-24", "age:56+")
    assert age["auc"]["difference"] > 0.3 > gender_entry["auc"]["difference"]
    assert told["metrics"]["segmentAucDifference"] == age["auc"]["difference"]
    worst = old["minusBaseline"]["auc"]
    assert told["metrics"]["worstSegmentAucMinusBaseline"] == worst["value"]
    assert told["metrics"]["worstSegmentAucMinusBaselineLow"] == worst["low"]
    assert told["worstSegment"] == "age:56+"
    area, flat = old["estimates"]["auc"], told["metrics"]
    assert (flat["worstSegmentAucLow"], flat["worstSegmentAucHigh"]) == (area["low"], area["high"])


def test_segments_that_are_too_small_are_told_by_size_alone(told: dict[str, Any]) -> None:
    entry = by_name(told["fairness"]["segments"])["age:0-17"]
    assert entry == {"name": "age:0-17", "rows": 0, "users": 0, "positives": 0, "counted": False}


def test_a_genre_that_is_wanted_and_hardly_shown_is_the_least_exposed(
    told: dict[str, Any],
) -> None:
    shown = by_name(told["fairness"]["exposure"]["recommender"])
    rare = shown["genre:Rare"]
    assert rare["exposureShare"]["value"] < 0.05
    assert rare["relevanceShare"]["value"] == pytest.approx(1 / 3, abs=0.05)
    assert 0 < rare["ratio"]["low"] < rare["ratio"]["high"] < 0.3
    assert shown["genre:Common"]["ratio"]["low"] > 1
    fair = by_name(told["fairness"]["exposure"]["baseline"])["genre:Rare"]["ratio"]
    assert fair["low"] < 1 < fair["high"], "random lists show what there is"
    assert told["metrics"]["leastExposureRatioAt10"] == rare["ratio"]["value"]
    assert told["metrics"]["leastExposureRatioAt10High"] == rare["ratio"]["high"]
    gap = rare["relevanceShare"]["value"] - rare["exposureShare"]["value"]
    assert told["metrics"]["exposureGapAt10"] == pytest.approx(gap, abs=1e-5)
    assert told["fairness"]["exposureGap"]["baseline"] < 0.05


def test_exposure_of_a_window_without_requests_is_told_as_absent(
    judged: predictions.Window,
) -> None:
    nothing = ranking_metrics.RankingTask([], sp.csr_matrix((0, ITEMS)), sp.csr_matrix((0, ITEMS)))
    empty = dataclasses.replace(judged, task=nothing)
    none = np.zeros((0, 10), dtype=np.int64)
    said = {
        "recommender": predictions.Answers(probabilities(judged), none),
        "baseline": predictions.Answers(probabilities(judged), none),
        "popularity": predictions.Answers(None, none),
    }
    told = report(empty, said)
    assert told["fairness"]["exposure"]["recommender"] == []
    assert "leastExposureRatioAt10" not in told["metrics"]
    assert "ndcgAt10" not in told["metrics"]
    drawn = bootstrap.draw(judged.user, resamples=10)
    assert fairness.exposure(drawn, empty, none) == []


def test_a_genre_that_is_never_shown_has_no_interval_that_feigns_certainty(
    judged: predictions.Window,
) -> None:
    drawn = bootstrap.draw(judged.user, resamples=50)
    only_common = np.tile(np.arange(3), (len(judged.task.requests), 1))
    rare = by_name(fairness.exposure(drawn, judged, only_common))["genre:Rare"]
    assert rare["ratio"] == {"value": 0.0, "low": None, "high": None}
    assert fairness.least_exposed([rare]) == rare
