"""Bands are learned from what was known in the training window; later values do not move them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.label import Label
from recommender_training.data import feature_encoding, row_times, training_window
from recommender_training.data.dataset import Dataset
from recommender_training.data.labels import Labelling
from tests import small_data

DAY = feature_encoding.SECONDS_A_DAY
#: Nothing has edges: all bands are learned.
DECLARED = FeatureSchema.model_validate(
    {
        "userHistory": True,
        "itemHistory": True,
        "users": [
            {"name": "income", "kind": "Numeric", "bands": 3},
            {"name": "since", "kind": "Timestamp", "bands": 3},
        ],
        "items": [
            {"name": "price", "kind": "Numeric", "bands": 3},
            {"name": "weight", "kind": "Numeric", "bands": 3, "transform": "Log"},
        ],
        "context": [{"name": "place", "kind": "Numeric", "bands": 3}],
    }
)
EVENTS, END = 20, 16
NUMBERS = st.lists(st.integers(1, 90).map(float), min_size=4, max_size=12)


def data(
    values: Sequence[float], later: Sequence[float] = (), places: Sequence[float] = ()
) -> Dataset:
    """Twenty days with an event each, of which the first sixteen are to train on.

    The rows of users and items have `values` in the first days; from the seventeenth on, `later`.
    `places` are those of the context of the last four events.
    """
    place = [*(float(n % 5) for n in range(END)), *places[: EVENTS - END], *[1.0] * EVENTS]
    events: list[small_data.Event] = [
        (n % 2, n % 2, 5.0 if n % 3 else 1.0, n * DAY, {"place": place[n]}) for n in range(EVENTS)
    ]
    begun = [(n, value) for n, value in enumerate(values)]
    begun += [(END + n, value) for n, value in enumerate(later)]
    users: list[dict[str, Any]] = [
        {"id": n % 2, "valid_from": day * DAY, "income": value, "since": -int(value) * DAY}
        for n, (day, value) in enumerate(begun)
    ]
    items: list[dict[str, Any]] = [
        {"id": n % 2, "valid_from": day * DAY, "price": value, "weight": value}
        for n, (day, value) in enumerate(begun)
    ]
    return small_data.build(events, users, items, DECLARED)


def edges(found: Dataset) -> dict[str, tuple[float, ...]]:
    of_requests = {each.name: each.edges for each in found.attributes}
    return of_requests | {each.name: each.edges for each in found.items.blocks}


@given(NUMBERS, NUMBERS, NUMBERS)
def test_no_value_after_the_training_window_moves_a_band(
    values: list[float], later: list[float], places: list[float]
) -> None:
    past = edges(data(values))
    assert set(past) == {"income", "since", "price", "weight", "place"}
    assert edges(data(values, later, places)) == past


def test_categories_of_the_training_window_are_kept_before_those_that_are_frequent_later() -> None:
    """Which are kept moves what training rows read, as edges do."""

    def kept(most: int, later: str) -> list[tuple[str, ...]]:
        name = {"name": "brand", "kind": "Categorical", "maxCategories": most}
        events: list[small_data.Event] = [
            (0, 0, 5.0, n * DAY, {"place": "ab"[n % 2] if n < END else later})
            for n in range(EVENTS)
        ]
        items: list[dict[str, Any]] = [
            {
                "id": n,
                "valid_from": 0 if n < 3 else END * DAY,
                "brand": "aab"[n] if n < 3 else later,
            }
            for n in range(9)
        ]
        told = {"itemHistory": True, "items": [name], "context": [name | {"name": "place"}]}
        found = small_data.build(events, [{"id": 0}], items, FeatureSchema.model_validate(told))
        return [found.items.blocks[0].categories, found.attributes[0].categories]

    assert kept(2, "new") == kept(2, "a") == [("a", "b"), ("a", "b")]
    assert kept(3, "new") == [("a", "b", "new"), ("a", "b", "new")], "what there is room for"
    assert kept(1, "b") == [("a",), ("a",)]


def test_what_has_values_after_the_training_window_alone_has_bands_all_the_same() -> None:
    found = edges(data([], [3.0, 5.0, 20.0, 40.0]))
    assert len(found["price"]) > 0
    assert len(found["income"]) > 0


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.none() | st.integers(0, 30)), max_size=20, unique=True
    ),
    st.integers(0, 30),
)
def test_rows_that_were_replaced_before_the_window_are_not_held_and_nobody_misses_them(
    rows: list[tuple[int, int | None]], first: int
) -> None:
    table = pl.DataFrame(
        [(item, since, float(n)) for n, (item, since) in enumerate(rows)],
        schema={"item_id": pl.Int64, row_times.COLUMN: pl.Int64, "price": pl.Float64},
        orient="row",
    )
    kept = row_times.current(table, "item_id", first)
    for time in (first, first + 1, 31):
        one, other = (
            row_times.newest(row_times.until(each, time + 1), "item_id") for each in (table, kept)
        )
        assert one.equals(other), "what counts at a time of the window is there"
    started = kept.filter(row_times.since(kept) <= first)
    assert started["item_id"].is_unique().all(), "one row of each item, and the later ones"


LABELS: list[dict[str, Any] | None] = [
    None,
    {"positiveTypes": [{"type": "buy"}]},
    {"positiveTypes": [{"type": "buy"}], "attribution": {"impressions": ["view"], "hours": 1}},
]
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 20_000), st.sampled_from(["view", "buy"])),
    min_size=10,
    max_size=60,
)


@given(ROWS, st.sampled_from(LABELS))
def test_the_window_ends_where_the_split_does(
    rows: list[tuple[int, int, str]], label: dict[str, Any] | None
) -> None:
    declared = FeatureSchema.model_validate({} if label is None else {"label": label})
    events: list[small_data.Event] = [
        (user, 0, 5.0, time, {"event_type": kind}) for user, time, kind in rows
    ]
    found = small_data.build(events, [{"id": n} for n in range(4)], [{"id": 0}], declared).events
    columns = ("user_id", "item_id", "timestamp", "event_type", "value")
    frame = pl.LazyFrame(
        [(user, 0, time, kind, 5.0) for user, time, kind in rows], schema=columns, orient="row"
    )
    newest = max(row[1] for row in rows)
    labelling = None if label is None else Labelling.of(Label.model_validate(label), frame, newest)
    times = found.time[found.rows]
    expected = int(times[training_window.places(len(times))[0]]) if len(times) else None
    assert training_window.end(frame, labelling) == expected
