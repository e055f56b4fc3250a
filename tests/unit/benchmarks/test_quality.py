"""The quality benchmark judges the lists that would be served."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.evaluation.evaluate import evaluate
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.trainer import fit_towers
from tests.benchmarks import quality


@pytest.fixture
def with_towers(bundle: Bundle, prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    few = {"learning_rate": 0.02, "batch_size": 256, "epochs": 2}
    monkeypatch.setattr(fit_towers, "_SETTINGS", few)
    torch.manual_seed(0)
    config = TrainingConfig(
        hyperparameters=Hyperparameters(embedding_dim=8, retrieval=Retrieval.BOTH)
    )
    split = prepared.split
    found = fit_towers.fit_towers(
        prepared.data, split.train, split.validation, prepared.inputs, config
    )
    return replace(bundle, sources=found)


def test_lists_are_judged_in_the_order_of_the_towers_where_these_serve(
    with_towers: Bundle, bundle: Bundle, prepared: PreparedData
) -> None:
    rows = prepared.split.test
    fitted = [(1, prepared, with_towers), (1, prepared, bundle)]
    reports, lists = quality.judge(fitted, rows)
    for one, told, ndcg in zip((with_towers, bundle), reports, lists, strict=True):
        expected = evaluate(one, prepared, rows)["metrics"]["ndcgAt10"]
        assert told["metrics"]["ndcgAt10"] == expected
        assert float(ndcg.mean()) == pytest.approx(expected, abs=1e-6)
    assert (lists[0] != lists[1]).any()
