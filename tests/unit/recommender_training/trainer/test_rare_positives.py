"""Positives of a few in a thousand: models are calibrated, and know more than the base rate."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recommender_training.common.arrays import Doubles
from recommender_training.config.training import (
    Fault,
    FaultInjection,
    Hyperparameters,
    Retrieval,
    TrainingConfig,
)
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared import Prepared, prepare
from recommender_training.fitted.bundle import Bundle, baseline_probability, probability
from recommender_training.statistics import metrics
from recommender_training.statistics.calibration import logit_of
from recommender_training.statistics.calibration import probability as logistic
from recommender_training.trainer import fit
from recommender_training.trainer.deep_ranker import new_ranker
from recommender_training.trainer.fit_models import fit_models
from recommender_training.trainer.training_rows import base_rate
from tests import small_data

ROWS, USERS, ITEMS, SHARE = 100_000, 2_000, 100, 0.003
CONFIG = TrainingConfig(
    seed=3,
    hyperparameters=Hyperparameters(
        epochs=2, embedding_dim=8, history_length=5, retrieval=Retrieval.WEIGHTS
    ),
)


def generated() -> tuple[Dataset, Doubles]:
    """Impressions with a value of 5 for a click and 1 for none, and their true probabilities."""
    random = np.random.default_rng(7)
    user, item = (random.integers(0, count, ROWS) for count in (USERS, ITEMS))
    gender = random.integers(0, 2, USERS)
    genre = np.arange(ITEMS) % 2
    score = random.normal(0, 0.7, ITEMS)[item] + 1.2 * (gender[user] == genre[item])
    truth = logistic(score - 0.9 + logit_of(SHARE))
    value = np.where(random.random(ROWS) < truth, 5.0, 1.0).astype(np.float32)
    rows = zip(
        (user + 1).tolist(),
        (item + 1).tolist(),
        value.tolist(),
        (1_000_000_000 + 60 * np.arange(ROWS)).tolist(),
        strict=True,
    )
    users = [{"id": each + 1, "gender": "FM"[gender[each]]} for each in range(USERS)]
    items = [{"id": each + 1, "genre": "ab"[genre[each]]} for each in range(ITEMS)]
    return small_data.build(rows, users, items), truth


@pytest.fixture(scope="module")
def rare() -> tuple[Prepared, Bundle, Doubles]:
    data, truth = generated()
    prepared = prepare(data, CONFIG)
    return prepared, fit_models(prepared, CONFIG, 1), truth


def test_the_data_have_rare_positives(rare: tuple[Prepared, Bundle, Doubles]) -> None:
    assert rare[0].data.events.label.mean() == pytest.approx(SHARE, rel=0.15)


def test_both_models_are_calibrated_within_a_quarter_and_better_than_a_constant(
    rare: tuple[Prepared, Bundle, Doubles],
) -> None:
    """Against true probabilities: the window has 30 positives, a number that varies by a fifth."""
    prepared, bundle, truth = rare
    rows = prepared.split.test
    for found in (
        probability(bundle, prepared, rows),
        baseline_probability(bundle, prepared, rows),
    ):
        assert found.mean() / truth[rows].mean() == pytest.approx(1.0, abs=0.25)
        drawn = np.random.default_rng(0).random((50, len(rows))) < truth[rows]
        areas = [metrics.auc(label, found) for label in drawn]
        assert np.mean([area for area in areas if area is not None]) > 0.6
        entropies = [metrics.normalised_entropy(label, found) for label in drawn]
        assert np.mean([each for each in entropies if each is not None]) < 1.0


def test_an_unfitted_ranker_answers_about_the_base_rate(
    rare: tuple[Prepared, Bundle, Doubles],
) -> None:
    prepared = rare[0]
    fit.seed_everything(1, 1)
    model = new_ranker(prepared, CONFIG)
    share = base_rate(prepared.data.events.label, prepared.split.train, None)
    model.start_at(share)
    logits = fit.predict(model, prepared.inputs, torch.from_numpy(prepared.split.validation))
    assert float(logits.median()) == pytest.approx(logit_of(share), abs=1.0)


def test_a_model_that_learned_nothing_answers_the_share_of_positives(
    rare: tuple[Prepared, Bundle, Doubles],
) -> None:
    prepared = rare[0]
    config = CONFIG.model_copy(
        update={"fault_injection": FaultInjection(fault=Fault.LEARNED_NOTHING)}
    )
    found = probability(fit_models(prepared, config, 1), prepared, prepared.split.test)
    assert np.ptp(found) == 0
    share = prepared.data.events.label[prepared.split.train].mean()
    assert found[0] == pytest.approx(share, rel=0.05)


def test_the_base_rate_counts_rows_by_their_weight() -> None:
    labels = np.array([True, False, False, True])
    weight = np.array([3.0, 1.0, 1.0, 100.0], dtype=np.float32)
    rows = np.array([0, 1, 2])
    assert base_rate(labels, rows, weight) == pytest.approx(3.5 / 6)
    assert base_rate(labels, rows, None) == pytest.approx(1.5 / 4)
    assert 0 < base_rate(np.zeros(9, dtype=np.bool_), np.arange(9), None) < 0.1
