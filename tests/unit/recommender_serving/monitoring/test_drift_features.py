"""A served session falls into the bins that the contract's table names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_serving.artifact.loader import load
from recommender_serving.domain.types import Answer, SessionEvent, Source
from recommender_serving.monitoring.drift_features import Bins, row_of
from tests.unit.recommender_serving.serving_samples import (
    HISTORY_LENGTH,
    NOW,
    REFERENCE,
    request,
    sample_artifact,
    session,
    write_files,
)

BY_MODEL = Answer((1, 2), (0.6, 0.4), Source.MODEL)


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
        ({"age": 19}, "age", "0"),
        ({"age": 20}, "age", "1"),  # an edge belongs to the bin above it
        ({"age": 40}, "age", "2"),
        ({}, "gender", "null"),
        ({"gender": "M"}, "gender", "1"),
        ({"gender": "X"}, "gender", "unknown"),
        ({"occupation": "artist"}, "occupation", "0"),
        ({"occupation": "pilot"}, "occupation", "unknown"),
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
    assert (row.session_length, row.mean_value, row.last_genre) == (1, 4.0, "action")


def test_unknown_values_are_left_out_of_the_mean(folder: Path) -> None:
    events = (*session(1, 2, value=0.0), SessionEvent(3, NOW - 1, 3.0))
    assert row_of(request(session=events), BY_MODEL, load(folder).vocabulary).mean_value == 3.0


def test_the_length_is_capped_at_the_history(folder: Path) -> None:
    row = row_of(request(session=session(*range(40))), BY_MODEL, load(folder).vocabulary)
    assert row.session_length == HISTORY_LENGTH


def test_an_item_without_a_genre_is_unknown(tmp_path: Path) -> None:
    artifact = sample_artifact(tmp_path)
    artifact.vocabulary.genre_of[5] = None
    placed = dict(Bins(artifact).place(request(session=session(5)), BY_MODEL))
    assert placed["last_genre"] == "unknown"


def test_a_category_that_the_vocabulary_lost_is_unknown_as_the_model_sees_it(
    tmp_path: Path,
) -> None:
    artifact = sample_artifact(tmp_path)
    artifact.vocabulary.genders.clear()
    assert dict(Bins(artifact).place(request(gender="M"), BY_MODEL))["gender"] == "unknown"


def test_the_reference_has_every_bin_with_its_count(folder: Path) -> None:
    reference = {(name, place): n for name, place, n in Bins(load(folder)).reference()}
    assert reference["age", "1"] == 50
    assert reference["gender", "unknown"] == 2
    assert reference["mean_value", "null"] == 10
    expected = sum(len(feature["counts"]) + 2 for feature in REFERENCE["features"])
    assert len(reference) == expected


@given(
    st.integers(0, 150) | st.none(),
    st.sampled_from(["F", "M", "?", None]),
    st.lists(st.tuples(st.integers(0, 60), st.floats(-5, 5)), max_size=30),
    st.floats(0, 1),
)
def test_every_row_falls_into_one_existing_bin_a_feature(
    folder: Path,
    age: int | None,
    gender: str | None,
    events: list[tuple[int, float]],
    score: float,
) -> None:
    bins = Bins(load(folder))
    known = {(name, place) for name, place, _ in bins.reference()}
    seen = tuple(SessionEvent(item, NOW - 40 + i, v) for i, (item, v) in enumerate(events))
    answer = Answer((1,), (score,), Source.MODEL)
    placed = list(bins.place(request(age=age, gender=gender, session=seen), answer))
    assert set(placed) <= known
    assert [name for name, _ in placed] == [f["name"] for f in REFERENCE["features"]]


def test_a_reference_without_design_effects_speaks_of_independent_sessions(folder: Path) -> None:
    assert set(Bins(load(folder)).design_effects().values()) == {1.0}
