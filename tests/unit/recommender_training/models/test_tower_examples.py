"""The pairs that towers learn from: a user's past, and what the user liked next."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recommender_training.features.prepared_data import PreparedData
from recommender_training.models import tower_examples as pairs_of_events
from recommender_training.models.tower_examples import newest, tower_examples
from recommender_training.trainer import fit_towers
from tests.unit.recommender_training.tower_fits import configured


def test_pairs_tell_the_users_own_past_and_nothing_of_what_is_held_out(
    prepared: PreparedData,
) -> None:
    events, train = prepared.data.events, prepared.split.train
    found = tower_examples(prepared.inputs, events, train)
    context, target = found.context.numpy(), found.target.numpy() - 1
    assert (events.time[context] < prepared.split.validation_start).all()
    liked = {(int(events.user[row]), int(events.item[row])) for row in train if events.label[row]}
    told = {(int(u), int(i)) for u, i in zip(events.user[context], target, strict=True)}
    assert told == liked
    assert len(found) == events.label[train].sum()


def test_towers_learn_from_the_newest_pairs_where_there_are_many(
    prepared: PreparedData, few_tower_epochs: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, split = prepared.data, prepared.split
    events, train = data.events, split.train
    monkeypatch.setattr(pairs_of_events, "MAX_PAIRS", 60)
    left = newest(events, train)
    assert events.label[left].sum() == 60
    np.testing.assert_array_equal(left, train[-len(left) :])
    np.testing.assert_array_equal(newest(events, train[:60]), train[:60])

    found = fit_towers.fit_towers(
        data, train, split.validation, prepared.inputs, configured("Both")
    )
    assert found.towers is not None
    vectors = found.towers.item.weight
    old = np.setdiff1d(events.item[train], events.item[left])
    assert len(old)
    for row in old + 1:
        assert torch.equal(vectors[row], vectors[0])
    again = fit_towers.refit_towers(found, data, train, prepared.inputs, configured("Both"))
    assert again.towers is not None
    liked = events.item[left[events.label[left]]]
    counts = np.bincount(liked, minlength=data.items.count) + 1.0
    expected = torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))
    torch.testing.assert_close(again.towers.log_share, expected)
