"""Mitigation from the section of the spec to the exported graph, the report and its page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.mitigation import POPULARITY
from recommender_training.artifact import triton
from recommender_training.common.arrays import Doubles, Floats
from recommender_training.common.errors import InputError
from recommender_training.config.training import Hyperparameters, parse_config
from recommender_training.evaluation import predictions, ranking_metrics
from recommender_training.evaluation.first_stage import FirstStage
from recommender_training.export import build, torchscript
from recommender_training.features import attributes, item_groups
from recommender_training.features.catalogue_state import CatalogueState
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.mitigation.exposure import Bonus
from recommender_training.models import item_weights, ranker
from recommender_training.models.ranker import RankerSize
from recommender_training.pipeline import training
from recommender_training.pipeline.champion import Champion
from recommender_training.statistics import calibration
from recommender_training.trainer import fit
from recommender_training.trainer.fit_models import fit_models, refit
from tests.unit.recommender_training.evaluation.test_evaluation_schema import (
    SCHEMA_FILE,
    closed,
    faults,
)

REGRESSION = {"seed": 3, "algorithm": "LogisticRegression"}
BOTH = {
    "reweighting": {"by": "gender", "sizeStrength": 1},
    "exposure": {"by": "genre", "minExposureRatio": 1, "maxBonus": 10},
}
IDLE = {
    "reweighting": {"labelStrength": 0, "sizeStrength": 0},
    "exposure": {"minExposureRatio": 0},
}


@pytest.fixture(scope="module")
def train(
    trained: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], training.TrainResult]:
    def run(mitigation: dict[str, Any]) -> training.TrainResult:
        config = parse_config(json.dumps({**REGRESSION, "mitigation": mitigation}))
        output = tmp_path_factory.mktemp("mitigated") / "staged"
        return training.train(
            training.TrainingRun(trained.lake, trained.data_version, config, output)
        )

    return run


@pytest.fixture(scope="module")
def mitigated(train: Callable[[dict[str, Any]], training.TrainResult]) -> training.TrainResult:
    return train(BOTH)


@pytest.fixture(scope="module")
def told(mitigated: training.TrainResult) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((mitigated.staged / "report.json").read_text())
    return report


def test_strength_zero_gives_the_same_bytes_as_no_mitigation(
    train: Callable[[dict[str, Any]], training.TrainResult],
    mitigated: training.TrainResult,
    regression: training.TrainResult,
) -> None:
    assert train(IDLE).digest == regression.digest
    assert mitigated.digest != regression.digest
    assert "mitigation" not in regression.report


def test_the_report_has_each_part_before_and_after_and_holds_to_the_schema(
    told: dict[str, Any],
) -> None:
    part, flat = told["mitigation"], told["metrics"]
    weighed, raised = part["reweighting"], part["exposure"]
    assert part["settings"]["exposure"] == BOTH["exposure"]
    assert weighed["after"] == raised["before"], "each effect stands alone"
    for name in ("auc", "ndcgAt10", "leastExposureRatioAt10", "exposureGiniAt10"):
        assert raised["after"][name] == pytest.approx(flat[name], abs=1e-6)
    assert weighed["before"]["auc"] != weighed["after"]["auc"]
    assert raised["before"]["auc"] == raised["after"]["auc"], "a bonus changes no probability"
    assert raised["before"]["exposureGiniAt10"] != raised["after"]["exposureGiniAt10"]
    gain = raised["after"]["ndcgAt10"] - raised["before"]["ndcgAt10"]
    assert raised["minus"]["ndcgAt10"]["value"] == pytest.approx(gain, abs=2e-6)
    for side in ("relevanceShare", "shareBefore", "shareAfter"):
        assert sum(group[side] for group in raised["groups"]) == pytest.approx(1, abs=1e-4)
    for entry in weighed["segments"]:
        assert ("minusBefore" in entry) == entry["counted"]
    means = {
        entry["name"]: entry["after"]["calibrationGap"]["value"]
        + entry["positives"] / entry["rows"]
        for entry in weighed["segments"]
        if entry["counted"]
    }
    spreads = [
        max(of) - min(of)
        for dimension in ("age", "gender")
        if (of := [mean for name, mean in means.items() if name.startswith(dimension)])
    ]
    assert weighed["after"]["segmentProbabilityDifference"] == pytest.approx(
        max(spreads, default=0), abs=3e-6
    )
    schema = json.loads(SCHEMA_FILE.read_text())
    assert faults(closed(schema), told) == []


def test_the_worst_group_is_nearer_to_its_share_where_the_bonus_was_found(
    told: dict[str, Any],
) -> None:
    found = [entry for entry in told["mitigation"]["exposure"]["found"] if entry["bound"]]
    least = [min(entry[side] for entry in found) for side in ("ratioBefore", "ratioAfter")]
    assert least[1] > least[0]
    assert 0 < max(entry["bonus"] for entry in found) <= 10


def test_the_page_shows_both_parts(mitigated: training.TrainResult) -> None:
    page = (mitigated.staged / "report.html").read_text()
    assert "<h2>Mitigation</h2>" in page
    assert "fitted without weights" in page
    assert "get a bonus when lists are ranked" in page


def test_a_champion_is_listed_with_its_own_bonus(
    mitigated: training.TrainResult, prepared: PreparedData, told: dict[str, Any]
) -> None:
    config = parse_config(json.dumps(REGRESSION))
    ordered = refit(fit_models(prepared, config, 1), prepared, config, 1).sources
    judged = predictions.window(prepared, prepared.split.test, ordered)
    said = Champion.load(mitigated.staged, mitigated.digest).answers(judged)
    ndcg = ranking_metrics.ranking_metrics(judged.task, said.top, predictions.TOP_K)["ndcgAt10"]
    assert ndcg == pytest.approx(told["metrics"]["ndcgAt10"], abs=1e-6)
    exposed = told["mitigation"]["exposure"]
    assert exposed["before"]["ndcgAt10"] != exposed["after"]["ndcgAt10"], "or nothing is shown"


@pytest.fixture(scope="module")
def known(prepared: PreparedData) -> build.ExportInputs:
    data = prepared.data
    everything = np.ones(len(data.events), dtype=np.bool_)
    weights = item_weights.fit(data, everything)
    state = CatalogueState.at(data, None, prepared.constants.groups)
    return build.ExportInputs(data, prepared.constants, state, weights, prepared.history_length)


@pytest.mark.parametrize("name", ["recommender", "baseline"])
@pytest.mark.parametrize("by", [POPULARITY, "genre"])
def test_the_graph_lists_by_the_sum_that_the_evaluation_lists_by_and_scores_as_ever(
    bundle: Bundle, prepared: PreparedData, known: build.ExportInputs, name: str, by: str
) -> None:
    data, counts = prepared.data, known.state.counts
    membership = item_groups.membership(by, data.items, counts)
    value = np.random.default_rng(7).uniform(0, 3, (membership.shape[1],))
    bonus = Bonus(by, value, value, value, value, value > 0, True)
    base, served = predictions.scorers(bundle, prepared)
    scorer = base if name == "baseline" else served
    assert bundle.deep is not None
    module: torch.nn.Module = (
        build.logistic_module(bundle.baseline, known, bundle.baseline_calibration, bonus)
        if name == "baseline"
        else build.ranker_module(bundle.deep, known, bundle.deep_calibration, bonus)
    )
    requests = ranking_metrics.reveal_half(
        data, prepared.split.test, prepared.history_length
    ).requests
    then = ranking_metrics.Known(data, known.constants, known.state, known.history_length)
    assert known.retrieval is not None
    weights = known.sources.weighted(known.retrieval)
    first = FirstStage(then, known.sources, weights)
    for request in requests[:8]:
        logits = scorer(then.inputs([request], np.arange(data.items.count)[None]))
        rank = logits + first.scores([request])[0] + bonus.of_items(membership)
        session = request.session
        rank[data.events.item[session]] = -np.inf
        events = data.events

        def row(values: Any) -> torch.Tensor:
            return torch.from_numpy(np.asarray(values)[None, :])

        ids, scores = module(
            torch.tensor([[int(data.users.ids[request.user])]]),
            torch.full((1, 3), torch.nan),
            row(data.items.ids[events.item[session]]),
            row(events.time[session]),
            row(events.value[session]),
            torch.tensor([[request.time]]),
            torch.tensor([[10]]),
        )
        rows = np.searchsorted(data.items.ids, ids[0].numpy())
        assert rank[rows] == pytest.approx(np.sort(rank)[::-1][:10], abs=1e-4)
        probability = calibration.probability(logits[rows])
        assert scores[0].numpy() == pytest.approx(probability, abs=1e-5)


def test_the_exported_file_carries_the_bonus_of_each_item(
    mitigated: training.TrainResult, prepared: PreparedData, told: dict[str, Any]
) -> None:
    module = torchscript.load(triton.model_path(mitigated.staged))
    found = told["mitigation"]["exposure"]["found"]
    items = prepared.data.items
    membership = item_groups.membership(
        "genre", items, CatalogueState.at(prepared.data, None).counts
    )
    expected = membership @ np.array([entry["bonus"] for entry in found])
    assert module.bonus.numpy() == pytest.approx(expected, abs=1e-6)


def fitted(prepared: PreparedData, target: torch.Tensor, weight: torch.Tensor | None) -> Floats:
    fit.seed_everything(1, 1)
    data, rows = prepared.data, torch.from_numpy(prepared.split.train)
    size = RankerSize(data.users.count, attributes.sizes(data), 4, 0.1, 0.5)
    model = ranker.create_ranker(data, prepared.inputs, rows, size=size)
    settings = Hyperparameters(batch_size=512)
    fit.fit_for(model, fit.Examples.whole(prepared.inputs, rows, target, weight), settings, 1)
    parameters: Floats = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    return parameters


def test_rows_of_weight_zero_teach_the_ranker_nothing_and_equal_weights_change_nothing(
    prepared: PreparedData,
) -> None:
    label = prepared.kept.label
    muted = torch.arange(len(label)) % 2 == 0
    weight = torch.where(muted, torch.zeros_like(label), torch.ones_like(label))
    lies = torch.where(muted, 1 - label, label)
    assert (fitted(prepared, label, weight) == fitted(prepared, lies, weight)).all()
    plain = fitted(prepared, label, None)
    assert (plain != fitted(prepared, lies, None)).any()
    assert plain == pytest.approx(fitted(prepared, label, torch.ones_like(label)), abs=1e-6)


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"reweighting": {"labelStrength": 1.1}}, "mitigation.reweighting.labelStrength=1.1"),
        ({"reweighting": {"sizeStrength": -1}}, "mitigation.reweighting.sizeStrength=-1"),
        ({"reweighting": {"maxWeight": 0.5}}, "mitigation.reweighting.maxWeight=0.5"),
        ({"reweighting": {"by": "Zodiac"}}, "mitigation.reweighting.by='Zodiac'"),
        ({"exposure": {"minExposureRatio": 1.01}}, "mitigation.exposure.minExposureRatio=1.01"),
        ({"exposure": {"maxBonus": 0}}, "mitigation.exposure.maxBonus=0"),
        ({"parity": {}}, "mitigation.parity"),
    ],
)
def test_what_is_out_of_range_is_refused_with_the_field_and_the_value(
    section: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(json.dumps({"mitigation": section}))
    assert caught.value.reason == "InvalidConfig"
    assert named in caught.value.message


def test_each_band_of_popularity_is_a_group_and_each_category_a_part_of_its_items(
    prepared: PreparedData,
) -> None:
    counts = CatalogueState.at(prepared.data, None).counts
    for by in (POPULARITY, "genre"):
        membership: Doubles = item_groups.membership(by, prepared.data.items, counts)
        assert membership.sum(1) == pytest.approx(np.ones(prepared.data.items.count))
        assert len(item_groups.names(by, prepared.data.items)) == membership.shape[1]


def test_the_folder_of_a_run_without_mitigation_has_no_trace_of_it(trained: Any) -> None:
    folder: Path = trained.staged
    assert "Mitigation" not in (folder / "report.html").read_text()
    module = torchscript.load(triton.model_path(folder))
    assert bool((module.bonus == 0).all())
