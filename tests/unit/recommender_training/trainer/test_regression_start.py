"""A ranker's fit starts from a regression on what is declared."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_examples import shop
from recommender_training.common.arrays import Bools
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.models.ranker import Ranker
from recommender_training.statistics import effects
from recommender_training.trainer import deep_ranker, fit, regression_start
from recommender_training.trainer.deep_ranker import fit_deep, new_ranker
from recommender_training.trainer.regression_design import (
    MOST_CROSSED,
    Size,
    Terms,
    choose_products,
    design,
)
from tests.unit.recommender_examples.shop_logs import SMALL, ingested

ROWS = 6_000


def config(**hyperparameters: object) -> TrainingConfig:
    settings = {"retrieval": Retrieval.WEIGHTS, "epochs": 1, **hyperparameters}
    return TrainingConfig(seed=3, hyperparameters=Hyperparameters.model_validate(settings))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "all kinds"])
def prepared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PreparedData:
    folder, every = tmp_path_factory.mktemp("shop"), bool(request.param)
    shop.write(folder, SMALL, 3, all_kinds=every)
    return prepare_data(ingested(folder, shop.mapping(all_kinds=every)), config())


def started(prepared: PreparedData, width: int) -> Ranker:
    fit.seed_everything(1, 1)
    model = new_ranker(prepared, config(embedding_dim=width))
    data, rows = prepared.data, prepared.split.train[:ROWS]
    regression_start.apply(model, data, prepared.inputs, rows, data.events.label)
    return model


@pytest.fixture(scope="module")
def wide(prepared: PreparedData) -> Ranker:
    return started(prepared, 128)


def test_the_ranker_starts_with_the_answers_of_the_regression(
    prepared: PreparedData, wide: Ranker
) -> None:
    data, rows, model = prepared.data, prepared.split.train[:ROWS], wide
    terms = Terms.of(model, data)
    columns = design(terms, model, data, prepared.inputs, rows)
    found = effects.fit(columns, data.events.label[rows], terms.group)
    assert (found.variances > 0).sum() > 5, "products among them"
    expected = columns @ found.weights + found.intercept
    answers = fit.predict(model, prepared.inputs, torch.from_numpy(rows)).numpy()
    assert answers == pytest.approx(expected, abs=0.2), "the smallest products are left out"
    assert np.abs(answers - expected).mean() < 0.02


def test_a_narrow_ranker_starts_with_nearly_the_same(prepared: PreparedData, wide: Ranker) -> None:
    rows = torch.from_numpy(prepared.split.train[:ROWS])
    told, nearly = (
        fit.predict(model, prepared.inputs, rows).numpy() for model in (wide, started(prepared, 8))
    )
    assert np.corrcoef(told, nearly)[0, 1] > 0.95


def test_the_first_look_is_at_these_weights(prepared: PreparedData) -> None:
    _, log = fit_deep(prepared, config(), 1)
    assert log.looks[0][0] == 0.0


def test_only_rare_positives_start_a_fit_from_a_regression() -> None:
    assert regression_start.wanted(rare(10_000, 200))
    assert not regression_start.wanted(rare(10_000, 201)), "two percent at most"
    assert regression_start.wanted(rare(2_000_000, 20_000))
    assert not regression_start.wanted(rare(2_000_000, 20_001)), "many teach a fit all it needs"


def test_with_other_positives_a_fit_starts_from_fresh_weights(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regression_start, "RARE_SHARE", 0.0)
    _, log = fit_deep(prepared, config(), 1)
    assert log.looks[0][0] > 0.0


def test_steps_that_are_better_by_chance_alone_leave_the_regression(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_ranker, "START_MARGIN", 1_000.0)
    _, log = fit_deep(prepared, config(), 1)
    assert log.best_epoch == 0.0
    assert len(log.looks) > 1


def rare(count: int, positives: int) -> Bools:
    label = np.zeros(count, dtype=np.bool_)
    label[:positives] = True
    return np.random.default_rng(2).permutation(label)


@pytest.mark.parametrize("turned", [False, True])
def test_a_sample_has_all_of_the_rarer_class_and_tells_what_that_shifts(turned: bool) -> None:
    label = rare(10_000, 40) ^ turned
    rows, shift = regression_start.sample(np.arange(10_000), label, 1_000)
    assert len(rows) == len(np.unique(rows)) == 1_000
    assert (np.diff(rows) > 0).all(), "in order of time"
    assert (label[rows] ^ turned).sum() == 40
    logits = [np.log(each.mean() / (1 - each.mean())) for each in (label, label[rows])]
    assert logits[1] - shift == pytest.approx(logits[0])


def test_of_few_rows_all_are_read() -> None:
    rows, shift = regression_start.sample(np.arange(50), rare(50, 10), 50)
    assert len(rows) == 50
    assert shift == 0.0


def test_products_of_features_with_few_values_come_first_and_are_bounded() -> None:
    requests = [Size(800, 1), Size(5, 1), Size(800, 1), Size(100_000, 1)]
    items = [Size(4, 1), Size(3, 3), Size(900, 1), Size(900, 1), Size(100_000, 1)]
    products, entries = choose_products(requests, items)
    assert set(products) == {(1, 0), (1, 1), (0, 0), (0, 1)}
    assert entries == 1 + 3 + 1 + 3
    narrow, _ = choose_products([Size(1, 1)], [Size(1, 1)] * (MOST_CROSSED + 9))
    assert len(narrow) <= MOST_CROSSED
