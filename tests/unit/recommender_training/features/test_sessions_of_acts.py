"""Sessions consist of what users did; items that were only shown are no part of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.config.label import Label
from recommender_training.data.dataset import Dataset
from recommender_training.data.labels import is_act
from recommender_training.data.sessions import ACT, Request, sample_session_requests
from recommender_training.data_checks import sample
from recommender_training.evaluation import ranking_metrics
from recommender_training.features.event_history import previous_events
from tests import small_data

ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 3),
        st.integers(1, 9000),
        st.sampled_from(["impression", "click"]),
    ),
    min_size=1,
    max_size=30,
    unique=True,
)
#: User, item, time and type: user 0 saw four items twice, and clicked on one each time.
SEEN = [
    *[(0, item, time, "impression") for time in (100, 200) for item in range(4)],
    (0, 0, 101, "click"),
    (0, 1, 201, "click"),
]


def declaration(*impressions: str) -> FeatureSchema:
    attribution = {"impressions": list(impressions), "hours": 1 / 3600}
    return FeatureSchema.model_validate(
        {"label": {"positiveTypes": [{"type": "click"}], "attribution": attribution}}
    )


def data(rows: list[Any], *impressions: str) -> Dataset:
    events: Any = [
        (user, item, 5.0 if kind == "click" else 1.0, time, {"event_type": kind})
        for user, item, time, kind in sorted(rows, key=lambda row: (row[2], *row[:2], row[3]))
    ]
    users = [{"id": number} for number in range(3)]
    items = [{"id": number} for number in range(4)]
    return small_data.build(events, users, items, declaration(*(impressions or ("impression",))))


def kinds(found: Dataset, session: Any) -> set[float]:
    return set(found.events.value[session[session >= 0]].tolist())


@given(rows=ROWS)
def test_the_session_of_any_row_has_the_earlier_acts_of_its_user(rows: list[Any]) -> None:
    found = data(rows)
    events = found.events
    assert events.labels is not None
    for row, session in enumerate(previous_events(events, 5)):
        earlier = (events.user == events.user[row]) & (events.time < events.time[row])
        own = np.flatnonzero(earlier & (events.value == 5.0))
        assert session[session >= 0].tolist() == own[-5:].tolist()


@pytest.mark.parametrize("impressions", [("view",), ("impression", "view")])
def test_views_that_a_label_is_attributed_to_are_acts(impressions: tuple[str, ...]) -> None:
    rows = [(0, item, 10 * item + 1, "view") for item in range(4)] + [(0, 3, 32, "click")]
    found = data(rows, *impressions)
    assert kinds(found, previous_events(found.events, 5)[-1]) == {1.0}


def test_a_list_may_have_what_was_shown_and_leaves_out_what_was_clicked_on() -> None:
    found = data(SEEN)
    task = ranking_metrics.reveal_half(found, found.events.rows, 5)
    (request,) = task.requests
    assert kinds(found, request.session) == {5.0}
    assert task.excluded.toarray().tolist() == [[1.0, 0.0, 0.0, 0.0]]


@given(rows=ROWS, seed=st.integers(0, 9))
def test_a_sampled_request_has_the_acts_before_it(rows: list[Any], seed: int) -> None:
    found = data(rows)
    events = sample.of_users(found)
    assert events[ACT].to_list() == (found.events.value == 5.0).tolist()
    items = pl.DataFrame({"item_id": found.items.ids})
    users = pl.DataFrame({"user_id": found.users.ids})
    made: list[Request] = list(
        sample_session_requests(events, users, items, seed, declared=declaration("impression"))
    )
    for request in made:
        own = [
            row[2]
            for row in rows
            if (row[0], row[3]) == (request["user_id"], "click") and row[2] < request["timestamp"]
        ]
        assert [event["timestamp"] for event in request["session"]] == sorted(own)[-20:]


@pytest.mark.parametrize(
    ("impressions", "acts"), [("impression", [False, True, True]), ("view", [True] * 3)]
)
def test_rows_of_the_lake_are_acts_by_their_type(impressions: str, acts: list[bool]) -> None:
    frame = pl.DataFrame({"event_type": ["impression", "click", None]})
    found = frame.select("event_type", is_act(declaration(impressions).label).alias(ACT))
    assert found[ACT].to_list() == acts


def test_without_a_label_every_event_is_an_act() -> None:
    frame = pl.DataFrame({"event_type": ["impression", None]})
    for label in (None, Label()):
        assert frame.select("event_type", is_act(label).alias(ACT))[ACT].all()
