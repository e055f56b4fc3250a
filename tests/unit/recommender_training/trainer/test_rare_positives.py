"""Positives of a few in a thousand: models are calibrated, and know more than the base rate."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch

from recommender_contract.resource.hyperparameters import Retrieval
from recommender_contract.resource.training_settings import Fault, FaultInjection
from recommender_training.common.arrays import Bools, Doubles
from recommender_training.config.training import Hyperparameters, TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared_data import PreparedData, prepare_data
from recommender_training.fitted.bundle import Bundle, baseline_probability, probability
from recommender_training.statistics import model_metrics
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


def generated(share: float = SHARE, count: int = ROWS) -> tuple[Dataset, Doubles]:
    """Impressions with a value of 5 for a click and 1 for none, and their true probabilities."""
    random = np.random.default_rng(7)
    user, item = (random.integers(0, most, count) for most in (USERS, ITEMS))
    gender = random.integers(0, 2, USERS)
    genre = np.arange(ITEMS) % 2
    score = random.normal(0, 0.7, ITEMS)[item] + 1.2 * (gender[user] == genre[item])
    truth = logistic(score - 0.9 + logit_of(share))
    value = np.where(random.random(count) < truth, 5.0, 1.0).astype(np.float32)
    rows = zip(
        (user + 1).tolist(),
        (item + 1).tolist(),
        value.tolist(),
        (1_000_000_000 + 60 * np.arange(count)).tolist(),
        strict=True,
    )
    users = [{"id": each + 1, "gender": "FM"[gender[each]]} for each in range(USERS)]
    items = [{"id": each + 1, "genre": "ab"[genre[each]]} for each in range(ITEMS)]
    return small_data.build(rows, users, items), truth


Fitted = tuple[PreparedData, Bundle, Doubles]


def fitted(share: float, count: int) -> Fitted:
    """Both models, and the true probabilities of their rows."""
    data, truth = generated(share, count)
    prepared = prepare_data(data, CONFIG)
    return prepared, fit_models(prepared, CONFIG, 1), truth


@pytest.fixture(scope="module")
def rare() -> Fitted:
    return fitted(SHARE, ROWS)


def test_the_data_have_rare_positives(rare: Fitted) -> None:
    assert rare[0].data.events.label.mean() == pytest.approx(SHARE, rel=0.15)


def means(of: Callable[[Bools], float | None], drawn: Iterable[Bools]) -> float:
    """The mean of a metric over drawn labels, of those for which there is one."""
    found = [each for each in map(of, drawn) if each is not None]
    return float(np.mean(found))


def calibrated_and_better_than_a_constant(models: Fitted) -> None:
    """Against true probabilities: the window has 30 positives, a number that varies by a fifth."""
    prepared, bundle, truth = models
    rows = prepared.split.test
    true = truth[rows]
    drawn = np.random.default_rng(0).random((50, len(rows))) < true
    best = means(functools.partial(model_metrics.average_precision, score=true), drawn)
    assert best > 2.5 * true.mean(), "more than a constant, which has the share of positives"
    for found in (
        probability(bundle, prepared, rows),
        baseline_probability(bundle, prepared, rows),
    ):
        assert found.mean() / true.mean() == pytest.approx(1.0, abs=0.25)
        assert means(functools.partial(model_metrics.auc, score=found), drawn) > 0.6
        assert (
            means(functools.partial(model_metrics.normalised_entropy, probability=found), drawn)
            < 1.0
        )
        assert (
            means(functools.partial(model_metrics.average_precision, score=found), drawn)
            > 0.7 * best
        )


def test_both_models_are_calibrated_within_a_quarter_and_better_than_a_constant(
    rare: Fitted,
) -> None:
    calibrated_and_better_than_a_constant(rare)


@pytest.mark.parametrize(("share", "count"), [(0.001, 150_000), (0.01, 30_000)])
def test_so_they_are_with_a_positive_in_a_thousand_and_in_a_hundred(
    share: float, count: int
) -> None:
    calibrated_and_better_than_a_constant(fitted(share, count))


def test_an_unfitted_ranker_answers_about_the_base_rate(
    rare: Fitted,
) -> None:
    prepared = rare[0]
    fit.seed_everything(1, 1)
    model = new_ranker(prepared, CONFIG)
    share = base_rate(prepared.data.events.label, prepared.split.train, None)
    model.start_at(share)
    logits = fit.predict(model, prepared.inputs, torch.from_numpy(prepared.split.validation))
    assert float(logits.median()) == pytest.approx(logit_of(share), abs=1.0)


def test_a_model_that_learned_nothing_answers_the_share_of_positives(
    rare: Fitted,
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
