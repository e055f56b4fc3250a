"""A warm start can fit on new events alone, and reports what that has forgotten."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from recommender_contract.resource.training_settings import WarmEvents, WarmMode
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import Split
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.pipeline import warm_start
from recommender_training.trainer import fit, initial_weights
from recommender_training.trainer.deep_ranker import fit_ranker
from recommender_training.trainer.fit_context import FitContext
from recommender_training.trainer.initial_weights import WarmStart
from recommender_training.trainer.training_rows import base_rate
from tests.unit.recommender_training.pipeline.warm_starts import (
    configured,
    fitted,
    start_of,
    state,
)


def before(data: Dataset, split: Split, share: float) -> int:
    """The time of the training row with this share of the training rows before it."""
    return int(data.events.time[split.train[int(len(split.train) * share)]])


def seen(trained: Any, until: int, events: WarmEvents = WarmEvents.NEW) -> WarmStart:
    """A start whose champion has seen the events before `until`."""
    start = start_of(trained)
    kept = dataclasses.replace(start.checkpoint, seen_until=until)
    return dataclasses.replace(start, checkpoint=kept, events=events)


def test_only_new_events_are_fitted_on_where_this_is_asked_for_and_they_are_enough(
    trained: Any, prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rows = prepared.data, prepared.split.train
    until = before(data, prepared.split, 0.8)
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    new = seen(trained, until).new_rows(data, rows)
    assert new is not None
    assert new.tolist() == rows[data.events.time[rows] >= until].tolist()
    assert seen(trained, until, WarmEvents.ALL).new_rows(data, rows) is None
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", len(new) + 1)
    assert seen(trained, until).new_rows(data, rows) is None


def test_old_events_do_not_change_a_fit_on_new_ones(
    trained: Any, prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    data, split = prepared.data, prepared.split
    start = seen(trained, before(data, split, 0.8))
    new = start.new_rows(data, split.train)
    assert new is not None
    labels = data.events.label.copy()
    old = split.train[~np.isin(split.train, new)]
    other = labels.copy()
    other[old] = ~other[old]
    assert base_rate(labels, split.train, None) != base_rate(other, split.train, None)
    models = []
    for label in (labels, other):
        fit.seed_everything(3, 1)
        model, log = fit_ranker(prepared, configured(), label, None, FitContext(start=start))
        models.append(state(model))
    assert log.looks[0][0] == 0.0, "the champion is the first look"
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    whole, _ = fitted(trained, prepared, WarmMode.ALL_WEIGHTS)
    assert any(not torch.equal(models[0][name], value) for name, value in state(whole).items())


def test_the_report_says_what_a_fit_on_new_events_has_forgotten(
    trained: Any, prepared: PreparedData, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_weights, "LEAST_NEW_ROWS", 100)
    until = before(prepared.data, prepared.split, 0.8)
    start = seen(trained, until)
    same = warm_start.forgotten(start, prepared, configured(), bundle)["forgotten"]
    assert same["logLossBefore"] == same["logLossAfter"], "the champion forgets nothing"
    rows = prepared.split.train
    assert same["rows"] == int((prepared.data.events.time[rows] < until).sum())
    assert bundle.deep is not None
    lost = copy.deepcopy(bundle.deep)
    with torch.no_grad():
        lost.out.weight.zero_()
    other = dataclasses.replace(bundle, deep=lost)
    found = warm_start.forgotten(start, prepared, configured(), other)["forgotten"]
    assert found["logLossAfter"] > found["logLossBefore"] + 0.01
    every = dataclasses.replace(start, events=WarmEvents.ALL)
    assert warm_start.forgotten(every, prepared, configured(), bundle) == {}
    assert warm_start.forgotten(None, prepared, configured(), bundle) == {}
