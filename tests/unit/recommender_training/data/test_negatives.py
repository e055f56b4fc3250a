"""Drawn negatives: possible at their time, the same for a seed, and unseen by every history."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.label import Negatives, NegativesBy
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.label import Label
from recommender_training.data import negatives
from recommender_training.data.dataset import Dataset
from recommender_training.data.labels import DRAWN
from recommender_training.features import event_history
from tests import small_data

#: User, item, value and time.
Row = tuple[int, int, float, int]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 3), st.integers(0, 5), st.sampled_from([2.0, 5.0]), st.integers(1, 30)
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: (row[0], row[1], row[3]),
)
BY = st.sampled_from([*NegativesBy])


def data(rows: list[Row], per: int = 3, by: NegativesBy = NegativesBy.POPULARITY, seed: int = 0,
         device: bool = False) -> Dataset:  # fmt: skip
    drawn = {"perPositive": per, "by": by.value, "seed": seed}
    label = {"negatives": drawn, "positiveRate": 0.1}
    context = [{"name": "device", "kind": "Boolean"}] if device else []
    declared = FeatureSchema.model_validate({"label": label, "context": context})
    ids = [{"id": 10 + number} for number in range(6)]
    events = [
        (10 + user, 10 + item, value, time, {"device": "true" if user % 2 else "false"})
        for user, item, value, time in rows
    ]
    return small_data.build(events, ids, ids, declared)


def drawn(found: Dataset) -> list[tuple[int, int, int]]:
    """User, item and time of each negative."""
    assert found.events.labels is not None
    rows = found.events.take(found.events.labels.state == DRAWN)
    return list(zip(rows.user.tolist(), rows.item.tolist(), rows.time.tolist(), strict=True))


@given(ROWS, BY, st.integers(0, 3))
def test_a_negative_is_an_item_that_existed_and_that_its_user_had_not_chosen(
    rows: list[Row], by: NegativesBy, seed: int
) -> None:
    found = negatives.add_negatives(data(rows, by=by, seed=seed))
    for user, item, time in drawn(found):
        assert any(two == item and at < time for _, two, _, at in rows)
        assert not any(
            (one, two) == (user, item) and value >= 4 and at <= time
            for one, two, value, at in rows
        )


@given(ROWS, BY, st.integers(0, 3))
def test_a_positive_event_has_as_many_negatives_as_declared_if_its_user_left_any(
    rows: list[Row], by: NegativesBy, seed: int
) -> None:
    found = drawn(negatives.add_negatives(data(rows, by=by, seed=seed)))
    for user, _, value, time in rows:
        if value < 4:
            continue
        there = {two for _, two, _, at in rows if at < time}
        taken = {two for one, two, v, at in rows if one == user and v >= 4 and at <= time}
        positives = sum(1 for one, _, v, at in rows if one == user and v >= 4 and at == time)
        own = sum(1 for one, _, at in found if (one, at) == (user, time))
        if not there - taken:
            assert own == 0
        elif not taken & there:
            assert own == 3 * positives
        else:
            assert own <= 3 * positives


@given(ROWS, ROWS, BY)
def test_later_rows_change_no_negative_of_earlier_events(
    rows: list[Row], later: list[Row], by: NegativesBy
) -> None:
    end = max(row[3] for row in rows)
    more = [(user, item, value, end + time) for user, item, value, time in later]
    now = sorted(drawn(negatives.add_negatives(data(rows, by=by))))
    then = sorted(
        row for row in drawn(negatives.add_negatives(data(rows + more, by=by))) if row[2] <= end
    )
    assert now == then


@given(ROWS, BY)
def test_the_same_seed_draws_the_same_items(rows: list[Row], by: NegativesBy) -> None:
    assert drawn(negatives.add_negatives(data(rows, by=by, seed=5))) == drawn(
        negatives.add_negatives(data(rows, by=by, seed=5))
    )


@given(ROWS, BY)
def test_no_history_or_count_of_an_event_sees_a_negative(rows: list[Row], by: NegativesBy) -> None:
    plain = data(rows)
    more = negatives.add_negatives(data(rows, by=by))
    assert more.events.labels is not None
    own = np.flatnonzero(more.events.labels.logged)
    place = np.cumsum(more.events.labels.logged) - 1  # of each row among the events

    def seen(found: Any) -> Any:
        return np.where(found >= 0, place[found], -1)

    before = event_history.previous_events(plain.events, 4)
    assert (seen(event_history.previous_events(more.events, 4)[own]) == before).all()
    for one, other in (
        (
            event_history.counts_before(plain.events),
            event_history.counts_before(more.events).take(own),
        ),
        (
            event_history.counts_at(plain.events, 15, 6),
            event_history.counts_at(more.events, 15, 6),
        ),
    ):
        for name in ("events", "positives", "total"):
            assert (getattr(one, name) == getattr(other, name)).all(), name
    within = (event_history.counts_within(found.events, 5) for found in (plain, more))
    for alone, beside in zip(*within, strict=True):
        assert (alone == beside[own]).all()


@given(ROWS, BY)
def test_a_negative_sees_what_its_user_did_before(rows: list[Row], by: NegativesBy) -> None:
    found = negatives.add_negatives(data(rows, by=by)).events
    assert found.labels is not None
    past = event_history.Histories.of(found)
    counts = event_history.counts_before(found)
    for row in np.flatnonzero(found.labels.state == DRAWN):
        before = past.before(np.array([row]), 50)[0]
        earlier = found.labels.logged & (found.time < found.time[row])
        wanted = np.flatnonzero(earlier & (found.user == found.user[row]))
        assert before[before >= 0].tolist() == wanted.tolist()
        assert counts.events[row] == (earlier & (found.item == found.item[row])).sum()
        assert counts.total[row] == earlier.sum()


def test_a_negative_has_the_context_of_its_event_and_no_value() -> None:
    rows: list[Row] = [(0, 0, 5.0, 1), (1, 1, 5.0, 2), (1, 2, 5.0, 3)]
    found = negatives.add_negatives(data(rows, device=True)).events
    assert found.labels is not None
    assert found.context is not None
    rest = found.take(found.labels.state == DRAWN)
    assert rest.context is not None
    assert len(rest) > 0
    assert (rest.context[:, 0] == rest.user % 2).all()
    assert (rest.value == 0).all()
    assert not rest.label.any()


@given(st.integers(0, 1000))
def test_popularity_draws_items_as_often_as_they_occur_and_uniform_all_alike(seed: int) -> None:
    rows: list[Row] = [(0, 0, 2.0, 1 + at) for at in range(90)]
    rows += [(0, 1, 2.0, 91 + at) for at in range(10)]
    rows += [(1, 2, 5.0, 200)]
    shares = []
    for by in NegativesBy:
        settings = Negatives(per_positive=100, by=by, seed=seed)
        bare = data(rows)
        assert bare.label is not None
        label = Label(negatives=settings, positive_rate=bare.label.positive_rate)
        items = [item for _, item, _ in drawn(negatives.add_negatives(replace(bare, label=label)))]
        assert len(items) == 100
        shares.append(items.count(0) / 100)
    assert shares[0] == pytest.approx(0.9, abs=0.16)
    assert shares[1] == pytest.approx(0.5, abs=0.26)


def test_other_events_are_history_alone_where_negatives_are_drawn() -> None:
    rows: list[Row] = [(0, 0, 2.0, 1), (1, 1, 5.0, 2)]
    found = negatives.add_negatives(data(rows, per=1)).events
    assert found.time[found.rows].tolist() == [2, 2]
    assert len(found.logged) == 2
