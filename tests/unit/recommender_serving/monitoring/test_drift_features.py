"""A served session falls into the bins that the contract's table names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.artifact.loader import load
from recommender_serving.domain.types import Answer, SessionEvent
from recommender_serving.monitoring.drift_features import Bins, row_of
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    HISTORY_LENGTH,
    NOW,
    REFERENCE,
    SHOP,
    VOCABULARY,
    bins_of,
    categorical,
    numeric,
    request,
    sample_artifact,
    session,
    write_files,
)

BY_MODEL = Answer((1, 2), (0.6, 0.4), Source.MODEL)
OF_SHOP = REFERENCE | {
    "features": [
        categorical("member", ["false", "true"], [40, 60]),
        numeric("spend", [-10.5, 20.0], [10, 60, 30]),
        categorical("device", ["phone"], [50], others=40),
        categorical("last_brand", ["a", "b"], [50, 50]),
        categorical("last_aisle", ["food", "garden"], [50, 40], others=10),
    ]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artifact")
    write_files(path)
    return path


@pytest.fixture(scope="module")
def place(folder: Path) -> Callable[..., dict[str, str]]:
    bins = Bins(load(folder))

    def of(answer: Answer = BY_MODEL, **changes: Any) -> dict[str, str]:
        return dict(bins.place(request(**changes), answer))

    return of


@pytest.mark.parametrize(
    ("changes", "feature", "expected"),
    [
        ({}, "age", "null"),
        ({"features": {"age": 19.0}}, "age", "0"),
        ({"features": {"age": 20.0}}, "age", "1"),  # an edge belongs to the bin above it
        ({"features": {"age": 40.0}}, "age", "2"),
        ({}, "gender", "null"),
        ({"features": {"gender": "M"}}, "gender", "1"),
        ({"features": {"gender": "X"}}, "gender", "unknown"),
        ({"features": {"occupation": "student"}}, "occupation", "0"),
        ({"features": {"occupation": "artist"}}, "occupation", "other"),
        ({"features": {"occupation": "pilot"}}, "occupation", "unknown"),
        ({}, "session_length", "0"),
        ({"session": session(1)}, "session_length", "1"),
        ({"session": session(*range(9))}, "session_length", "2"),
        ({}, "mean_value", "null"),
        ({"session": session(1, 2, value=0.0)}, "mean_value", "null"),
        ({"session": session(1, 2, value=2.5)}, "mean_value", "0"),
        ({"session": session(1, 2, value=3.0)}, "mean_value", "1"),
        ({}, "last_genre", "null"),
        ({"session": session(3, 4)}, "last_genre", "1"),
        ({"session": session(4, 999)}, "last_genre", "unknown"),
    ],
)
def test_a_request_falls_into_its_bin(
    place: Callable[..., dict[str, str]], changes: dict[str, Any], feature: str, expected: str
) -> None:
    assert place(**changes)[feature] == expected


@pytest.mark.parametrize("source", Source)
def test_only_the_score_of_the_model_counts(
    place: Callable[..., dict[str, str]], source: Source
) -> None:
    placed = place(Answer((1,), (0.6,), source))["top_score"]
    assert placed == ("1" if source is Source.MODEL else "null")


def test_only_strictly_earlier_events_count(folder: Path) -> None:
    events = (*session(3), SessionEvent(4, NOW, 1.0), SessionEvent(5, NOW + 1, 1.0))
    row = row_of(request(session=events), BY_MODEL, load(folder).vocabulary)
    assert row["session_length"] == (1,)
    assert (row["mean_value"], row["last_genre"]) == ((4.0,), ("action",))


@pytest.mark.parametrize("items", [(3, 4, 5), (5, 3, 4)])
def test_the_order_of_the_items_of_one_page_does_not_matter(
    folder: Path, items: tuple[int, ...]
) -> None:
    vocabulary = load(folder).vocabulary
    page = tuple(SessionEvent(item, NOW - 5, 1.0) for item in items)
    shown = row_of(request(session=(SessionEvent(1, NOW - 9, 1.0), *page)), BY_MODEL, vocabulary)
    last = row_of(request(session=(SessionEvent(5, NOW - 5, 1.0),)), BY_MODEL, vocabulary)
    assert shown["last_genre"] == last["last_genre"]


def test_unknown_values_are_left_out_of_the_mean(folder: Path) -> None:
    events = (*session(1, 2, value=0.0), SessionEvent(3, NOW - 1, 3.0))
    row = row_of(request(session=events), BY_MODEL, load(folder).vocabulary)
    assert row["mean_value"] == (3.0,)


def test_the_length_is_capped_at_the_history(folder: Path) -> None:
    row = row_of(request(session=session(*range(40))), BY_MODEL, load(folder).vocabulary)
    assert row["session_length"] == (HISTORY_LENGTH,)


def test_an_item_without_a_category_is_unknown(tmp_path: Path) -> None:
    changed = copy.deepcopy(VOCABULARY)
    changed["items"]["features"][0]["primary"][5] = -1
    artifact = sample_artifact(tmp_path, vocabulary=changed)
    placed = dict(Bins(artifact).place(request(session=session(5)), BY_MODEL))
    assert placed["last_genre"] == "unknown"


def test_a_category_that_the_vocabulary_lost_is_unknown_as_the_model_sees_it(
    tmp_path: Path,
) -> None:
    changed = copy.deepcopy(VOCABULARY)
    changed["features"][1]["categories"] = ["woman", "man"]
    artifact = sample_artifact(tmp_path, vocabulary=changed)
    placed = dict(Bins(artifact).place(request(features={"gender": "M"}), BY_MODEL))
    assert placed["gender"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "feature", "expected"),
    [
        ({"features": {"member": "true"}}, "member", "1"),
        ({"features": {"spend": -3.5}}, "spend", "1"),
        ({"features": {"device": "phone"}}, "device", "0"),
        ({"features": {"device": "desktop"}}, "device", "other"),
        ({"features": {"device": "watch"}}, "device", "unknown"),
        ({}, "device", "null"),
        ({"session": session(3)}, "last_brand", "1"),
        ({"session": session(2)}, "last_aisle", "other"),
        ({"session": session(CATALOGUE)}, "last_aisle", "unknown"),
        ({}, "last_aisle", "null"),
    ],
)
def test_the_features_of_any_declaration_fall_into_their_bins(
    tmp_path: Path, changes: dict[str, Any], feature: str, expected: str
) -> None:
    artifact = sample_artifact(tmp_path, vocabulary=SHOP, reference=OF_SHOP)
    assert dict(Bins(artifact).place(request(**changes), BY_MODEL))[feature] == expected


def test_the_reference_has_every_bin_with_its_count(folder: Path) -> None:
    reference = {(name, place): n for name, place, n in Bins(load(folder)).reference()}
    assert reference["age", "1"] == 50
    assert reference["gender", "unknown"] == 2
    assert reference["mean_value", "null"] == 10
    assert reference["occupation", "other"] == 50
    assert reference == {
        (feature["name"], place): count
        for feature in REFERENCE["features"]
        for place, count in bins_of(feature).items()
    }


@given(
    st.floats(0, 150) | st.none(),
    st.sampled_from(["F", "M", "?", None]),
    st.lists(st.tuples(st.integers(0, 60), st.floats(-5, 5)), max_size=30),
    st.floats(0, 1),
)
def test_every_row_falls_into_one_existing_bin_a_feature(
    folder: Path,
    age: float | None,
    gender: str | None,
    events: list[tuple[int, float]],
    score: float,
) -> None:
    bins = Bins(load(folder))
    known = {(name, place) for name, place, _ in bins.reference()}
    seen = tuple(SessionEvent(item, NOW - 40 + i, v) for i, (item, v) in enumerate(events))
    answer = Answer((1,), (score,), Source.MODEL)
    given = {"age": age, "gender": gender}
    features = {name: value for name, value in given.items() if value is not None}
    placed = list(bins.place(request(features=features, session=seen), answer))
    assert set(placed) <= known
    assert [name for name, _ in placed] == [f["name"] for f in REFERENCE["features"]]


def test_a_reference_without_design_effects_speaks_of_independent_sessions(folder: Path) -> None:
    bins = Bins(load(folder))
    assert set(bins.design_effects().values()) == {1.0}
    assert set(bins.missing_design_effects().values()) == {1.0}


@pytest.mark.parametrize(("written", "read"), [(1e6, 1e6), (2.5e6, 1e6), (3, 3.0)])
def test_a_design_effect_of_any_size_is_no_reason_to_refuse_a_model(
    tmp_path: Path, written: float, read: float
) -> None:
    known = numeric("spend", [], [7]) | {"designEffect": written, "missingDesignEffect": written}
    reference = REFERENCE | {"features": [known]}
    bins = Bins(sample_artifact(tmp_path, vocabulary=SHOP, reference=reference))
    assert bins.design_effects() == bins.missing_design_effects() == {"spend": read}
