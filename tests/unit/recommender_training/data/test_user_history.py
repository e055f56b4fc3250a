"""An event sees the row of its user that counted then; later rows change nothing before them."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.hyperparameters import FeatureGroup
from recommender_contract.resource.mapping import Format
from recommender_contract.resource.mitigation import Reweighting
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import load
from recommender_training.data.dataset import Dataset
from recommender_training.data.sessions import sample_session_requests
from recommender_training.features import attributes, event_features, popularity
from recommender_training.features.assembly import Constants, Inputs
from recommender_training.mitigation import reweighting
from tests import small_data
from tests.mapped_files import INTERACTIONS, NOW, START, check, declare, event, reasons, write
from tests.mapped_files import table as lake_table

TIERS = ("free", "gold", None)
#: User, first second (None: always) and tier of a row of the users.
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.none() | st.integers(1, 40), st.sampled_from(TIERS)),
    max_size=12,
    unique_by=lambda row: row[:2],
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([2.0, 5.0]),
              st.integers(1, 40)),
    min_size=1, max_size=20, unique_by=lambda row: (row[0], row[1], row[3]),
)  # fmt: skip
DECLARED = FeatureSchema.model_validate(
    {
        "userHistory": True,
        "users": [
            {"name": "tier", "kind": "Categorical", "coldStart": True, "fairness": True},
            {"name": "joined", "kind": "Timestamp", "edges": [0.0001]},
        ],
    }
)
FROZEN = Constants(3.0, 0.3, (FeatureGroup.DEMOGRAPHIC_RATES,))


def data(rows: list[Any], events: list[Any]) -> Dataset:
    users = [
        {"id": user, "valid_from": since, "tier": tier, "joined": 1} for user, since, tier in rows
    ]
    # every user, and both tiers, are in the table, whatever the rows are
    users += [{"id": number, "valid_from": 1000, "tier": "gold"} for number in range(3)]
    users += [{"id": 9, "valid_from": None, "tier": "free"}]
    return small_data.build(events, users, [{"id": n} for n in range(4)], DECLARED)


def by_hand(rows: list[Any], user: int, time: int) -> str | None:
    """The tier of a user at a time, by a loop."""
    known = [
        (since if since is not None else -1, tier) for one, since, tier in rows if one == user
    ]
    before = [row for row in known if row[0] <= time]
    return max(before, key=lambda row: row[0])[1] if before else None


@given(ROWS, EVENTS)
def test_an_event_sees_the_row_that_counted_at_its_time(
    rows: list[Any], events: list[Any]
) -> None:
    found = data(rows, events)
    every = np.arange(len(found.events))
    codes = attributes.of_events(found, "tier", every)
    names = [*found.attributes[0].categories, None]
    wanted = [
        by_hand(rows, int(user), int(time))
        for user, time in zip(found.events.user, found.events.time, strict=True)
    ]
    assert [names[code] for code in codes] == wanted
    groups, _ = reweighting.groups_of_events(found, every, "tier")
    assert groups.tolist() == codes.tolist()
    nothing = found.events.context_of(every)
    segments = popularity.segment_of(found, found.events.user, found.events.time, nothing)
    assert segments.tolist() == codes.tolist()


@given(ROWS, EVENTS)
def test_a_reference_request_states_the_row_that_counted_at_its_time(
    rows: list[Any], events: list[Any]
) -> None:
    tables = {
        "interactions": pl.DataFrame(
            events, ["user_id", "item_id", "value", "timestamp"], orient="row"
        ),
        "users": pl.DataFrame(
            [{"user_id": u, "valid_from": s, "tier": t, "joined": None} for u, s, t in rows],
            {"user_id": pl.Int64, "valid_from": pl.Int64, "tier": pl.String, "joined": pl.Int64},
        ),
        "items": pl.DataFrame({"item_id": list(range(4))}),
    }
    for request in sample_session_requests(
        tables["interactions"], tables["users"], tables["items"], 0, declared=DECLARED
    ):
        wanted = by_hand(rows, request["user_id"], request["timestamp"])
        assert request["user"] == ({} if wanted is None else {"tier": wanted})


def read(found: Dataset, end: int) -> list[str]:
    rows = np.flatnonzero(found.events.time <= end)
    inputs = event_features.build_features(found, 4, FROZEN).take(torch.from_numpy(rows))
    columns = [getattr(inputs, each.name) for each in fields(Inputs)]
    return ["|".join(str(column[n].tolist()) for column in columns) for n in range(len(rows))]


@given(ROWS, EVENTS, ROWS, st.integers(1, 40))
def test_no_input_changes_when_later_rows_of_users_are_added(
    rows: list[Any], events: list[Any], later: list[Any], end: int
) -> None:
    past = [row for row in rows if row[1] is None or row[1] <= end]
    more = [(user, end + since, tier) for user, since, tier in later if since is not None]
    assert read(data(past, events), end) == read(data(past + more, events), end)


@given(ROWS, EVENTS)
def test_the_graph_gets_the_newest_values(rows: list[Any], events: list[Any]) -> None:
    found = data(rows, events)
    served = found.at_the_end
    assert served.users.history is None
    names = found.attributes[0].categories
    assert [names[int(code)] for code in served.users.side[:3, 0]] == ["gold"] * 3
    everyone = np.arange(3)
    assert np.array_equal(
        served.side_of_users(everyone), found.side_of_users(everyone), equal_nan=True
    )


def test_weights_by_group_follow_the_group_at_the_time() -> None:
    events = [(0, 0, 5.0, 1), (0, 1, 2.0, 2), (0, 2, 5.0, 30), (1, 0, 2.0, 31), (1, 1, 2.0, 32)]
    found = data([(0, None, "free"), (0, 20, "gold"), (1, None, "gold")], events)
    rows, labels = np.arange(5), found.events.label
    settings = Reweighting.model_validate({"by": "tier", "labelStrength": 1})
    entries = {
        e["name"]: e["rows"] for e in reweighting.reweighting_report(found, rows, labels, settings)
    }
    assert entries == {"tier:free": 2, "tier:gold": 3}


USERS: dict[str, Any] = {
    "files": "users/*", "id": "id", "validFrom": "since",
    "features": [{"name": "tier", "kind": "Categorical", "fairness": True}],
}  # fmt: skip


def user(number: int, since: Any, tier: str) -> dict[str, Any]:
    return {"id": number, "since": since, "tier": tier}


def test_rows_of_users_are_added_and_events_keep_theirs(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    mapping = declare(users=USERS)
    rows = [user(1, START, "free"), user(2, START, "gold")]
    write(source / "users" / "one.csv", rows)
    write(source / "events" / "one.csv", [event(1, 5, START + 10), event(2, 5, START + 11)])
    first = check(source, lake, mapping)
    (source / "users" / "one.csv").unlink()
    write(source / "users" / "two.csv", [user(1, START + 100, "gold")])
    write(source / "events" / "two.csv", [event(1, 6, START + 99), event(1, 7, START + 100)])
    second = check(source, lake, mapping)
    assert lake_table(lake, "users").height == 3
    _, data = load.load_dataset(lake, second.data_version, None)
    tiers = [data.attributes[0].categories[code] for code in attributes.of_events(
        data, "tier", np.arange(4))]  # fmt: skip
    assert tiers == ["free", "gold", "free", "gold"]
    # the segment of an event is that of its user then
    segments = lake_table(lake, "interactions").sort("timestamp")["segment"].to_list()
    assert segments == ["free", "gold", "free", "gold"]
    assert check(source, lake, mapping).data_version == second.data_version
    _, past = load.load_dataset(lake, first.data_version, None)
    assert len(past.events) == 2


def test_a_user_of_events_alone_and_one_before_the_first_row_are_unknown(tmp_path: Path) -> None:
    source = tmp_path / "raw"
    write(source / "users" / "one.csv", [user(1, START + 50, "free")])
    write(source / "events" / "one.csv", [event(1, 5, START + 10), event(3, 5, START + 60)])
    found = check(source, tmp_path / "lake", declare(users=USERS))
    _, data = load.load_dataset(tmp_path / "lake", found.data_version, None)
    assert attributes.of_events(data, "tier", np.arange(2)).tolist() == [-1, -1]
    assert data.users.ids.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("", "BadTimestamp"),
        ("soon", "BadTimestamp"),
        ("2026-01-01", "TimestampLooksLikeISO8601"),
        (START * 1000, "TimestampLooksLikeMilliseconds"),
        (NOW + 100 * 86_400, "FutureTimestamp"),
    ],
)
def test_a_row_of_a_user_without_a_usable_time_is_quarantined(
    since: Any, reason: str, tmp_path: Path
) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "users" / "one.csv", [user(1, since, "free"), user(2, START, "gold")])
    write(source / "events" / "one.csv", [event(1, 5, START + 10)])
    check(source, lake, declare(users=USERS))
    assert reasons(lake) == {reason: 1}


def test_a_model_that_no_longer_declares_a_history_keeps_the_newest_rows(tmp_path: Path) -> None:
    source, lake = tmp_path / "raw", tmp_path / "lake"
    write(source / "users" / "one.csv", [user(1, START, "free"), user(1, START + 9, "gold")])
    write(source / "events" / "one.csv", [event(1, 5, START + 1)])
    check(source, lake, declare(users=USERS))
    write(source / "users" / "one.csv", [user(2, START, "free")])
    plain = declare(users={name: value for name, value in USERS.items() if name != "validFrom"})
    found = check(source, lake, plain)
    _, data = load.load_dataset(lake, found.data_version, None)
    assert data.users.history is None
    assert data.users.ids.tolist() == [1, 2]
    assert [data.attributes[0].categories[int(c)] for c in data.users.side[:, 0]] == [
        "gold", "free",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["jsonl", "parquet"])
def test_times_are_read_in_any_format(name: str, tmp_path: Path) -> None:
    kind = Format.JSON_LINES if name == "jsonl" else Format.PARQUET
    source = tmp_path / "raw"
    write(source / "users" / f"one.{name}", [user(1, START, "free"), user(1, START + 9, "gold")])
    write(source / "events" / f"one.{name}", [event(1, 5, START + 1), event(1, 6, START + 9)])
    mapping = declare(kind, users=USERS, interactions=INTERACTIONS)
    found = check(source, tmp_path / "lake", mapping, kind)
    _, data = load.load_dataset(tmp_path / "lake", found.data_version, None)
    assert [data.attributes[0].categories[c] for c in attributes.of_events(
        data, "tier", np.arange(2))] == ["free", "gold"]  # fmt: skip
    assert json.loads(DECLARED.text())["userHistory"] is True
