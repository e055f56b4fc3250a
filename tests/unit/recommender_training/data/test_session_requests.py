"""Requests and reference counts: one row per session, as the contract defines them."""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.artifact import reference
from recommender_training.data.sessions import SESSION_GAP, sample_session_requests
from recommender_training.data.version_content import Tables
from recommender_training.export import tensors
from recommender_training.ingestion import raw


def frames(
    rows: list[tuple[int, int, float, int]],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    schema = {"user_id": pl.Int64, "item_id": pl.Int64, "value": pl.Float32, "timestamp": pl.Int64}
    users = pl.DataFrame(
        {"user_id": [1, 2], "age": [30.0, None], "gender": ["F", "M"], "occupation": ["x", None]}
    )
    return (
        pl.DataFrame(rows, schema=schema, orient="row"),
        users,
        pl.DataFrame({"item_id": list(range(10))}),
    )


rows = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.integers(0, 9),
        st.sampled_from([1.0, 4.0]),
        st.integers(0, 9000),
    ),
    max_size=40,
)


@given(rows=rows, seed=st.integers(0, 100))
def test_each_session_gives_one_request_with_strictly_earlier_events(
    rows: list[tuple[int, int, float, int]], seed: int
) -> None:
    made = list(
        sample_session_requests(*frames(rows), seed, declared=raw.declaration(), history_length=5)
    )
    sessions = 0
    for user in (1, 2):
        times = sorted(row[3] for row in rows if row[0] == user)
        sessions += bool(times) + sum(b - a >= SESSION_GAP for a, b in itertools.pairwise(times))
    assert len(made) == sessions
    assert len({request["session_id"] for request in made}) == sessions
    for request in made:
        mine = [row for row in rows if row[0] == request["user_id"]]
        earlier = [row for row in mine if row[3] < request["timestamp"]]
        assert request["timestamp"] in {row[3] for row in mine}
        assert len(request["session"]) == min(5, len(earlier))
        times = [event["timestamp"] for event in request["session"]]
        assert times == sorted(times)
        assert times == sorted(row[3] for row in earlier)[len(earlier) - len(times) :]


def test_unknown_attributes_are_omitted_and_the_seed_decides() -> None:
    many = [(1 + n % 2, n % 10, 4.0, n * 100) for n in range(60)]
    made = list(sample_session_requests(*frames(many), 3, declared=raw.declaration()))
    assert {tuple(sorted(r["user"])) for r in made} == {
        ("age", "gender", "occupation"),
        ("gender",),
    }
    assert made == list(sample_session_requests(*frames(many), 3, declared=raw.declaration()))
    assert made != list(sample_session_requests(*frames(many), 4, declared=raw.declaration()))


@given(values=st.lists(st.floats(-1e6, 1e6), max_size=200))
def test_edges_increase_strictly_and_every_value_has_a_bin(values: list[float]) -> None:
    feature = reference.numeric_feature("age", [*values, None])
    edges = feature["edges"]
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert len(feature["counts"]) == len(edges) + 1 <= reference.MAX_BINS
    assert sum(feature["counts"]) == len(values)
    assert feature["nulls"] == 1
    if edges:
        assert feature["counts"][0] == sum(value < edges[0] for value in values) > 0


def test_the_reference_of_an_artifact_counts_each_session_once(
    trained: Any, tables: Tables
) -> None:
    content = json.loads((trained.staged / "reference.json").read_text())
    words = json.loads((trained.staged / "vocabulary.json").read_text())
    requests = list(
        sample_session_requests(
            tables.interactions,
            tables.users,
            tables.items,
            trained.config.seed,
            declared=tables.declaration,
        )
    )
    assert content["sessions"] == len(requests)
    by_name = {feature["name"]: feature for feature in content["features"]}
    assert list(by_name) == [
        "age",
        "gender",
        "occupation",
        "session_length",
        "mean_value",
        "last_genre",
        "top_score",
    ]
    for feature in by_name.values():
        others = feature.get("others", 0)
        total = sum(feature["counts"]) + others + feature["nulls"] + feature["unknowns"]
        assert total == len(requests), feature["name"]
    ages = [0] * len(by_name["age"]["counts"])
    (names,) = (f["categories"] for f in words["features"] if f["name"] == "gender")
    genders = [0] * len(names)
    for request in requests:
        ages[bisect_right(by_name["age"]["edges"], request["user"]["age"])] += 1
        genders[names.index(request["user"]["gender"])] += 1
    assert by_name["age"]["counts"] == ages
    assert by_name["gender"]["counts"] == genders
    assert by_name["top_score"]["nulls"] == 0


