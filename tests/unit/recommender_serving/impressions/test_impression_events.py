"""Answers become impressions that the collector reads."""

from __future__ import annotations

import dataclasses
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain import cloud_events
from recommender_collector.domain.batch_validation import Batch, validate_batch
from recommender_collector.domain.events import Event, Exposure
from recommender_collector.domain.lines import entry_of
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules
from recommender_contract.events import MAX_ITEMS, Kind, Source
from recommender_contract.features import Kind as FeatureKind
from recommender_serving.domain.features import MAX_NUMBER, Feature, Place, Value
from recommender_serving.domain.types import NOBODY, Answer
from recommender_serving.experiments.assignment import Assignment
from recommender_serving.impressions.impression_events import (
    AnsweredRequest,
    Mark,
    Origin,
    Shown,
    bodies,
    sampled,
    shown,
)
from tests.unit.recommender_collector.collector_samples import mapping, model, rules
from tests.unit.recommender_serving.serving_samples import SHOP, request, vocabulary_of

AT = 1_795_000_000.25
FEATURES = vocabulary_of(SHOP).features
ORIGIN = Origin("shop", "shop-1", "shop-1/0f")
ANSWER = Answer((1, 2), (0.9, 0.8), Source.BASELINE)
DEVICE = {"name": "device", "kind": "Categorical"}


def impression(**changes: Any) -> Shown | None:
    return shown(
        AnsweredRequest(request(user_text="ada", **changes), ANSWER, ["tea", "cup"], "r-1", AT),
        FEATURES,
    )


def kept(batch: Batch) -> Event:
    """What the log has of the first event."""
    event = entry_of(batch.events["shop"].lines.text)
    assert isinstance(event, Event)
    return event


def read(found: Shown | None, of: Rules) -> Event:
    """What the collector keeps of an impression."""
    assert found is not None
    ((count, body),) = bodies([(7, found)], ORIGIN, 10_000)
    batch = validate_batch(json.loads(body), {"shop": of, "news": of}, AT + 1, cloud_events.unwrap)
    assert (count, batch.rejected) == (1, [])
    return kept(batch)


def test_the_collector_reads_what_was_answered() -> None:
    found = impression(session_id="s-1", features={"device": "phone", "plan": "gold"})
    kept = read(found, rules(mapping(features=[DEVICE])))
    assert kept == Event(
        "shop-1/0f 7", Kind.IMPRESSION, "ada", ("tea", "cup"), int(AT * 1000), None, "r-1", "s-1",
        None, {"device": "phone"}, "shop-1", "baseline",
    )  # fmt: skip


LABELLED = rules(
    {
        **mapping(),
        "label": {
            "positiveTypes": [{"type": "purchase"}],
            "attribution": {"impressions": ["impression"], "hours": 24},
        },
    }
)


def predicted(answer: Answer, items: list[str], predicts: bool = True) -> Event:
    """What the collector keeps of an answer whose label is attributed to impressions."""
    found = shown(AnsweredRequest(request(user_text="ada"), answer, items, "r-1", AT), FEATURES)
    assert found is not None
    ((_, body),) = bodies([(7, found)], ORIGIN._replace(predicts=predicts), 10_000)
    batch = validate_batch(json.loads(body), {"shop": LABELLED}, AT + 1, cloud_events.unwrap)
    assert batch.rejected == []
    return kept(batch)


def test_an_answer_of_the_model_says_its_probabilities() -> None:
    of_model = Answer((1, 2), (0.123456789, 1.0000001), Source.MODEL)
    assert predicted(of_model, ["tea", "cup"]).probabilities == (0.123457, 1.0)
    assert predicted(of_model, ["tea", "cup"], predicts=False).probabilities is None


def test_only_the_model_predicts_and_each_probability_has_its_item() -> None:
    assert predicted(ANSWER, ["tea", "cup"]).probabilities is None
    of_model = dataclasses.replace(ANSWER, source=Source.MODEL)
    assert predicted(of_model, ["tea", "\n"]).probabilities is None


def test_the_first_items_have_probabilities() -> None:
    many = Answer(tuple(range(30)), (0.5,) * 30, Source.MODEL)
    kept = predicted(many, [f"i{place}" for place in range(30)])
    assert (len(kept.items), len(kept.probabilities or ())) == (30, 20)


def test_candidates_that_the_model_did_not_score_are_not_said_to_be_hopeless() -> None:
    partly = Answer((1, 2, 3), (0.9, 0.0, 0.0), Source.MODEL, unscored=2)
    kept = predicted(partly, ["tea", "cup", "pot"])
    assert (len(kept.items), kept.probabilities) == (3, (0.9,))


