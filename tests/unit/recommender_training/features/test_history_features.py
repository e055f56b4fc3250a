"""Features are causal: only strictly earlier events count, and later ones change nothing."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data.dataset import Dataset, Events
from recommender_training.features import assembly, event_features, event_history
from tests import small_data

LENGTH = 4
ITEMS, USERS = 6, 3
#: Users, items and context; the numbers have declared edges, so that bands stay where they are.
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "points", "kind": "Numeric", "edges": [30], "coldStart": True},
            {"name": "plan", "kind": "Categorical", "coldStart": True},
        ],
        "items": [
            {"name": "topic", "kind": "MultiCategorical", "separator": " "},
            {"name": "made", "kind": "Timestamp"},
            {"name": "look", "kind": "Embedding", "length": 2},
        ],
        "context": [
            {"name": "device", "kind": "Categorical"},
            {"name": "position", "kind": "Numeric", "edges": [2, 4], "servedAs": "1"},
            {"name": "promoted", "kind": "Boolean"},
        ],
    }
)
Row = tuple[int, int, float, int]

event = st.tuples(
    st.integers(0, USERS - 1),
    st.integers(0, ITEMS - 1),
    st.sampled_from([1.0, 3.0, 4.0, 5.0]),
    st.integers(1000, 1012),  # few seconds, so that many events share one
)


def events_of(rows: list[Row]) -> Events:
    user, item, value, time = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((item, user, time))
    return Events(
        user[order].astype(np.int64),
        item[order].astype(np.int64),
        value[order].astype(np.float32),
        time[order].astype(np.int64),
    )


def context_of(row: Row) -> dict[str, object]:
    """What is declared of the context of an event; it differs from row to row."""
    user, item, value, time = row
    mixed = user + 3 * item + 5 * time + int(value)
    return {
        "device": ("phone", "tablet", None)[mixed % 3],
        "position": (None, 1.0, 2.0, 3.0, 4.0)[mixed % 5],
        "promoted": ("true", "false", None, None)[mixed % 4],
    }


def dataset_of(rows: list[Row]) -> Dataset:
    """Users are 1 and on, the last one unknown; items are 10 and on."""
    return small_data.build(
        [(row[0] + 1, row[1] + 10, row[2], row[3], context_of(row)) for row in rows],
        [
            {"id": 1, "points": 20.0, "plan": "free"},
            {"id": 2, "points": 40.0, "plan": "paid"},
            {"id": 3},
        ],
        [
            {
                "id": 10 + item,
                "topic": ("a", "b", "a b", None)[item % 4],
                "made": item,
                "look": "1 2",
            }
            for item in range(ITEMS)
        ],
        DECLARED,
    )


FROZEN = assembly.Constants(centre=3.5, prior=0.5, groups=tuple(FeatureGroup))


@given(rows=st.lists(event, min_size=1, max_size=40))
def test_the_history_is_that_of_a_plain_loop(rows: list[Row]) -> None:
    events = events_of(rows)
    found = event_history.previous_events(events, LENGTH)
    for row in range(len(events)):
        mine = np.flatnonzero(events.user == events.user[row])
        earlier = mine[events.time[mine] < events.time[row]][-LENGTH:]
        kept = found[row][found[row] >= 0]
        assert sorted(kept.tolist()) == sorted(earlier.tolist())
        assert (np.diff(events.time[kept]) >= 0).all()
        assert (found[row][: LENGTH - len(kept)] == -1).all()


@given(rows=st.lists(event, min_size=1, max_size=40))
def test_counts_are_those_of_a_plain_loop(rows: list[Row]) -> None:
    events = events_of(rows)
    found = event_history.counts_before(events)
    for row in range(len(events)):
        earlier = events.time < events.time[row]
        same = earlier & (events.item == events.item[row])
        assert found.events[row] == same.sum()
        assert found.positives[row] == (same & events.label).sum()
        assert found.total[row] == earlier.sum()


@given(rows=st.lists(event, min_size=1, max_size=40), time=st.integers(1000, 1013))
def test_counts_at_a_time_agree_with_those_of_the_rows(rows: list[Row], time: int) -> None:
    events = events_of(rows)
    found = event_history.counts_at(events, time, ITEMS)
    rowwise = event_history.counts_before(events)
    for row in np.flatnonzero(events.time == time):
        assert found.events[events.item[row]] == rowwise.events[row]
        assert found.positives[events.item[row]] == rowwise.positives[row]
        assert found.total[0] == rowwise.total[row]


@given(
    rows=st.lists(event, min_size=1, max_size=30),
    later=st.lists(event, min_size=1, max_size=15),
    cut=st.integers(1000, 1013),
)
def test_no_feature_changes_when_later_or_simultaneous_events_are_added(
    rows: list[Row], later: list[Row], cut: int
) -> None:
    early = [row for row in rows if row[3] <= cut] or [(0, 0, 4.0, cut)]
    added = [(user, item, value, max(time, cut)) for user, item, value, time in later]
    one, two = dataset_of(early), dataset_of(early + added)
    before, after = one.events, two.events
    inputs, more = (
        event_features.build_features(one, LENGTH, FROZEN),
        event_features.build_features(two, LENGTH, FROZEN),
    )
    keys = list(zip(after.user, after.item, after.value, after.time, strict=True))
    places = [
        keys.index(key)
        for key in zip(before.user, before.item, before.value, before.time, strict=True)
    ]
    torch.testing.assert_close(inputs.numbers, more.numbers[places], rtol=0, atol=1e-5)
    torch.testing.assert_close(inputs.extra, more.extra[places], rtol=0, atol=1e-5)
    for name in ("session", "present", "recency", "level", "value", "target", "user"):
        assert torch.equal(getattr(inputs, name), getattr(more, name)[places]), name
    known, later_known = (
        one.side_of_events(np.arange(len(before))),
        two.side_of_events(np.array(places)),
    )
    for place, (each, other) in enumerate(zip(one.attributes, two.attributes, strict=True)):
        stated = each.stated(known[:, place])
        assert stated.to_list() == other.stated(later_known[:, place]).to_list(), each.name
        if each.name != "device":  # more categories may come, whose order is that of their names
            assert torch.equal(inputs.side[:, place], more.side[places, place]), each.name


def test_the_rows_own_value_is_in_none_of_its_features() -> None:
    one = event_features.build_features(
        dataset_of([(0, 1, 1.0, 1000), (0, 2, 1.0, 1001)]), LENGTH, FROZEN
    )
    two = event_features.build_features(
        dataset_of([(0, 1, 1.0, 1000), (0, 2, 5.0, 1001)]), LENGTH, FROZEN
    )
    assert torch.equal(one.numbers[1], two.numbers[1])
    assert torch.equal(one.extra[1], two.extra[1])
    assert one.label[1] != two.label[1]