def test_unknown_categories_and_items_are_counted_as_unknown() -> None:
    words = {
        "historyLength": 20,
        "features": [
            {"name": "tier", "of": "user", "kind": "Categorical", "categories": ["gold"]},
            {"name": "member", "of": "user", "kind": "Boolean", "categories": ["false", "true"]},
            {"name": "speed", "of": "context", "kind": "Numeric", "edges": [1.0]},
            {"name": "slot", "of": "context", "kind": "Numeric", "edges": [], "servedAs": "1"},
        ],
        "items": {"ids": [1], "features": [{"name": "kind", "categories": ["a"], "primary": [0]}]},
    }
    requests: list[dict[str, Any]] = [
        {
            "user_id": 1,
            "user": {"tier": "gold", "member": True},
            "context": {"speed": 3, "slot": 7},
            "session": [{"item": 1, "timestamp": 1, "value": 0.0}],
        },
        {
            "user_id": 2,
            "user": {"tier": "new", "member": False},
            "session": [{"item": 2, "timestamp": 1, "value": 3.0}],
        },
        {"user_id": 3},
    ]
    features = {f["name"]: f for f in reference.reference(requests, [None] * 3, words)["features"]}
    for name in ("tier", "last_kind"):
        assert features[name]["counts"] == [1]
        assert (features[name]["nulls"], features[name]["unknowns"]) == (1, 1)
    assert features["member"]["counts"] == [1, 1]
    assert features["speed"]["nulls"] == 2
    assert "slot" not in features, "the version sets it, so that it cannot drift"
    assert features["mean_value"]["nulls"] == 2
    assert features["top_score"]["nulls"] == 3


def test_rare_categories_share_a_bin() -> None:
    names = [f"c{number:03}" for number in range(200)]
    values = [code for code in range(200) for _ in range(1 + code % 7)]
    found = reference.categorical_feature("many", names, values)
    kept = [names.index(name) for name in found["categories"]]
    assert len(kept) == reference.MAX_CATEGORIES
    assert kept == sorted(kept)
    assert min(1 + code % 7 for code in kept) == 6, "the most frequent ones"
    assert found["others"] == len(values) - sum(found["counts"])


def test_of_a_large_catalogue_some_sessions_alone_are_asked_for_their_top_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert reference.asked(10_000, 10**9, 17).tolist() == list(range(10_000))
    assert len(reference.asked(200_000, 200_000, 17)) == 50_000
    monkeypatch.setattr(reference, "MAX_SCORES", 400)
    monkeypatch.setattr(reference, "LEAST_ASKED", 30)
    assert reference.asked(100, 4, 17).tolist() == list(range(100))
    places = reference.asked(100, 8, 17)
    assert len(np.unique(places)) == 50
    assert np.array_equal(places, reference.asked(100, 8, 17))
    assert not np.array_equal(places, reference.asked(100, 8, 18))

    words = {"historyLength": 20, "features": [], "items": {"ids": [1], "features": []}}
    # of two users with 50 sessions each, whose scores are all alike
    requests: list[dict[str, Any]] = [{"user_id": number // 50} for number in range(100)]
    scores: list[float | None] = [0.2 if place < 50 else 0.7 for place in places.tolist()]
    found = reference.reference(requests, scores, words, places)
    (top,) = (each for each in found["features"] if each["name"] == "top_score")
    assert found["sessions"] == 100
    assert sum(top["counts"]) == 50
    whole = reference.reference(requests, [0.2] * 50 + [0.7] * 50, words)
    (of_all,) = (each for each in whole["features"] if each["name"] == "top_score")
    assert top["designEffect"] == pytest.approx(of_all["designEffect"] / 2, rel=0.05)


def test_a_batch_of_requests_holds_few_scores_of_a_large_catalogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    class Model(torch.nn.Module):
        def forward(self, user_id: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, ...]:
            sizes.append(len(user_id))
            return user_id, user_id / 100

    words = {"historyLength": 3, "features": [], "items": {"ids": list(range(50)), "features": []}}
    requests: list[dict[str, Any]] = [{"user_id": number, "timestamp": 5} for number in range(70)]
    expected = [pytest.approx(number / 100) for number in range(70)]
    assert tensors.top_scores(Model(), requests, words) == expected
    assert sizes == [32, 32, 6]
    sizes.clear()
    monkeypatch.setattr(tensors, "_SCORES", 150)
    assert tensors.top_scores(Model(), requests, words) == expected
    assert sizes == [3] * 23 + [1]