def test_an_item_without_probability_that_is_refused_leaves_the_others_theirs() -> None:
    items = [f"i{place}" for place in range(30)]
    many = Answer(tuple(range(30)), (0.5,) * 30, Source.MODEL)
    assert len(predicted(many, [*items[:25], "\n", *items[26:]]).probabilities or ()) == 20
    assert predicted(many, [*items[:5], "\n", *items[6:]]).probabilities is None


def test_a_user_of_hashed_ids_is_not_hashed_again() -> None:
    pseudonym = Pseudonyms(b"0123456789abcdef")
    hashing = Rules(model(hashUsers=True), pseudonym)
    found = shown(
        AnsweredRequest(request(user_text=pseudonym("ada")), ANSWER, ["tea", "cup"], "r-1", AT),
        FEATURES,
    )
    assert read(found, hashing).user == pseudonym("ada")


def test_numbers_stay_numbers() -> None:
    numbers = rules({**mapping(), "ids": {"user": "Integer", "item": "Integer"}})
    found = shown(AnsweredRequest(request(user_id=5), ANSWER, ANSWER.items, "r-1", AT), FEATURES)
    kept = read(found, numbers)
    assert (kept.user, kept.items) == (5, (1, 2))


@pytest.mark.parametrize(
    "changes",
    [
        {"user_id": NOBODY},
        {"user_id": -1},
        {"user_id": 10**18},
        {"user_text": "smoke.recommender.dev"},
    ],
)
def test_answers_to_nobody_are_no_impressions(changes: dict[str, Any]) -> None:
    assert (
        shown(AnsweredRequest(request(**changes), ANSWER, ANSWER.items, "r", AT), FEATURES) is None
    )


def test_an_answer_without_items_is_no_impression() -> None:
    assert (
        shown(AnsweredRequest(request(), Answer((), (), Source.MODEL), (), "r", AT), FEATURES)
        is None
    )


@pytest.mark.parametrize("bad", ["", "é", "a\nb", "x" * 129])
def test_ids_that_the_collector_refuses_are_left_out(bad: str) -> None:
    found = shown(
        AnsweredRequest(request(user_text="ada", session_id=bad), ANSWER, ["tea"], bad, AT),
        FEATURES,
    )
    kept = read(found, rules())
    assert (kept.request, kept.session) == (None, None)


def test_an_impression_has_at_most_as_many_items_as_the_collector_takes() -> None:
    items = list(range(600))
    found = shown(AnsweredRequest(request(), ANSWER, items, "r", AT), FEATURES)
    assert found is not None
    assert found.items == items[:MAX_ITEMS]


def context_of(value: Value, kind: FeatureKind, **bounds: float) -> object:
    """What the collector keeps of a value of the context; None if nothing."""
    low, high = bounds.get("minimum", -MAX_NUMBER), bounds.get("maximum", MAX_NUMBER)
    feature = Feature("mood", Place.CONTEXT, kind, low=low, high=high)
    asked = request(user_text="ada", features={"mood": value})
    found = shown(AnsweredRequest(asked, ANSWER, ["tea"], "r", AT), {"mood": feature})
    declared = {"name": "mood", "kind": kind.value, **bounds}
    kept = read(found, rules(mapping(features=[declared]))).context
    return None if kept is None else kept["mood"]


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        ("phone", FeatureKind.CATEGORICAL, "phone"),
        ("true", FeatureKind.BOOLEAN, True),
        ("false", FeatureKind.BOOLEAN, False),
        (-2.5, FeatureKind.NUMERIC, -2.5),
        (1_700_000_000, FeatureKind.TIMESTAMP, 1_700_000_000),
    ],
)
def test_the_collector_reads_each_kind_of_feature(
    value: Value, kind: FeatureKind, kept: object
) -> None:
    found = context_of(value, kind)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a\nb", FeatureKind.CATEGORICAL),
        ("\ud800", FeatureKind.CATEGORICAL),
        ("x" * 65, FeatureKind.CATEGORICAL),
        (1.1e15, FeatureKind.NUMERIC),
        (-1.1e15, FeatureKind.NUMERIC),
    ],
)
def test_values_that_the_collector_refuses_are_left_out(value: Value, kind: FeatureKind) -> None:
    assert context_of(value, kind) is None


def test_the_bounds_of_the_declaration_go_before_those_of_the_collector() -> None:
    assert context_of(10, FeatureKind.NUMERIC, maximum=10) == 10
    assert context_of(11, FeatureKind.NUMERIC, maximum=10) is None
    assert context_of(-10, FeatureKind.NUMERIC, minimum=-10) == -10
    assert context_of(-11, FeatureKind.NUMERIC, minimum=-10) is None


