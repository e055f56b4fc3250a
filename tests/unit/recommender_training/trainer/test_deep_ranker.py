"""Fitting stops early, keeps the best weights, hides what it never saw, and is repeatable."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from recommender_training.common.errors import InputError
from recommender_training.config.training import Hyperparameters
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset, Events
from recommender_training.data.splits import OnceOnly
from recommender_training.features import attributes
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.models.ranker import Ranker, RankerSize, create_ranker
from recommender_training.statistics import model_metrics
from recommender_training.trainer import fit
from recommender_training.trainer.fit_models import fit_models, refit
from recommender_training.trainer.fit_options import DEFAULT_OPTIONS, FitOptions

SETTINGS = Hyperparameters(epochs=6, patience=1, embedding_dim=8, batch_size=256)


def fresh(prepared: PreparedData) -> Ranker:
    fit.seed_everything(1, 1)
    data = prepared.data
    size = RankerSize(data.users.count, attributes.sizes(data), 8, 0.1, 0.5)
    rows = torch.from_numpy(prepared.split.train)
    return create_ranker(prepared.data, prepared.kept, rows, size=size)


def run(
    prepared: PreparedData,
    model: Ranker,
    settings: Hyperparameters = SETTINGS,
    options: FitOptions = DEFAULT_OPTIONS,
) -> fit.FitLog:
    train, held = (torch.from_numpy(r) for r in (prepared.split.train, prepared.split.validation))
    examples = fit.Examples(prepared.kept, train, held, prepared.kept.label)
    return fit.fit(model, examples, settings, options)


def test_the_weights_are_those_of_the_best_look(prepared: PreparedData) -> None:
    model = fresh(prepared)
    log = run(prepared, model, SETTINGS.model_copy(update={"learning_rate": 0.05}))
    rows = torch.from_numpy(prepared.split.validation)
    logits = fit.predict(model, prepared.kept, rows)
    loss = functional.binary_cross_entropy_with_logits(logits, prepared.kept.label[rows].double())
    assert float(loss) == pytest.approx(min(loss for _, loss in log.looks), abs=1e-9)
    assert log.looks[-1][1] > log.best_loss, "it went on for its patience and came back"


def test_patience_counts_from_the_lowest_look_even_if_it_may_be_chance(
    prepared: PreparedData,
) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": 0.02, "epochs": 20})
    log = run(prepared, fresh(prepared), settings, FitOptions(look_first=True, margin=1_000.0))
    assert log.best_epoch == 0.0, "no look is that much better than the first one"
    assert log.lowest_epoch > settings.patience
    assert log.looks[-1][0] == math.ceil(log.lowest_epoch) + settings.patience


def test_the_same_seed_gives_the_same_weights(prepared: PreparedData) -> None:
    one, other = fresh(prepared), fresh(prepared)
    run(prepared, one)
    torch.manual_seed(99)
    fit.seed_everything(1, 1)
    other = fresh(prepared)
    run(prepared, other)
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_loss_that_is_not_finite_is_told_with_its_remedy(prepared: PreparedData) -> None:
    model = fresh(prepared)
    with torch.no_grad():
        model.out.weight.fill_(math.nan)
    with pytest.raises(InputError, match="learningRate") as caught:
        run(prepared, model)
    assert caught.value.reason == "TrainingDiverged"


def test_a_validation_loss_that_is_not_finite_ends_the_fit(prepared: PreparedData) -> None:
    """Batches are normed by themselves, so that the loss of the training says nothing of it."""
    model = fresh(prepared)
    assert model.norm.running_mean is not None
    model.norm.running_mean.fill_(math.nan)
    with pytest.raises(InputError, match=r"validation loss is nan.*in epoch 1, batch") as caught:
        run(prepared, model)
    assert caught.value.reason == "TrainingDiverged"


def test_weights_that_only_the_last_step_spoilt_are_told(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: fit.Trainer, real: Callable[..., None] = fit.Trainer.step) -> None:
        real(self)
        if self.batches.epochs == 2:
            self.model.get_parameter("out.weight").data.fill_(math.inf)

    monkeypatch.setattr(fit.Trainer, "step", step)
    inputs, rows = prepared.kept, torch.from_numpy(prepared.split.train)
    with pytest.raises(InputError, match=r"weights out\.weight are not finite") as told:
        fit.fit_for(fresh(prepared), fit.Examples.whole(inputs, rows, inputs.label), SETTINGS, 2)
    assert told.value.reason == "TrainingDiverged"


def test_ids_that_were_never_seen_are_the_unknown_id(
    bundle: Bundle, prepared: PreparedData
) -> None:
    assert bundle.deep is not None
    seen = set(prepared.data.events.user[prepared.split.train].tolist())
    unseen = [row for row in range(prepared.data.users.count) if row not in seen]
    assert unseen, "the generated users are not all in the training window"
    weights = bundle.deep.user.weight
    for row in unseen:
        assert torch.equal(weights[row + 1], weights[0])
    assert not torch.equal(weights[min(seen) + 1], weights[0])


def test_both_models_learn_something(bundle: Bundle, prepared: PreparedData) -> None:
    from recommender_training.fitted.bundle import baseline_probability, probability

    rows = prepared.split.test
    label = prepared.data.events.label[rows]
    for scores in (
        probability(bundle, prepared, rows),
        baseline_probability(bundle, prepared, rows),
    ):
        area = model_metrics.auc(label, scores)
        assert area is not None
        assert area > 0.65


def test_a_refit_learns_from_the_validation_window_and_chooses_nothing(
    prepared: PreparedData, bundle: Bundle, trained: Any
) -> None:
    again = refit(bundle, prepared, trained.config, 1)
    assert again.deep is not None
    assert bundle.deep is not None
    assert again.log is bundle.log
    assert again.deep_calibration == bundle.deep_calibration
    assert again.baseline_calibration == bundle.baseline_calibration
    users = prepared.data.events.user
    train, validation = set(users[prepared.split.train]), set(users[prepared.split.validation])
    new = sorted(validation - train)
    assert new, "some users are first seen in the validation window"
    weights, before = again.deep.user.weight, bundle.deep.user.weight
    assert torch.equal(before[new[0] + 1], before[0])
    assert not torch.equal(weights[new[0] + 1], weights[0])
    assert not np.array_equal(again.baseline.item, bundle.baseline.item)


def test_a_refit_is_repeatable_and_reads_no_label_of_the_test_window(
    prepared: PreparedData, bundle: Bundle, trained: Any
) -> None:
    rows = prepared.split.test
    hidden = prepared.kept.label.clone()
    hidden[torch.from_numpy(rows)] = 0
    events = prepared.data.events
    value = events.value.copy()
    value[rows] = 1.0
    told = replace(prepared.data, events=replace(events, value=value))
    blind = replace(prepared, data=told, inputs=replace(prepared.kept, label=hidden))
    one, other = (refit(bundle, each, trained.config, 1) for each in (prepared, blind))
    assert one.deep is not None
    assert other.deep is not None
    for mine, theirs in zip(one.deep.parameters(), other.deep.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert np.array_equal(one.baseline.numbers, other.baseline.numbers)


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 5), (1.0, 10), (2.3, 23)])
def test_a_fit_for_some_epochs_takes_their_steps(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch, epochs: float, steps: int
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(fit.Trainer, "step", lambda self: taken.append(len(self.batches.take())))
    rows = torch.arange(10 * SETTINGS.batch_size - 7)
    examples = fit.Examples.whole(prepared.kept, rows, prepared.kept.label)
    fit.fit_for(fresh(prepared), examples, SETTINGS, epochs)
    assert len(taken) == steps
    assert max(taken) == SETTINGS.batch_size


def test_the_test_window_is_read_once() -> None:
    window = OnceOnly(np.arange(3))
    assert window.open().tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="already read"):
        window.open()


def test_the_split_is_global_in_time_and_divides_no_second(data: Dataset) -> None:
    split = splits.temporal(data.events)
    time = data.events.time
    assert time[split.train].max() < split.validation_start <= time[split.validation].min()
    assert time[split.validation].max() < split.test_start <= time[split.test].min()
    parts = np.concatenate([split.train, split.validation, split.test])
    assert sorted(parts.tolist()) == list(range(len(data.events)))
    assert abs(len(split.train) / len(parts) - 0.8) < 0.02


@pytest.mark.parametrize(("count", "value"), [(3, 4.0), (50, 5.0), (50, 1.0)])
def test_a_window_without_both_classes_is_refused(count: int, value: float) -> None:
    events = Events(
        np.zeros(count, dtype=np.int64),
        np.arange(count, dtype=np.int64),
        np.full(count, value, dtype=np.float32),
        np.arange(count, dtype=np.int64),
    )
    with pytest.raises(InputError) as caught:
        splits.temporal(events)
    assert caught.value.reason == "TooFewRows"


def test_logistic_regression_alone_is_served_when_it_is_asked_for(
    prepared: PreparedData, bundle: Bundle
) -> None:
    from recommender_training.config.training import parse_config
    from recommender_training.evaluation.evaluate import evaluate

    alone = fit_models(prepared, parse_config('{"algorithm": "LogisticRegression", "seed": 3}'), 1)
    assert alone.deep is None
    report = evaluate(alone, prepared, prepared.split.validation)
    assert report["metrics"]["aucMinusBaseline"] == 0
    assert report["models"]["recommender"]["auc"] == report["models"]["baseline"]["auc"]
