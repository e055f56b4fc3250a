"""Which rows have a label, and which are positive, by a rule that is easy to read."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import splits
from recommender_training.data.dataset import Dataset
from recommender_training.data.labels import HISTORY, LABELLED, OPEN, is_act
from tests import small_data

HOUR = 3600
TYPES = ("view", "click", "buy")
WEIGHTS = {"buy": 5.0, "click": 1.0}
ATTRIBUTED = {
    "positiveTypes": [{"type": name, "weight": weight} for name, weight in WEIGHTS.items()],
    "attribution": {"impressions": ["view"], "hours": 1},
}
#: User, item, time and type.
Row = tuple[int, int, int, str]
#: Quarters of an hour, so that the ends of windows are met, and some seconds between.
TIMES = st.integers(0, 16).map(lambda quarter: 1 + 900 * quarter) | st.integers(1, 4 * HOUR)
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), TIMES, st.sampled_from(TYPES)),
    min_size=1,
    max_size=40,
    unique=True,
)


def data(rows: list[Row], label: dict[str, Any] | None, value: float = 2.0) -> Dataset:
    declared = FeatureSchema.model_validate({"label": label} if label else {})
    events = [(user, item, value, time, {"event_type": kind}) for user, item, time, kind in rows]
    ids = [{"id": number} for number in range(3)]
    return small_data.build(events, ids, ids, declared)


def by_hand(rows: list[Row], row: Row, newest: int) -> tuple[int, float]:
    """State and weight (0: negative) of a row, by a loop over all rows."""
    user, item, time, kind = row
    if kind != "view":
        return HISTORY, 0.0
    if time + HOUR > newest:
        return OPEN, 0.0
    later = [
        WEIGHTS[other]
        for one, two, at, other in rows
        if (one, two) == (user, item) and other != "view" and time <= at <= time + HOUR
    ]
    return LABELLED, max(later, default=0.0)


def in_order(rows: list[Row]) -> list[Row]:
    """As the events of a data set are sorted; equal values leave types in their own order."""
    return sorted(rows, key=lambda row: (row[2], row[0], row[1]))


@given(ROWS)
def test_an_impression_is_positive_if_a_positive_event_follows_in_its_window(
    rows: list[Row],
) -> None:
    rows = in_order(rows)
    found = data(rows, ATTRIBUTED).events.labels
    assert found is not None
    newest = max(row[2] for row in rows)
    wanted = sorted((*row[:3], *by_hand(rows, row, newest)) for row in rows)
    built = data(rows, ATTRIBUTED).events
    assert built.labels is not None
    seen = zip(
        built.user.tolist(), built.item.tolist(), built.time.tolist(),
        built.labels.state.tolist(),
        np.where(built.labels.label, built.labels.weight, 0.0).tolist(), strict=True,
    )  # fmt: skip
    assert sorted(seen) == wanted
    assert found.delay == HOUR


@pytest.mark.parametrize(("after", "positive"), [(-1, False), (0, True), (HOUR, True),
                                                 (HOUR + 1, False)])  # fmt: skip
def test_a_window_is_from_its_impression_to_its_last_second(after: int, positive: bool) -> None:
    rows: list[Row] = [(0, 0, 10, "view"), (0, 0, 10 + after, "buy"), (1, 1, 3 * HOUR, "view")]
    found = data(in_order(rows), ATTRIBUTED).events
    shown = (found.time == 10) & (found.user == 0)
    assert found.label[shown].any() == positive


@given(ROWS, st.integers(1, 4 * HOUR), st.data())
def test_attribution_reads_nothing_after_its_window(
    rows: list[Row], end: int, draw: st.DataObject
) -> None:
    """Whatever comes after a time, labels of windows that end by then stay the same."""
    later = draw.draw(ROWS)
    past = [row for row in rows if row[2] <= end]
    future = [(user, item, end + time, kind) for user, item, time, kind in later]
    if not past:
        return
    now, then = data(in_order(past), ATTRIBUTED), data(in_order(past + future), ATTRIBUTED)
    assert now.events.labels is not None
    assert then.events.labels is not None
    known = now.events.labels.state == LABELLED
    count = len(past)
    # rows of one second may change places, so their multiset is compared
    assert _labelled(now, count, known) == _labelled(then, count, known)


def _labelled(data: Dataset, count: int, known: Any) -> list[tuple[Any, ...]]:
    events = data.events.take(np.flatnonzero(known[:count]))
    assert events.labels is not None
    columns = (events.user, events.item, events.time, events.labels.label, events.labels.weight)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@given(ROWS, st.sampled_from([1.0, 3.0, 3.5, 4.0, 5.0]))
def test_without_a_declared_label_a_value_of_four_is_positive(
    rows: list[Row], value: float
) -> None:
    plain, stated = data(rows, None, value), data(rows, {"minimumValue": 4}, value)
    assert plain.events.labels is None
    assert (plain.events.label == stated.events.label).all()
    assert (stated.events.label == (value >= 4)).all()
    assert (data(rows, {"minimumValue": 3.5}, value).events.label == (value >= 3.5)).all()


@given(ROWS)
def test_types_are_positive_whatever_their_value(rows: list[Row]) -> None:
    found = data(in_order(rows), {"positiveTypes": [{"type": "buy"}]}).events
    assert found.label.sum() == sum(row[3] == "buy" for row in rows)
    assert len(found.rows) == len(rows)


def test_a_part_has_only_rows_whose_label_is_known_at_its_end() -> None:
    rows: list[Row] = []
    for number in range(200):
        at = 1 + number * 60
        rows.append((number % 3, number % 2, at, "view"))
        if number % 2:
            rows.append((number % 3, number % 2, at + 30, "buy"))
    window = {"impressions": ["view"], "hours": 0.1}
    events = data(in_order(rows), ATTRIBUTED | {"attribution": window}).events
    split = splits.temporal(events)
    time, seconds = events.time, 360
    assert (time[split.train] + seconds < split.validation_start).all()
    assert (time[split.validation] + seconds < split.test_start).all()
    left = np.setdiff1d(events.rows, np.concatenate([split.train, split.validation, split.test]))
    assert len(left) == 2 * seconds // 60
    for row in left:
        ends = (split.validation_start, split.test_start)
        assert any(time[row] < end <= time[row] + seconds for end in ends)


def test_windows_longer_than_a_part_are_refused_with_the_setting() -> None:
    rows: list[Row] = [(0, 0, 1 + number * 10, "view") for number in range(400)]
    rows += [(0, 0, 8 + number * 20, "buy") for number in range(200)]
    label = ATTRIBUTED | {"attribution": {"impressions": ["view"], "hours": 0.9}}
    with pytest.raises(InputError, match=r"label\.attribution needs 3240 s"):
        splits.temporal(data(in_order(rows), label).events)


def test_a_rule_that_nothing_meets_is_refused_with_the_setting() -> None:
    rows: list[Row] = [(number % 3, 0, 1 + number, "view") for number in range(50)]
    with pytest.raises(InputError, match=r"0 of them positive.*check minimumValue, positiveTyp"):
        splits.temporal(data(rows, {"positiveTypes": [{"type": "buy"}]}).events)


def test_a_shown_item_with_its_response_in_one_row_is_labelled_by_it_and_an_act_if_positive() -> (
    None
):
    """A log of shown items with a column of 0 and 1, which is read as the type."""
    label = {
        "positiveTypes": [{"type": "1"}],
        "attribution": {"impressions": ["0", "1"], "hours": 0.001},
    }
    rows = [(0, item, 100, kind) for item, kind in ((0, "0"), (1, "1"), (2, "0"))]
    found = data([*rows, (1, 1, 200, "0")], label)
    events = found.events
    assert events.labels is not None
    assert events.labels.state.tolist() == [LABELLED] * 3 + [OPEN]
    assert events.label.tolist() == [False, True, False, False]
    assert events.labels.acts.tolist() == [False, True, False, False]
    assert found.label is not None
    assert found.label.of_shown_items
    types = pl.DataFrame({"event_type": ["0", "1", None]})
    assert types.select(is_act(found.label)).to_series().to_list() == [False, True, True]