def test_items_that_the_collector_refuses_are_left_out() -> None:
    numbers = rules({**mapping(), "ids": {"user": "Integer", "item": "Integer"}})
    items = [-1, *range(1, 500), 10**18, 10**18 - 1, 7]
    found = shown(AnsweredRequest(request(user_id=5), ANSWER, items, "r", AT), FEATURES)
    assert read(found, numbers).items == (*range(1, 500), 10**18 - 1)
    assert (
        shown(AnsweredRequest(request(user_id=5), ANSWER, [-1, 10**18], "r", AT), FEATURES) is None
    )
    texts = shown(
        AnsweredRequest(request(user_text="ada"), ANSWER, ["é", "a\nb", "x" * 257], "r", AT),
        FEATURES,
    )
    assert read(texts, rules()).items == ("é",)


@given(st.floats(0, 1))
def test_a_share_is_that_share_of_the_requests(share: float) -> None:
    count = sum(sampled(f"r-{number}", share) for number in range(2000))
    assert abs(count / 2000 - share) < 0.06


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_the_requests_of_a_smaller_one(
    id_: str, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert sampled(id_, high) or not sampled(id_, low)
    assert sampled(id_, 1)
    assert not sampled(id_, 0)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(500, 3000))
def test_requests_have_all_impressions_in_order_within_their_size(
    counts: list[int], most: int
) -> None:
    given_ = [
        (number, Shown(number, list(range(count)), AT, "model", None, None, {}))
        for number, count in enumerate(counts)
    ]
    found = list(bodies(given_, ORIGIN, most))
    sent = list(itertools.chain.from_iterable(json.loads(body) for _, body in found))
    assert [each["id"] for each in sent] == [str(number) for number in range(len(counts))]
    assert [len(each["data"]["items"]) for each in sent] == counts
    for count, body in found:
        assert len(json.loads(body)) == count
        assert len(body) <= most or count == 1


def test_an_impression_of_an_experiment_says_so_and_another_one_does_not() -> None:
    assignment = Assignment("0a1b2c3d", 3, 250.0, "shop-2")
    told = []
    for each in (assignment, None):
        found = shown(
            AnsweredRequest(request(user_text="ada"), ANSWER, ["tea"], "r-1", AT, assignment=each),
            FEATURES,
        )
        assert found is not None
        ((_, body),) = bodies([(7, found)], ORIGIN, 10_000)
        told.append(json.loads(body)[0]["data"])
    stamp = {"experiment": "0a1b2c3d", "phase": 3, "cap": 250.0, "arm": "shop-2"}
    assert told[0] == told[1] | stamp
    assert not set(stamp) & set(told[1])


SEGMENTS = (("age", "unknown"), ("device", "phone"))


def test_the_collector_reads_the_experiment_of_an_impression() -> None:
    assignment = Assignment("0a1b2c3d", 3, 250.0, "shop-00000002")
    found = shown(
        AnsweredRequest(
            request(user_text="ada"), ANSWER, ["tea"], "r-1", AT, assignment=assignment
        ),
        FEATURES,
    )
    assert found is not None
    exposure = Exposure("0a1b2c3d", 3, "shop-00000002", 250.0)
    assert read(found, rules(mapping())).exposure == exposure
    divided = found._replace(assignment=assignment._replace(segments=SEGMENTS))
    assert read(divided, rules(mapping())).exposure == exposure._replace(segments=SEGMENTS)


@pytest.mark.parametrize("items", [[], ["x" * 257]])
def test_in_an_experiment_an_answer_without_items_counts(items: list[str]) -> None:
    assignment = Assignment("0a1b2c3d", 3, 250.0, "shop-00000002")
    nothing = Answer((), (), Source.MODEL)
    asked = request(user_text="ada")
    kept = read(
        shown(AnsweredRequest(asked, nothing, items, "r-1", AT, assignment=assignment), FEATURES),
        rules(mapping()),
    )
    assert (kept.items, kept.exposure is not None) == ((), True)
    assert shown(AnsweredRequest(asked, nothing, items, "r-1", AT), FEATURES) is None
    nobody = request(user_id=NOBODY, session_id="s-1")
    assert (
        shown(AnsweredRequest(nobody, nothing, items, "r-1", AT, assignment=assignment), FEATURES)
        is None
    )


def test_answers_with_one_mark_are_one_event_whoever_reports_them() -> None:
    assignment, mark = Assignment("0a1b2c3d", 3, 250.0, "shop-2"), Mark("shop-1/0f", 3)
    asked, ids = request(user_text="ada"), set()
    for number, origin in ((7, ORIGIN), (8, Origin("shop", "shop-2", "shop-2/0e"))):
        found = shown(
            AnsweredRequest(asked, ANSWER, ["tea"], "r-1", AT, assignment=assignment, mark=mark),
            FEATURES,
        )
        assert found is not None
        ((_, body),) = bodies([(number, found)], origin, 10_000)
        (event,) = json.loads(body)
        ids.add((event["source"], event["id"]))
    assert ids == {("shop-1/0f", "3")}
