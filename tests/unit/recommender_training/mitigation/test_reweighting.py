"""Weights of training rows: what they make equal, and what they leave alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.mitigation import SEGMENT, MitigationSpec, Reweighting
from recommender_training.common.arrays import Bools, Ints
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset
from recommender_training.features.prepared_data import PreparedData
from recommender_training.mitigation.reweighting import (
    reweighting_report,
    row_weights,
    user_groups,
    weights,
)
from recommender_training.models import logistic
from recommender_training.statistics import calibration
from tests import small_data

#: Group (-1 unknown) and label of each row.
ROWS = st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=1, max_size=60)
STRENGTH = st.floats(0, 1)


def columns(rows: list[tuple[int, bool]]) -> tuple[Ints, Bools]:
    group, label = zip(*rows, strict=True)
    return np.array(group, dtype=np.int64), np.array(label, dtype=np.bool_)


def in_full(**strengths: float) -> Reweighting:
    return Reweighting(**{"label_strength": 0, "size_strength": 0, "max_weight": 100, **strengths})


@given(ROWS, STRENGTH, STRENGTH, st.floats(1, 100))
def test_weights_are_bounded_of_mean_one_and_one_for_unknown_groups(
    rows: list[tuple[int, bool]], label_strength: float, size_strength: float, most: float
) -> None:
    group, label = columns(rows)
    settings = Reweighting(
        label_strength=label_strength, size_strength=size_strength, max_weight=most
    )
    found = weights(group, label, settings)
    assert found.mean(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    assert (found[group < 0] == 1).all()
    assert found.max() <= most * (1 + 1e-5)
    assert found.min() >= 1 / most * (1 - 1e-5)
    for cell in {(int(g), bool(y)) for g, y in rows}:
        inside = (group == cell[0]) & (label == cell[1])
        assert len(np.unique(found[inside])) == 1, "rows alike weigh alike"


@given(st.lists(st.tuples(st.integers(1, 15), st.integers(1, 15)), min_size=2, max_size=4))
def test_in_full_by_label_every_group_with_both_labels_has_the_same_share_of_positives(
    sizes: list[tuple[int, int]],
) -> None:
    """Sizes are the positive and the other rows of each group."""
    cells = [(g, y) for g, pair in enumerate(sizes) for y, n in enumerate(pair) for _ in range(n)]
    group, label = columns([(g, y == 0) for g, y in cells])
    found = weights(group, label, in_full(label_strength=1))
    for g in range(len(sizes)):
        inside = group == g
        share = found[inside & label].sum() / found[inside].sum()
        assert share == pytest.approx(label.mean(), abs=1e-4)
        assert found[inside].sum() == pytest.approx(inside.sum(), rel=1e-4), "its size stays"


@given(ROWS)
def test_in_full_by_size_every_group_counts_the_same(rows: list[tuple[int, bool]]) -> None:
    group, label = columns(rows)
    found = weights(group, label, in_full(size_strength=1))
    total = [found[group == g].sum() for g in np.unique(group[group >= 0])]
    assert total == pytest.approx([total[0]] * len(total), rel=1e-4) if total else True


def test_a_group_of_one_row_weighs_no_more_than_the_bound_lets_it() -> None:
    group = np.r_[np.zeros(999, dtype=np.int64), 1]
    label = np.arange(1000) % 2 == 0
    found = weights(group, label, Reweighting(label_strength=1, size_strength=1, max_weight=5))
    assert found[-1] == pytest.approx(5)
    free = weights(group, label, in_full(size_strength=1))
    assert free[-1] > 10 * found[-1], "with a wide bound it outweighs a hundred"


def test_a_strength_of_zero_gives_no_weights_at_all(data: Dataset) -> None:
    rows, label = np.arange(len(data.events)), data.events.label
    for idle in (
        Reweighting(label_strength=0, size_strength=0),
        Reweighting(label_strength=1, size_strength=1, max_weight=1),
    ):
        config = TrainingConfig(mitigation=MitigationSpec(reweighting=idle))
        assert row_weights(data, rows, label, config.reweighting) is None
        assert (weights(data.events.user, label, idle) == 1).all()


def test_groups_are_those_of_a_declared_feature_or_the_segments_of_the_users_table(
    data: Dataset,
) -> None:
    ages, genders = (17, 18, None, 70), ("F", "M", None, "F")
    users = [
        {"id": 1 + row, "age": age, "gender": gender, "segment": segment}
        for row, (age, gender, segment) in enumerate(
            zip(ages, genders, ("us", "eu", "unknown", "us"), strict=True)
        )
    ]
    some = small_data.build([(1, 1, 5.0, 0)], users, [{"id": 1}])
    group, names = user_groups(some, "age")
    assert group.tolist() == [0, 1, -1, 6]
    assert names[6] == "56+"
    assert user_groups(some, "gender")[0].tolist() == [0, 1, -1, 0]
    group, names = user_groups(some, SEGMENT)
    assert [names[code] if code >= 0 else None for code in group] == ["us", "eu", None, "us"]
    none = dataclasses.replace(some.users, segments=(), segment=None)
    without = dataclasses.replace(some, users=none)
    assert (user_groups(without, SEGMENT)[0] == -1).all(), "nobody has one"
    bands, table = user_groups(data, "age"), user_groups(data, SEGMENT)
    assert [bands[1][code] for code in bands[0]] == [table[1][code] for code in table[0]]


def test_weights_are_of_the_rows_that_are_fitted_on_and_are_reported_by_group(
    prepared: PreparedData,
) -> None:
    data, rows = prepared.data, prepared.split.train
    settings = Reweighting(by="gender", size_strength=1)
    found = row_weights(data, rows, data.events.label, settings)
    assert found is not None
    held = np.setdiff1d(np.arange(len(data.events)), rows)
    assert (found[held] == 1).all()
    entries = reweighting_report(data, rows, data.events.label, settings)
    assert sum(entry["rows"] for entry in entries) == len(rows)
    gender = data.users.side[data.events.user[rows], 1]
    for entry in entries:
        code = data.attributes[1].categories.index(entry["name"].removeprefix("gender:"))
        inside = rows[(gender == code) & data.events.label[rows]]
        assert found[inside] == pytest.approx(entry["positiveWeight"], abs=1e-5)
        assert entry["positives"] == len(inside)


def test_the_regression_learns_from_weighted_rows_as_if_they_were_repeated(
    prepared: PreparedData,
) -> None:
    data, rows = prepared.data, prepared.split.train[:400]
    label = data.events.label
    twice = np.ones(len(label), dtype=np.float32)
    twice[rows[:100]] = 2
    weighted = logistic.fit(prepared.inputs, rows, data, label, weight=twice)
    plain = logistic.fit(prepared.inputs, rows, data, label)
    more = logistic.fit(prepared.inputs, np.r_[rows, rows[:100]], data, label)
    part = prepared.inputs.take(torch.from_numpy(rows[:50]))
    moved, wanted, still = (
        calibration.probability(model.logits(part, data)) for model in (weighted, more, plain)
    )
    # the numbers are standardised by rows, so repeating rows is not the same to the last digit
    assert np.abs(moved - wanted).max() < 0.2 * np.abs(moved - still).max()


def test_a_configuration_without_mitigation_weighs_nothing() -> None:
    assert TrainingConfig().reweighting is None
    assert TrainingConfig().exposure is None
