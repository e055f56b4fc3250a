"""A query means to the server what it says; answers that are none are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_client import BadAnswer, Event, Query
from recommender_client.messages import recommendations
from recommender_serving.protocols.request_limits import INSTANCE_FIELDS
from tests.unit.recommender_serving.serving_parsing import LIMITS, v1

QUERY = Query(user_id="ada", session_id="s-1")
RULED = dataclasses.replace(LIMITS, item_features=("genre",))


def test_a_query_has_every_field_of_an_instance() -> None:
    assert {each.name for each in dataclasses.fields(Query)} == set(INSTANCE_FIELDS)


def test_the_server_reads_what_a_query_says() -> None:
    query = Query(
        user_id=5,
        session=[Event(1, 10, 4.0), Event(2, 11)],
        top_n=3,
        user={"age": 24},
        seed_items=(7,),
        candidate_items=[8, 9],
        excluded_items={9},  # type: ignore[arg-type]  # any collection will do
        allow={"genre": ("drama",)},
        deny={"genre": ["war"]},
        session_id="s",
        timestamp=12,
    )
    read = v1(RULED, **query.instance())
    assert read == v1(
        RULED,
        user_id=5,
        session=[
            {"item": 1, "timestamp": 10, "value": 4.0},
            {"item": 2, "timestamp": 11},
        ],
        top_n=3,
        user={"age": 24},
        seed_items=[7],
        candidate_items=[8, 9],
        excluded_items=[9],
        allow={"genre": ["drama"]},
        deny={"genre": ["war"]},
        session_id="s",
        timestamp=12,
    )


def test_what_is_absent_is_not_sent() -> None:
    assert Query(user_id=5).instance() == {"user_id": 5}
    assert Query(session=[Event(1)]).instance() == {"session": [{"item": 1}]}


def test_no_candidates_at_all_are_sent_so_that_the_server_can_refuse_them() -> None:
    assert Query(user_id=5, candidate_items=[]).instance()["candidate_items"] == []


PREDICTION = {
    "items": ["a"], "scores": [0.5], "score_kind": "probability", "source": "model",
    "version": "v", "request_id": "r", "of a newer server": 1,
}  # fmt: skip


def test_unknown_fields_of_newer_servers_are_ignored() -> None:
    (found,) = recommendations({"predictions": [PREDICTION]}, [QUERY])
    assert (found.items, found.scores, found.request_id) == (("a",), (0.5,), "r")


def test_an_answer_has_the_arm_of_its_user_while_an_experiment_runs() -> None:
    (before,) = recommendations({"predictions": [PREDICTION]}, [QUERY])
    (during,) = recommendations({"predictions": [PREDICTION | {"arm": "w"}]}, [QUERY])
    assert (before.arm, during.arm) == (None, "w")


@pytest.mark.parametrize(
    "body",
    [
        [],
        None,
        {},
        {"predictions": None},
        {"predictions": []},
        {"predictions": [{}]},
        {"predictions": [PREDICTION | {"scores": []}]},
        {"predictions": [PREDICTION | {"items": None}]},
        {"predictions": [PREDICTION, PREDICTION]},
    ],
)
def test_an_answer_of_another_form_is_refused(body: Any) -> None:
    with pytest.raises(BadAnswer):
        recommendations(body, [QUERY])


def test_events_about_an_answer_carry_its_request_its_user_and_its_session() -> None:
    (answer,) = recommendations({"predictions": [PREDICTION]}, [QUERY])
    made = [
        answer.impression(),
        answer.impression(["a", "z"]),
        answer.visit("a"),
        answer.click("a"),
        answer.basket("a"),
        answer.purchase("a", 4.5),
        answer.dwell("a", 12),
        answer.dislike("a", session="s-2", time=5.0),
    ]
    assert {(each.user, each.request, each.version, each.path, each.hashed) for each in made} == {
        ("ada", "r", "v", "model", True)
    }
    assert [each.session for each in made] == ["s-1"] * 7 + ["s-2"]
    assert [each.items for each in made] == [("a",), ("a", "z"), *[("a",)] * 6]
    assert [each.kind.value for each in made] == [
        "impression", "impression", "visit", "click", "basket", "purchase", "dwell", "dislike",
    ]  # fmt: skip
    assert [made[5].value, made[6].value, made[7].time] == [4.5, 12, 5.0]
    assert len({each.id for each in made}) == 8


def test_an_answer_without_a_user_has_no_events() -> None:
    (answer,) = recommendations({"predictions": [PREDICTION]}, [Query(seed_items=["a"])])
    with pytest.raises(ValueError, match="the query had no user"):
        answer.click("a")
