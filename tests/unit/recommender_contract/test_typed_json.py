"""Dataclasses are read from JSON by the names of their fields; what is absent is empty."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

import pytest

from recommender_contract.typed_json import at, path_of, read

AT = datetime.datetime(2026, 12, 1, 10, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    weight: int
    ended_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole:
    name: str = dataclasses.field(metadata=at("metric"))
    planned_users: int = dataclasses.field(metadata=at("plan.users"))
    stage: str = "Pending"
    low: float | None
    done: bool
    labels: Mapping[str, str]
    words: tuple[str, ...]
    parts: tuple[Part, ...]
    last: Part | None


EMPTY = Whole(
    name="", planned_users=0, low=None, done=False, labels={}, words=(), parts=(), last=None
)


@pytest.mark.parametrize("body", [None, {}, {"plan": None, "parts": None}, {"unknown": 1}])
def test_what_is_absent_reads_as_empty(body: dict[str, object] | None) -> None:
    assert read(Whole, body) == EMPTY


def test_fields_are_read_by_their_names_in_json_or_by_the_path_that_they_name() -> None:
    part = {"weight": 5, "endedAt": "2026-12-01T10:00:00Z"}
    found = read(
        Whole,
        {
            "metric": "clicks", "plan": {"users": 7}, "stage": "Canary", "low": 0, "done": True,
            "labels": {"a": "b"}, "words": ["x"], "parts": [part, {}], "last": part,
        },
    )  # fmt: skip
    full = Part(weight=5, ended_at=AT)
    assert found == Whole(
        name="clicks", planned_users=7, stage="Canary", low=0, done=True, labels={"a": "b"},
        words=("x",), parts=(full, Part(weight=0, ended_at=None)), last=full,
    )  # fmt: skip


def test_given_fields_are_not_read() -> None:
    given = dataclasses.replace(EMPTY, words=("y",))
    assert read(Whole, {"words": 3}, words=("y",)) == given


def test_a_field_knows_its_path() -> None:
    paths = [path_of(field) for field in dataclasses.fields(Whole)][:2]
    assert paths == [("metric",), ("plan", "users")]
    assert path_of(dataclasses.fields(Part)[1]) == ("endedAt",)
