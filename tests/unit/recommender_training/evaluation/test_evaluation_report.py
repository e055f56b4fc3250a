"""The sections of the evaluation report hold together, by segment, by item group and overall."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from recommender_contract.peers import PEERS, ndcg_of
from recommender_operator.api.spec import WITH_CHAMPION_DIFFERENCE, WITH_INTERVAL, GateMetric
from recommender_training.cli import outcome, termination_report
from recommender_training.evaluation import predictions, response_metrics
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle

ONLY_LISTS = {"popularity", "popularityBySegment"}
LISTED = ("precision", "recall", "ndcg", "coverage", "novelty", "popularityRank", "exposureGini")


@pytest.fixture(scope="module")
def judged(bundle: Bundle, prepared: PreparedData) -> predictions.Window:
    return predictions.window(prepared, prepared.split.validation, bundle.sources)


@pytest.fixture(scope="module")
def said(
    bundle: Bundle, prepared: PreparedData, judged: predictions.Window
) -> dict[str, predictions.Answers]:
    return predictions.answer(bundle, prepared, judged)


@pytest.fixture(scope="module")
def report(bundle: Bundle, prepared: PreparedData) -> dict[str, Any]:
    return evaluate(bundle, prepared, prepared.split.validation)


def test_every_model_is_judged_by_its_lists_and_all_but_popularity_by_probabilities(
    report: dict[str, Any],
) -> None:
    for name, model in report["models"].items():
        assert {f"{metric}At10" for metric in LISTED} <= model.keys(), name
        assert ("auc" in model) == (name not in ONLY_LISTS)
    flat = report["metrics"]
    assert {f"{metric}At10" for metric in LISTED} <= flat.keys()
    by_segment = report["models"]["popularityBySegment"]["ndcgAt10"]
    assert flat["popularityBySegmentNdcgAt10"] == pytest.approx(by_segment, abs=1e-6)
    assert flat["recallAt10"] == pytest.approx(
        report["models"]["recommender"]["recallAt10"], abs=1e-6
    )


@pytest.mark.parametrize("part", ["segments", "itemGroups"])
def test_each_group_has_the_metrics_of_its_own_rows(
    report: dict[str, Any],
    judged: predictions.Window,
    said: dict[str, predictions.Answers],
    part: str,
) -> None:
    rows_of = response_metrics.segment_rows if part == "segments" else response_metrics.item_rows
    groups = rows_of(judged.data, judged.rows)
    for name in ("recommender", "baseline"):
        entries = {entry["name"]: entry for entry in report["models"][name][part]}
        assert entries.keys() == groups.keys()
        probability = said[name].probability
        assert probability is not None
        for group, inside in groups.items():
            entry, label = entries[group], judged.label[inside]
            assert entry["rows"] == inside.sum()
            assert entry["users"] == len(set(judged.user[inside].tolist()))
            assert entry["positives"] == label.sum()
            if 0 < label.sum() < len(label):
                expected = roc_auc_score(label, probability[inside])
                assert entry["auc"] == pytest.approx(expected, abs=1e-12)
                expected = log_loss(label, probability[inside])
                assert entry["logLoss"] == pytest.approx(expected, abs=1e-9)
                gap = probability[inside].mean() - label.mean()
                assert entry["calibrationGap"] == pytest.approx(gap, abs=1e-12)


@pytest.mark.parametrize("known", [True, False])
def test_segments_of_age_and_of_gender_each_divide_the_rows(
    judged: predictions.Window, known: bool
) -> None:
    data = judged.data
    if not known:  # of every third user
        side = np.where(np.arange(data.users.count)[:, None] % 3 == 0, np.nan, data.users.side)
        data = dataclasses.replace(data, users=dataclasses.replace(data.users, side=side))
    segments = response_metrics.segment_rows(data, judged.rows)
    assert {"age:unknown", "gender:unknown"} & segments.keys() == (
        set() if known else {"age:unknown", "gender:unknown"}
    )
    for dimension in ("age:", "gender:"):
        parts = [inside for name, inside in segments.items() if name.startswith(dimension)]
        assert (np.sum(parts, axis=0) == 1).all()


def test_a_group_without_rows_has_no_metrics_and_is_not_counted() -> None:
    nobody = np.zeros(3, dtype=np.bool_)
    (entry,) = response_metrics.group_metrics(
        {"age:0-17": nobody}, np.array([True, False, True]), np.arange(3), np.full(3, 0.5)
    )
    assert entry["rows"] == entry["users"] == 0
    assert entry["auc"] is entry["logLoss"] is entry["calibrationError"] is None
    assert not entry["counted"]


def test_bands_of_popularity_share_out_exposure_and_relevance(report: dict[str, Any]) -> None:
    bands = report["popularity"]
    assert sum(band["items"] for band in bands) == report["ranking"]["items"]
    assert sum(band["relevanceShare"] for band in bands) == pytest.approx(1, abs=1e-4)
    for name in report["models"]:
        shares = [band["exposureShare"][name] for band in bands]
        assert sum(shares) == pytest.approx(1, abs=1e-4)
    popular, served = (
        sum(band["exposureShare"][name] for band in bands[:3])
        for name in ("popularity", "recommender")
    )
    assert popular > served, "the list of the most popular is the most concentrated one"


def test_intervals_state_their_method_and_hold_their_value(report: dict[str, Any]) -> None:
    method = report["uncertainty"]
    assert (method["resamples"], method["level"], method["seed"]) == (2000, 0.95, 0)
    assert method["users"] >= 10
    for name, estimates in report["intervals"].items():
        assert ("auc" in estimates) == (name not in ONLY_LISTS)
        for metric, told in estimates.items():
            assert told["low"] < told["value"] < told["high"], (name, metric)
    own, flat = report["intervals"]["recommender"]["auc"], report["metrics"]
    assert (flat["auc"], flat["aucLow"], flat["aucHigh"]) == tuple(own.values())


def test_differences_to_the_baselines_are_paired_and_narrower_than_unpaired_ones(
    report: dict[str, Any],
) -> None:
    own, base = report["intervals"]["recommender"], report["intervals"]["baseline"]
    minus = report["minus"]
    assert set(minus) == {"baseline"} | ONLY_LISTS
    assert set(minus["popularity"]) == {"precisionAt10", "recallAt10", "ndcgAt10"}
    for metric, told in minus["baseline"].items():
        assert told["value"] == pytest.approx(
            own[metric]["value"] - base[metric]["value"], abs=2e-6
        )
    for metric in ("auc", "logLoss"):
        told = minus["baseline"][metric]
        unpaired = np.hypot(*(e[metric]["high"] - e[metric]["low"] for e in (own, base)))
        assert told["high"] - told["low"] < unpaired
        flat = report["metrics"]
        assert flat[f"{metric}MinusBaselineLow"] == told["low"]
        assert flat[f"{metric}MinusBaselineHigh"] == told["high"]


def test_a_champion_is_compared_by_its_answers_on_the_same_rows(
    bundle: Bundle,
    prepared: PreparedData,
    said: dict[str, predictions.Answers],
    report: dict[str, Any],
) -> None:
    rows = prepared.split.validation
    against_itself = evaluate(bundle, prepared, rows, champion=lambda _: said["recommender"])
    for told in against_itself["minus"]["champion"].values():
        assert set(told.values()) == {0.0}
    assert against_itself["metrics"]["aucMinusChampionHigh"] == 0
    against_baseline = evaluate(bundle, prepared, rows, champion=lambda _: said["baseline"])
    assert against_baseline["minus"]["champion"] == report["minus"]["baseline"]
    assert "aucMinusChampion" not in report["metrics"]
    assert {
        name for name in termination_report.OPERATOR_METRICS if "Champion" in name
    } <= against_baseline["metrics"].keys()


def test_all_that_the_operator_is_told_is_measured(bundle: Bundle, prepared: PreparedData) -> None:
    # Ten users of each segment are needed for its interval: one window has too few of some.
    rows = np.concatenate([prepared.split.validation, prepared.split.test])
    report = evaluate(bundle, prepared, rows)
    told = {
        name
        for name in termination_report.OPERATOR_METRICS
        # but those of the exported graph, and of explored places
        if "Champion" not in name and not name.startswith(("model", "offPolicy"))
    }
    assert told <= report["metrics"].keys()
    of_peers = {ndcg_of(name) for name in PEERS}
    best = {ndcg_of(report["peers"]["best"])}
    assert set(termination_report.for_operator(report["metrics"])) == told - of_peers | best


def test_every_metric_that_a_gate_may_name_is_told_with_the_ends_that_it_may_ask_for() -> None:
    told = set(termination_report.OPERATOR_METRICS)
    assert {metric.value for metric in GateMetric} <= told
    ends = {f"{metric.value}{end}" for metric in WITH_INTERVAL for end in ("Low", "High")}
    assert ends <= told
    versus = {f"{metric.value}MinusChampion" for metric in WITH_CHAMPION_DIFFERENCE}
    assert {f"{name}{end}" for name in versus for end in ("", "Low", "High")} <= told
    with_ends = {name.removesuffix("Low") for name in told if name.endswith("Low")} - versus
    assert {metric.value for metric in WITH_INTERVAL} == with_ends


def first_of_each_user(prepared: PreparedData) -> Any:
    """Rows of the validation window with one event a user: nobody has a later positive one."""
    rows = prepared.split.validation
    _, first = np.unique(prepared.data.events.user[rows], return_index=True)
    return rows[np.sort(first)]


def test_without_a_request_to_rank_lists_are_not_measured_and_the_report_says_why(
    bundle: Bundle, prepared: PreparedData
) -> None:
    report = evaluate(bundle, prepared, first_of_each_user(prepared))
    assert report["ranking"]["requests"] == 0
    assert "lengthen data.window.days" in report["ranking"]["message"]
    listed = {f"{metric}At10" for metric in LISTED}
    assert not any(listed & model.keys() for model in report["models"].values())
    assert not [name for name in report["metrics"] if "At10" in name]
    assert {"auc", "logLoss", "aucMinusBaseline"} <= report["metrics"].keys()
    assert outcome.summary(report["metrics"]).endswith("no request to rank")
