"""What impressions say of numbers and of users, by which their predictions are compared."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.events import Event
from recommender_collector.domain.file_rows import archive_line
from recommender_collector.domain.lines import entry_of, line_of
from recommender_collector.domain.validation import Rules, event_of
from recommender_collector.outcomes.predictions import LabelRule
from tests.unit.recommender_collector.collector_samples import MAPPING, NOW, click, model, rules
from tests.unit.recommender_collector.outcome_memory import RULE, START, Memory, impression
from tests.unit.recommender_collector.outcomes.test_prediction_segments import parts

LABEL = {
    "positiveTypes": [{"type": "purchase"}],
    "attribution": {"impressions": ["impression"], "hours": 24},
}
DEVICE = {"name": "device", "kind": "Categorical", "fairness": True}
SLOT = {"name": "slot", "kind": "Numeric", "fairness": True}
AGE = {"name": "age", "kind": "Numeric", "fairness": True}
GENDER = {"name": "gender", "kind": "Categorical", "fairness": True}
SHOWN = {"id": "e1", "kind": "impression", "user": "ada", "items": ["tea"], "probabilities": [0.5]}
SAID = {"age": "18-24", "device": "phone"}


def declared(context: list[dict[str, Any]], users: list[dict[str, Any]], **more: Any) -> Rules:
    interactions = {**MAPPING["interactions"], "features": context or None}
    of_users = {**MAPPING["users"], "features": users}
    return rules({**MAPPING, "interactions": interactions, "users": of_users, **more})


OURS = declared([DEVICE], [AGE], label=LABEL)


def told(value: object, of: Rules = OURS) -> tuple[tuple[str, str], ...] | None:
    return event_of({**SHOWN, "labelSegments": value}, of, NOW).label_segments


def test_what_is_said_of_declared_features_is_kept_in_the_log_and_in_the_archive() -> None:
    event = event_of({**SHOWN, "labelSegments": SAID}, OURS, NOW)
    assert event.label_segments == (("age", "18-24"), ("device", "phone"))
    assert entry_of(line_of(event)) == event
    assert orjson.loads(archive_line(event))["labelSegments"] == SAID
    without = event_of(SHOWN, OURS, NOW)
    assert "labelSegments" not in orjson.loads(archive_line(without))


def test_the_log_keeps_nothing_of_a_user_that_is_not_compared() -> None:
    assert told({"age": "18-24", "income": "100000+"}) == (("age", "18-24"),)
    assert told({"income": "100000+"}) is None
    assert told(SAID, declared([DEVICE], [AGE])) is None, "no label is attributed to impressions"
    assert told(SAID, declared([DEVICE], [AGE | {"fairness": False}], label=LABEL)) == (
        ("device", "phone"),
    )
    assert told({}) is None
    assert told(None) is None


@pytest.mark.parametrize("of", [OURS, rules()], ids=["declared", "not"])
@pytest.mark.parametrize(
    "wrong",
    [5, ["age"], {"age": 20}, {"age": ""}, {"age": "x" * 65}, {"Age": "x"}, {"age": "\n"},
     dict.fromkeys("abcd", "x")],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(wrong: object, of: Rules) -> None:
    with pytest.raises(InvalidEvent, match=r"labelSegments: got .*give at most 3 features"):
        told(wrong, of)


def test_only_an_impression_says_it() -> None:
    with pytest.raises(InvalidEvent, match="leave them out of a click"):
        event_of(click(labelSegments=SAID), OURS, NOW)


@pytest.mark.parametrize(
    ("context", "users", "names", "of_context"),
    [
        ([DEVICE], [AGE], ("device", "age"), ("device",)),
        ([SLOT, DEVICE], [AGE, GENDER], ("device", "slot", "age"), ("device",)),
        ([SLOT | {"servedAs": "1"}], [GENDER], ("gender",), ()),
        ([], [AGE | {"fairness": False}, GENDER], ("gender",), ()),
    ],
)
def test_named_values_of_the_context_come_before_numbers_and_users(
    context: list[dict[str, Any]],
    users: list[dict[str, Any]],
    names: tuple[str, ...],
    of_context: tuple[str, ...],
) -> None:
    found = declared(context, users, label=LABEL).model
    assert (found.told_segments, found.segments) == (names, of_context)
    rule = LabelRule.of_model(found)
    assert rule is not None
    assert (rule.told, rule.segments) == (names, of_context)


def test_a_model_without_users_has_none_of_theirs() -> None:
    without = {name: part for name, part in MAPPING.items() if name != "users"}
    assert model(without).told_segments == ()


BY = RULE._replace(segments=("device",), told=("device", "age"))


def seen(user: str, device: str, **said: str) -> Event:
    found = impression(user, START)._replace(context={"device": device})
    return found._replace(label_segments=tuple(said.items())) if said else found


def test_a_prediction_counts_in_each_of_its_segments() -> None:
    store = Memory()
    events = [seen("ada", "phone", age="18-24"), seen("bob", "tv", age="25+")]
    store.apply(START, *events, seen("eve", "tv", age="18-24"), rule=BY)
    assert parts(store) == {
        "device=phone": (1, 1, 0), "device=tv": (2, 2, 0), "age=18-24": (2, 2, 0),
        "age=25+": (1, 1, 0),
    }  # fmt: skip


def test_an_earlier_transformer_counts_by_its_context_alone() -> None:
    store = Memory()
    store.apply(START, seen("ada", "phone"), rule=BY)
    assert parts(store) == {"device=phone": (1, 1, 0)}
    store.apply(START, seen("bob", "phone", age="25+"), rule=BY)
    assert parts(store) == {"device=phone": (2, 2, 0), "age=25+": (1, 1, 0)}
