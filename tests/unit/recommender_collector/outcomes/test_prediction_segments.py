"""Predictions count by the values of declared features too, few and exactly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain.events import Context, Erasure, Event
from recommender_collector.domain.formats import Damaged
from recommender_collector.outcomes.outcome_sums import OutcomeSums
from recommender_collector.outcomes.prediction_segments import (
    CODES,
    Values,
    code_of,
    named,
    places_of,
)
from recommender_collector.outcomes.predictions import LabelRule, PredictedUser
from recommender_collector.outcomes.version_index import VersionIndex
from tests.unit.recommender_collector.collector_samples import MAPPING, model
from tests.unit.recommender_collector.outcome_memory import (
    DAY0,
    HOUR,
    RULE,
    SHOP,
    START,
    Memory,
    impression,
    purchase,
)

BY_DEVICE = RULE._replace(segments=("device",))
VALUES = st.one_of(st.none(), st.booleans(), st.floats(), st.text("abcdefghijklmn", max_size=2))


def on(device: str | bool | None, user: str, time: int = START) -> Event:
    context: Context | None = None
    if device is not None:
        context = {"device": device}
    return impression(user, time)._replace(context=context)


def parts(store: Memory, known: Values | None = None) -> dict[str, tuple[float, float, float]]:
    """Users, predictions and labels by value."""
    segments = store.versions()[SHOP].segments if known is None else known
    found = {}
    for place, shown in store.of().shown_parts().items():
        name, sums = named(segments, place), shown["sums"]
        assert name is not None
        counts = (shown["users"], sums["predictions"], sums["labels"])  # type: ignore[index]
        found[f"{name[0]}={name[1]}"] = counts
    return found  # type: ignore[return-value]


def test_a_prediction_counts_in_the_segment_of_its_request() -> None:
    store = Memory()
    events = [on("phone", "ada"), on("tablet", "ada", START + 1), on("phone", "bob")]
    store.apply(START, *events, on(None, "eve"), purchase("bob", START), rule=BY_DEVICE)
    assert parts(store) == {
        "device=phone": (2, 2, 1), "device=tablet": (1, 1, 0), "device=unknown": (1, 1, 0),
    }  # fmt: skip
    assert store.of().users == 3


def test_what_is_not_asked_for_keeps_the_form_of_earlier_releases() -> None:
    asked, plain = Memory(), Memory()
    asked.apply(START, on("phone", "ada"))
    plain.apply(START, impression("ada", START))
    assert (asked.sums, asked.predicted_users, asked.index) == (
        plain.sums,
        plain.predicted_users,
        plain.index,
    )
    assert "segments" not in str(asked.index)


def test_states_of_an_earlier_release_are_read() -> None:
    store = Memory()
    store.apply(START, impression("ada", START))
    store.apply(START + HOUR, on("phone", "ada", START + HOUR), rule=BY_DEVICE)
    assert store.of().sums[4] == 2
    assert parts(store) == {"device=phone": (1, 1, 0)}


def test_an_erasure_leaves_nothing_in_the_segments() -> None:
    store = Memory()
    store.apply(START, on("phone", "ada"), on("tablet", "ada"), rule=BY_DEVICE)
    store.apply(START, Erasure("ada"), rule=BY_DEVICE)
    assert store.of() == OutcomeSums()


def test_values_beyond_the_first_ten_are_one_segment() -> None:
    store = Memory()
    store.apply(START, *(on(f"d{n}", f"u{n}") for n in range(14)), rule=BY_DEVICE)
    found = parts(store)
    assert len(found) == 11
    assert found["device=None"] == (4, 4, 0)
    assert found["device=d9"] == (1, 1, 0)


def test_another_declared_feature_keeps_the_sums_and_those_before() -> None:
    store = Memory()
    store.apply(START, on("phone", "ada"), rule=BY_DEVICE)
    more = RULE._replace(segments=("place", "device"))
    event = on("phone", "bob")._replace(context={"device": "phone", "place": "home"})
    store.apply(START, event, rule=more)
    assert store.of().users == 2
    assert parts(store) == {"device=phone": (2, 2, 0), "place=home": (1, 1, 0)}
    four = RULE._replace(segments=("a", "b", "c", "d"))
    store.apply(START, on(None, "eve"), rule=four)
    assert list(store.versions()[SHOP].segments) == ["device", "place", "a"]


@given(st.lists(st.tuples(st.sampled_from("abcde"), VALUES, VALUES), max_size=60))
def test_codes_are_bounded_and_name_what_they_stand_for(rows: list[tuple[str, Any, Any]]) -> None:
    known: Values = {}
    before = []
    for name, one, other in rows:
        context = {name: one, "device": other}
        code, _ = code_of(known, (name, "device"), {k: v for k, v in context.items() if v})
        assert 0 <= code < CODES
        before.append((code, [named(known, place) for place in places_of(code)]))
    assert len(known) <= 3
    assert all(len(values) <= 10 for values in known.values())
    for code, names in before:
        found = [named(known, place) for place in places_of(code)]
        assert None not in found
        assert found == names, "a value keeps its place"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob"]), st.sampled_from(["phone", "tablet", True, None]),
            st.integers(0, 5), st.booleans(),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_sums_of_segments_do_not_depend_on_the_order(
    rows: list[tuple[str, Any, int, bool]],
) -> None:
    events = [
        on(device, user, START + at) if shown else purchase(user, START + at)
        for user, device, at, shown in rows
    ]
    # The same values first, so that they have the same places.
    first = [on(value, "eve") for value in ("phone", "tablet", True, None)]
    together, apart = Memory(), Memory()
    together.apply(START, *first, *events, rule=BY_DEVICE)
    apart.apply(START, *first, rule=BY_DEVICE)
    for event in reversed(events):
        apart.apply(START, event, rule=BY_DEVICE)
    assert together.of().parts == apart.of().parts
    total = together.of()
    assert sum(part[0] for part in total.parts.values()) >= total.users
    columns = zip(*(part[1:6] for part in total.parts.values()), strict=True)
    assert [sum(column) for column in columns] == total.sums[:5]


@pytest.mark.parametrize(
    "segments",
    [5, {"a": 1}, {"a": ["x"] * 11}, {"a": [1]}, {"A!": []}, {"a": [], "b": [], "c": [], "d": []}],
)
def test_an_index_with_other_segments_is_damaged(segments: object) -> None:
    store = Memory()
    store.apply(START, on("phone", "ada"), rule=BY_DEVICE)
    assert store.index is not None
    index = VersionIndex.decode(store.index)
    index.versions[SHOP].segments = segments  # type: ignore[assignment]
    with pytest.raises(Damaged):
        VersionIndex.decode(index.encode())


@pytest.mark.parametrize(
    "text",
    [
        b'[1,"",[["a",1,1,[1,1,5,0],[1728]]],[]]',
        b'[1,"",[["a",1,1,[1,1,5,0],[-1]]],[]]',
        b'[1,"",[["a",1,1,[1,1,5,0],[1,1]]],[]]',
        b'[1,"",[["a",1,1,[1,1,5,0],["x"]]],[]]',
    ],
)
def test_a_user_with_other_segments_is_damaged(text: bytes) -> None:
    with pytest.raises(Damaged):
        PredictedUser.decode(text)


def test_sums_with_a_part_of_a_segment_are_damaged() -> None:
    store = Memory()
    store.apply(START, on("phone", "ada"), rule=BY_DEVICE)
    text = store.sums[SHOP, DAY0]
    assert OutcomeSums.decode(text).parts
    with pytest.raises(Damaged):
        OutcomeSums.decode(text.rsplit(" ", 1)[0])


def test_features_for_segments_come_before_those_for_fairness() -> None:
    features = [
        {"name": "device", "kind": "Categorical", "fairness": True},
        {"name": "city", "kind": "Categorical", "segments": True, "servedAs": "home"},
        {"name": "hour", "kind": "Numeric", "segments": True},
        {"name": "app", "kind": "Boolean", "fairness": True},
        {"name": "page", "kind": "Categorical", "segments": True},
        {"name": "shop", "kind": "Categorical"},
        {"name": "member", "kind": "Boolean", "segments": True, "fairness": True},
    ]
    interactions = MAPPING["interactions"] | {"features": features}
    made = model({**MAPPING, "interactions": interactions})
    assert made.told_segments == ("page", "member", "hour")
    assert made.segments == ("page", "member"), "the band of a number is not in the context"


def test_the_features_are_those_of_the_context_with_fairness_and_named_values() -> None:
    features = [
        {"name": "device", "kind": "Categorical", "fairness": True},
        {"name": "hour", "kind": "Numeric", "fairness": True},
        {"name": "campaign", "kind": "Categorical"},
        {"name": "page", "kind": "Categorical", "fairness": True, "servedAs": "home"},
        {"name": "member", "kind": "Boolean", "fairness": True},
        {"name": "shop", "kind": "Categorical", "fairness": True},
        {"name": "city", "kind": "Categorical", "fairness": True},
    ]
    label = {
        "positiveTypes": [{"type": "purchase"}],
        "attribution": {"impressions": ["impression"], "hours": 2},
    }
    interactions = MAPPING["interactions"] | {"features": features}
    rule = LabelRule.of_model(model({**MAPPING, "interactions": interactions, "label": label}))
    assert rule is not None
    assert rule.segments == ("device", "member", "shop")
    assert rule.name == rule._replace(segments=()).name, "sums do not start again"
